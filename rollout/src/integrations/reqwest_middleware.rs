//! Model calls through `reqwest-middleware`.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::reqwest::{begin, carry, told, watch};
use crate::calls::ModelCalls;

/// Records the requests that are model calls, as [`SendTraced`](crate::SendTraced) does.
///
/// The order in which a client is given its middlewares decides what a retry is. Given before the one that retries, this
/// one records one call, from the first attempt to the last. Given again behind it, it counts the attempts of that call,
/// which is what most programs want:
///
/// ```
/// # use reqwest_middleware::{ClientBuilder, Middleware};
/// # fn client(http: reqwest::Client, retries: impl Middleware) {
/// let recorded = rollout::ModelCallMiddleware::new(rollout::ModelCalls::new());
/// let client = ClientBuilder::new(http)
///     .with(recorded.clone())
///     .with(retries) // such as `RetryTransientMiddleware` of `reqwest-retry`
///     .with(recorded)
///     .build();
/// # }
/// ```
///
/// Only behind it, each attempt is a call of its own. What other middlewares behind this one do is inside the call's
/// span.
#[derive(Debug, Clone, Default)]
pub struct ModelCallMiddleware {
    calls: ModelCalls,
}

impl ModelCallMiddleware {
    /// A middleware that records what `calls` says.
    pub fn new(calls: ModelCalls) -> Self {
        Self { calls }
    }
}

#[async_trait::async_trait]
impl Middleware for ModelCallMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let layer = std::ptr::from_ref(self).addr();
        let exchange = begin(&mut request, &self.calls, "reqwest-middleware", layer);
        carry(exchange.as_ref(), &self.calls, &mut request);
        let Some(exchange) = exchange else {
            return next.run(request, extensions).await;
        };
        match exchange.around(|| next.run(request, extensions)).await {
            Ok(response) => Ok(watch(response, exchange)),
            Err(error) => {
                exchange.broken(told(match &error {
                    Error::Reqwest(error) => error,
                    Error::Middleware(error) => error.as_ref(),
                }));
                Err(error)
            }
        }
    }
}
