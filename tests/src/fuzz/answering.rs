//! Answers out of memory, through clients that are recorded: a wrapped one of rig, and one with a middleware.

use std::collections::VecDeque;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use http::{Extensions, Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use rig_http::http_client::{
    DynHttpClient, Error, HttpClientExt, LazyBody, MultipartForm, Result, StreamingResponse,
};
use rig_http::wasm_compat::WasmCompatSend;
use rollout::{ModelCallMiddleware, ModelCalls};

/// What is answered, whatever is asked.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) pieces: Vec<Bytes>,
    pub(super) end: End,
}

/// How an answer ends after its last byte.
#[derive(Clone, Copy)]
pub(super) enum End {
    Complete,
    /// The reader goes away.
    Dropped,
    /// The connection breaks.
    Broken,
}

impl Answer {
    /// Reads it through a wrapped client of rig.
    pub(super) fn over_rig(self, url: &str) -> Vec<u8> {
        let end = self.end;
        let client = rollout::wrap(DynHttpClient::new(self));
        let request = Request::post(url).body("{}").expect("a request");
        block_on(async {
            let response = client.send_streaming(request).await.expect("an answer");
            read(response.into_body(), end)
        })
    }

    /// Reads it through a client of `reqwest` with our middleware.
    pub(super) fn over_reqwest(self, url: &str) -> Vec<u8> {
        // Where somebody has done so before, that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let end = self.end;
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(ModelCallMiddleware::new(ModelCalls::new()))
            .with(self)
            .build();
        block_on(async {
            let response = client.post(url).body("{}").send().await.expect("an answer");
            read(response.bytes_stream(), end)
        })
    }

    fn response<B>(&self, body: B) -> Response<B> {
        Response::builder()
            .status(self.status)
            .header("content-type", self.media_type)
            .body(body)
            .expect("a response")
    }

    fn pieces(&self) -> Pieces {
        Pieces {
            left: self.pieces.clone().into(),
            end: self.end,
        }
    }
}

/// All that comes. Nobody waits for the rest of what has an end: it is there.
fn read<E>(
    mut stream: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    end: End,
) -> Vec<u8> {
    let mut seen = Vec::new();
    let last = loop {
        match stream.next().now_or_never() {
            Some(Some(Ok(piece))) => seen.extend_from_slice(&piece),
            last => break last,
        }
    };
    let as_it_ends = match end {
        End::Complete => matches!(last, Some(None)),
        End::Dropped => last.is_none(),
        End::Broken => matches!(last, Some(Some(Err(_)))),
    };
    assert!(as_it_ends, "the program sees how it ends");
    seen
}

/// The pieces of a body, one after another.
struct Pieces {
    left: VecDeque<Bytes>,
    end: End,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match (self.left.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, End::Complete) => Poll::Ready(None),
            (None, End::Dropped) => Poll::Pending,
            (None, End::Broken) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }
}

#[async_trait::async_trait]
impl Middleware for Answer {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let body = reqwest::Body::wrap_stream(self.pieces());
        Ok(self.response(body).into())
    }
}

impl HttpClientExt for Answer {
    fn send<T, U>(
        &self,
        _: Request<T>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        T: Into<Bytes> + WasmCompatSend,
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        let body = Bytes::from(self.pieces.concat());
        let body: LazyBody<U> = Box::pin(ready(Ok(body.into())));
        ready(Ok(self.response(body)))
    }

    fn send_multipart<U>(
        &self,
        _: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        ready(Err(Error::StreamEnded))
    }

    async fn send_streaming<T>(&self, _: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + WasmCompatSend,
    {
        let pieces = self.pieces().map_err(Error::instance);
        Ok(self.response(Box::pin(pieces)))
    }
}
