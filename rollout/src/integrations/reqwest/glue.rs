//! What is the same in words for both versions of `reqwest`, and differs in types.

/// A module of this name over the `reqwest` that is called so here.
macro_rules! glue {
    ($module:ident, $reqwest:ident, $feature:literal) => {
        mod $module {
            use std::pin::Pin;
            use std::task::{Context, Poll, Waker};

            use ::$reqwest::{
                Body, Client, Error, Method, Request, RequestBuilder, Response,
                ResponseBuilderExt as _,
            };
            use bytes::Bytes;
            use http_body::Body as _;

            use super::SendTraced;
            use crate::calls::ModelCalls;
            use crate::exchange::Exchange;
            use crate::integrations::body::Watched;

            impl super::sealed::Sealed for RequestBuilder {}

            impl SendTraced for RequestBuilder {
                type Response = Response;
                type Error = Error;

                async fn send_traced_with(self, calls: ModelCalls) -> Result<Response, Error> {
                    let (client, request) = self.build_split();
                    execute(&client, request?, &calls).await
                }
            }

            async fn execute(
                client: &Client,
                mut request: Request,
                calls: &ModelCalls,
            ) -> Result<Response, Error> {
                // A layer of this kind is never above itself, but may be below another one.
                let exchange = begin(&mut request, calls, $feature, 0);
                carry(exchange.as_ref(), calls, &mut request);
                let Some(exchange) = exchange else {
                    return client.execute(request).await;
                };
                match exchange.around(|| client.execute(request)).await {
                    Ok(response) => Ok(watch(response, exchange)),
                    Err(error) => {
                        exchange.broken(message(&error));
                        Err(error)
                    }
                }
            }

            /// Writes what is to go along with a request.
            pub(in crate::integrations) fn carry(
                exchange: Option<&Exchange>,
                calls: &ModelCalls,
                request: &mut Request,
            ) {
                if exchange.is_some() && !calls.propagates(true) {
                    // As it is with nearly every model call: they need not pay for a copy of the URL.
                    return;
                }
                let url = request.url().clone();
                let host = url.host_str().unwrap_or_default();
                crate::exchange::carry(exchange, calls, host, url.path(), request.headers_mut());
            }

            /// Opens the span of a request, if that is a model call.
            pub(in crate::integrations) fn begin(
                request: &mut Request,
                calls: &ModelCalls,
                integration: &'static str,
                layer: usize,
            ) -> Option<Exchange> {
                if request.method() != Method::POST {
                    return None;
                }
                let body = body(request);
                let url = request.url();
                let host = url.host_str().unwrap_or_default();
                Exchange::begin(calls, integration, layer, host, url.path(), body)
            }

            /// The body, where it is all there, by reference. A body gives its bytes to nobody but who takes it, so it
            /// is taken and made anew.
            fn body(request: &mut Request) -> Option<Bytes> {
                let body = request.body_mut();
                body.as_ref()?.as_bytes()?;
                let mut whole = body.take()?;
                let mut context = Context::from_waker(Waker::noop());
                let bytes = match Pin::new(&mut whole).poll_frame(&mut context) {
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                    _ => Bytes::new(),
                };
                *body = Some(bytes.clone().into());
                Some(bytes)
            }

            /// What went wrong, in the words of whoever noticed; where that goes back to the HTTP client, without the
            /// address.
            #[allow(dead_code, reason = "not all integrations go over both versions")]
            pub(in crate::integrations) fn told(
                error: &(dyn std::error::Error + 'static),
            ) -> String {
                let mut next = Some(error);
                while let Some(error) = next {
                    if let Some(error) = error.downcast_ref::<Error>() {
                        return message(error);
                    }
                    next = error.source();
                }
                crate::failure::without_keys(&error.to_string()).into_owned()
            }

            fn message(error: &Error) -> String {
                let kind = if error.is_timeout() {
                    "timed out"
                } else if error.is_connect() {
                    "cannot connect"
                } else if error.is_redirect() {
                    "too many redirects"
                } else {
                    "the request failed"
                };
                super::message(kind, error)
            }

            /// The response, with an eye on its body.
            pub(in crate::integrations) fn watch(
                response: Response,
                mut exchange: Exchange,
            ) -> Response {
                let media_type = response.headers().get(http::header::CONTENT_TYPE);
                let media_type = media_type.and_then(|value| value.to_str().ok());
                exchange.head(response.status().as_u16(), media_type);
                // The address is no part of what `http` knows of a response: it rides in its extensions.
                let address = http::Response::builder()
                    .url(response.url().clone())
                    .body(());
                let response: http::Response<Body> = response.into();
                let (mut head, body) = response.into_parts();
                if let Ok(address) = address {
                    head.extensions.extend(address.into_parts().0.extensions);
                }
                let body = Watched::new(body, exchange, message);
                http::Response::from_parts(head, Body::wrap(body)).into()
            }
        }
    };
}

pub(super) use glue;
