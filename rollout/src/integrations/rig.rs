//! Model calls through `rig`, by the HTTP client under its providers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use rig_http::http_client::{
    BoxedStream, DynHttpClient, Error, HttpClientExt, LazyBody, MultipartForm, Result,
    StreamingResponse,
};
use rig_http::wasm_compat::WasmCompatSend;

use crate::calls::ModelCalls;
use crate::exchange::Exchange;
use crate::failure::with_sources;
use crate::wrap::Wrap;

/// Any HTTP client that `rig` sends through, erased as `DynHttpClient::new(client)` does it.
impl Wrap for DynHttpClient {
    type Wrapped = Self;

    fn wrap(self, calls: ModelCalls) -> Self {
        Self::new(Recorded {
            client: self,
            calls: Arc::new(calls),
        })
    }
}

/// A client whose requests are recorded.
struct Recorded {
    client: DynHttpClient,
    calls: Arc<ModelCalls>,
}

impl HttpClientExt for Recorded {
    fn send<T, U>(
        &self,
        request: Request<T>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        T: Into<Bytes> + WasmCompatSend,
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        let (client, calls) = (self.client.clone(), Arc::clone(&self.calls));
        let (mut head, body) = request.map(Into::into).into_parts();
        async move {
            let exchange = begin(&head, Some(&body), &calls);
            carry(exchange.as_ref(), &calls, &mut head);
            let request = Request::from_parts(head, body);
            let Some(exchange) = exchange else {
                return client.send::<Bytes, U>(request).await;
            };
            match exchange
                .around(|| client.send::<Bytes, Bytes>(request))
                .await
            {
                Ok(response) => Ok(watch(response, exchange)),
                Err(error) => Err(failed(error, exchange)),
            }
        }
    }

    fn send_multipart<U>(
        &self,
        request: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        // Forms carry files; none of the calls that are known is one.
        self.client.send_multipart(request)
    }

    async fn send_streaming<T>(&self, request: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + WasmCompatSend,
    {
        let (mut head, body) = request.map(Into::into).into_parts();
        let exchange = begin(&head, Some(&body), &self.calls);
        carry(exchange.as_ref(), &self.calls, &mut head);
        let request = Request::from_parts(head, body);
        let Some(mut exchange) = exchange else {
            return self.client.send_streaming(request).await;
        };
        let sent = exchange.around(|| self.client.send_streaming(request));
        match sent.await {
            Ok(response) => {
                told_head(&mut exchange, response.status(), response.headers());
                Ok(response.map(|stream| -> BoxedStream {
                    Box::pin(Watched {
                        stream,
                        exchange: Some(exchange),
                    })
                }))
            }
            Err(error) => Err(failed(error, exchange)),
        }
    }
}

/// Opens the span of a request, if that is a model call.
fn begin(head: &Parts, body: Option<&Bytes>, calls: &Arc<ModelCalls>) -> Option<Exchange> {
    if head.method != Method::POST {
        return None;
    }
    let host = head.uri.host().unwrap_or_default();
    let layer = Arc::as_ptr(calls).addr();
    Exchange::begin(calls, "rig", layer, host, head.uri.path(), body.cloned())
}

/// Writes what is to go along with a request. Whatever is asked here, a provider is asked.
fn carry(exchange: Option<&Exchange>, calls: &ModelCalls, head: &mut Parts) {
    if calls.propagates(true) {
        let uri = head.uri.clone();
        let host = uri.host().unwrap_or_default();
        crate::exchange::carry(exchange, calls, host, uri.path(), &mut head.headers);
    }
}

fn told_head(exchange: &mut Exchange, status: StatusCode, headers: &HeaderMap) {
    let media_type = headers.get(http::header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    exchange.head(status.as_u16(), media_type);
}

/// The response, with an eye on its body.
fn watch<U>(response: Response<LazyBody<Bytes>>, mut exchange: Exchange) -> Response<LazyBody<U>>
where
    U: From<Bytes> + WasmCompatSend + 'static,
{
    told_head(&mut exchange, response.status(), response.headers());
    response.map(|body| -> LazyBody<U> {
        Box::pin(async move {
            match body.await {
                Ok(bytes) => {
                    exchange.chunk(&bytes);
                    exchange.done();
                    Ok(U::from(bytes))
                }
                Err(error) => Err(failed(error, exchange)),
            }
        })
    })
}

/// The error as it was; an answer that came as one is read like any other.
fn failed(error: Error, mut exchange: Exchange) -> Error {
    if let Error::InvalidStatusCodeWithDetails {
        status,
        body,
        headers,
    } = &error
    {
        told_head(&mut exchange, *status, headers);
        exchange.chunk(&Bytes::copy_from_slice(body.as_bytes()));
        exchange.done();
    } else {
        exchange.broken(with_sources(&error));
    }
    error
}

/// A stream that tells its exchange of every chunk, and of its end.
struct Watched {
    stream: BoxedStream,
    exchange: Option<Exchange>,
}

impl Stream for Watched {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let polled = self.stream.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.chunk(bytes);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.broken(with_sources(error));
                }
            }
            Poll::Ready(None) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.done();
                }
            }
            Poll::Pending => {}
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
