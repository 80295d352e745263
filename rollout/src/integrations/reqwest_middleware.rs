//! Model calls through `reqwest-middleware`.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::reqwest::{begin, told, watch};
use crate::calls::ModelCalls;

/// Records the requests that are model calls, as [`SendTraced`](crate::SendTraced) does.
///
/// Put before a middleware that retries, it records one call, however many attempts that takes; behind it, each attempt
/// as a call.
///
/// ```
/// # fn client(http: reqwest::Client) {
/// let client = reqwest_middleware::ClientBuilder::new(http)
///     .with(rollout::ModelCallMiddleware::new(rollout::ModelCalls::new()))
///     .build();
/// # }
/// ```
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
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let Some(exchange) = begin(&request, &self.calls) else {
            return next.run(request, extensions).await;
        };
        match next.run(request, extensions).await {
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
