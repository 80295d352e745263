//! Servers: a tower layer that goes on with the trace of whoever calls.

mod body;
mod served;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project::pin_project;
use rollout_core::{SpanContext, TracedFuture as _, WithAttributes};
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::ServedBody;
use self::served::Served;

/// Records each request to a server as a span, in the trace of whoever calls.
///
/// A request with a `traceparent` is a span of that trace; without one, it begins a trace, unless its task is in one.
/// It is named `METHOD route`, or `METHOD` where the route is not known: axum's routes are, with the feature `axum`;
/// those of others are told by [`route`](Self::route). What the handler does is inside of the span, and so is the body
/// of the answer: the span ends with it. An answer of 500 or more, and an error of the service, mark it failed; a
/// client that goes away ends it as cancelled.
///
/// Recorded are the method, the route, the path without its query and the status; no header and no body. What the
/// setting `baggage` allows of the caller's `baggage` holds for all that the handler begins.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> axum::Router {
/// axum::Router::new()
///     .route("/agents/{name}", axum::routing::post(async || "done"))
///     .layer(rollout::ServerLayer::new())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "give it to a router or to `tower::ServiceBuilder`"]
pub struct ServerLayer {
    route: Option<Route>,
    which: Option<Which>,
}

type Route = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;
type Which = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl ServerLayer {
    /// A layer that records every request.
    pub fn new() -> Self {
        Self::default()
    }

    /// How to tell the route of a request, such as `/users/{id}`: a name that many requests share.
    pub fn route(
        mut self,
        route: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.route = Some(Arc::new(route));
        self
    }

    /// Which requests are recorded; all, unless this says otherwise. The others are passed on as they are.
    ///
    /// ```
    /// rollout::ServerLayer::new().only(|request| request.uri.path() != "/healthz");
    /// ```
    pub fn only(mut self, which: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.which = Some(Arc::new(which));
        self
    }

    fn route_of(&self, head: &Parts) -> Option<String> {
        if let Some(route) = &self.route {
            return route(head);
        }
        #[cfg(feature = "axum")]
        if let Some(path) = head.extensions.get::<axum::extract::MatchedPath>() {
            return Some(path.as_str().to_owned());
        }
        None
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = TracedServer<S>;

    fn layer(&self, service: S) -> TracedServer<S> {
        TracedServer {
            service,
            layer: self.clone(),
        }
    }
}

/// A service whose requests are recorded: see [`ServerLayer`].
#[derive(Debug, Clone)]
pub struct TracedServer<S> {
    service: S,
    layer: ServerLayer,
}

impl<S, B, R> Service<Request<B>> for TracedServer<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: fmt::Display,
    R: Body,
{
    type Response = Response<ServedBody<R>>;
    type Error = S::Error;
    type Future = ServedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let is_recorded = self.layer.which.as_ref().is_none_or(|which| which(&head));
        let caller = rollout_core::extract(&head.headers);
        let has_body = head.method != Method::HEAD;
        let served = is_recorded
            .then(|| Served::begin(&head, self.layer.route_of(&head), caller.as_ref()))
            .flatten();
        let request = Request::from_parts(head, body);
        let scope = served
            .as_ref()
            .and(caller.as_ref())
            .and_then(SpanContext::attributes);
        let service = &mut self.service;
        let call = || service.call(request);
        let inner = match &served {
            None => Inner::Plain(call()),
            Some(served) => match scope {
                None => Inner::Plain(served.in_scope(call)),
                Some(scope) => {
                    let entered = scope.clone();
                    let future = served.in_scope(|| entered.in_scope(call));
                    Inner::Scoped(future.with_attributes(scope))
                }
            },
        };
        ServedFuture {
            inner: Some(inner),
            served,
            has_body,
        }
    }
}

/// The answer of a service whose requests are recorded.
#[must_use = "futures do nothing unless polled"]
#[pin_project(PinnedDrop)]
pub struct ServedFuture<F> {
    #[pin]
    inner: Option<Inner<F>>,
    served: Option<Served>,
    /// The answer may have a body that somebody reads.
    has_body: bool,
}

#[pin_project(project = InnerProjection)]
enum Inner<F> {
    Plain(#[pin] F),
    /// Inside of what the caller has said of its user and the like.
    Scoped(#[pin] WithAttributes<F>),
}

impl<F> fmt::Debug for ServedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedFuture").finish_non_exhaustive()
    }
}

impl<F, R, E> Future for ServedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: fmt::Display,
    R: Body,
{
    type Output = Result<Response<ServedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            // Only a drop takes the future out, and nobody polls after that.
            return Poll::Pending;
        };
        let poll = || match inner.project() {
            InnerProjection::Plain(inner) => inner.poll(cx),
            InnerProjection::Scoped(inner) => inner.poll(cx),
        };
        let polled = match &*this.served {
            Some(served) => served.in_scope(poll),
            None => poll(),
        };
        let Poll::Ready(answer) = polled else {
            return Poll::Pending;
        };
        let mut served = this.served.take();
        Poll::Ready(match answer {
            Ok(response) => {
                let (head, body) = response.into_parts();
                if let Some(served) = &mut served {
                    served.answered(head.status);
                }
                let body = ServedBody::new(body, served, *this.has_body);
                Ok(Response::from_parts(head, body))
            }
            Err(error) => {
                if let Some(served) = served {
                    served.failed(std::any::type_name::<E>(), &error);
                }
                Err(error)
            }
        })
    }
}

#[pin_project::pinned_drop]
impl<F> PinnedDrop for ServedFuture<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(served) = this.served.take() {
            // What the future holds is dropped inside its span.
            served.in_scope(|| this.inner.set(None));
            drop(served);
        }
    }
}
