//! Model calls through a plain `reqwest` client.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use reqwest::{
    Body, Client, Error, Method, Request, RequestBuilder, Response, ResponseBuilderExt as _,
};

use crate::calls::ModelCalls;
use crate::exchange::Exchange;

/// Sends requests that are model calls inside a span.
///
/// OpenAI, Anthropic and Gemini are known by the path, at any address, and so is whoever speaks like them. The request
/// and the answer are what they are without it: bytes, headers, errors, and each chunk of a stream at the time it
/// comes. What is no model call passes unrecorded.
///
/// ```no_run
/// use rollout::SendTraced as _;
///
/// # async fn run(request: &serde_json::Value) -> Result<(), reqwest::Error> {
/// let answer = reqwest::Client::new()
///     .post("https://api.anthropic.com/v1/messages")
///     .body(request.to_string())
///     .send_traced()
///     .await?;
/// # Ok(()) }
/// ```
pub trait SendTraced: Sized + sealed::Sealed {
    /// Sends the request, as `send` does.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    fn send_traced(self) -> impl Future<Output = Result<Response, Error>> + Send {
        self.send_traced_with(ModelCalls::new())
    }

    /// The same, with a say in what is recorded.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    fn send_traced_with(
        self,
        calls: ModelCalls,
    ) -> impl Future<Output = Result<Response, Error>> + Send;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for reqwest::RequestBuilder {}
}

impl SendTraced for RequestBuilder {
    async fn send_traced_with(self, calls: ModelCalls) -> Result<Response, Error> {
        let (client, request) = self.build_split();
        execute(&client, request?, &calls).await
    }
}

async fn execute(client: &Client, request: Request, calls: &ModelCalls) -> Result<Response, Error> {
    let Some(exchange) = begin(&request, calls) else {
        return client.execute(request).await;
    };
    let sent = exchange.in_scope(|| client.execute(request));
    match sent.await {
        Ok(response) => Ok(watch(response, exchange)),
        Err(error) => {
            exchange.broken(message(&error));
            Err(error)
        }
    }
}

/// Opens the span of a request, if that is a model call.
pub(super) fn begin(request: &Request, calls: &ModelCalls) -> Option<Exchange> {
    if request.method() != Method::POST {
        return None;
    }
    let url = request.url();
    Exchange::begin(
        calls,
        url.host_str().unwrap_or_default(),
        url.path(),
        body(request),
    )
}

/// The body, where it is all there: it is cloned by reference.
fn body(request: &Request) -> Option<Bytes> {
    request.body()?.as_bytes()?;
    let mut body = request.try_clone()?.body_mut().take()?;
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}

/// What went wrong, in the words of whoever noticed; where that goes back to this crate, without the address.
#[cfg(any(feature = "openai", feature = "reqwest-middleware"))]
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return message(error);
        }
        next = error.source();
    }
    error.to_string()
}

/// What went wrong, without the address: its query may hold a key.
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
    let mut message = kind.to_owned();
    let mut source = error.source();
    while let Some(error) = source {
        // Of a chain of errors, only those of this crate tell the address.
        if !error.is::<Error>() {
            message.push_str(": ");
            message.push_str(&error.to_string());
        }
        source = error.source();
    }
    message
}

/// The response, with an eye on its body.
pub(super) fn watch(response: Response, mut exchange: Exchange) -> Response {
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
    let body = Watched {
        body,
        exchange: Some(exchange),
    };
    http::Response::from_parts(head, Body::wrap(body)).into()
}

struct Watched {
    body: Body,
    exchange: Option<Exchange>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(exchange), Some(bytes)) = (&mut self.exchange, frame.data_ref()) {
                    exchange.chunk(bytes);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.broken(message(error));
                }
            }
            Poll::Ready(None) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.done();
                }
            }
            Poll::Pending => {}
        }
        // Who reads by the length stops before the end is told.
        if self.body.is_end_stream()
            && let Some(exchange) = self.exchange.take()
        {
            exchange.done();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
