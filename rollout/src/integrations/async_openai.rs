//! Model calls through `async-openai`, by the tower service under its client.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_openai::Client;
use async_openai::config::{AzureConfig, Config, OpenAIConfig};
use async_openai::error::OpenAIError;
use async_openai::middleware::retry::OpenAIRetryLayer;
use async_openai::middleware::{HttpRequestFactory, ReqwestService};
use reqwest::Response;
use tower_layer::Layer as _;
use tower_service::Service;

use super::reqwest::{begin, carry, told, watch};
use crate::calls::ModelCalls;
use crate::exchange::Exchange;
use crate::wrap::Wrap;

impl Wrap for OpenAIConfig {
    type Wrapped = Client<Self>;

    fn wrap(self, calls: ModelCalls) -> Client<Self> {
        (self, reqwest::Client::new()).wrap(calls)
    }
}

impl Wrap for AzureConfig {
    type Wrapped = Client<Self>;

    fn wrap(self, calls: ModelCalls) -> Client<Self> {
        (self, reqwest::Client::new()).wrap(calls)
    }
}

/// Any configuration, over an HTTP client with proxies, certificates and timeouts of one's own.
impl<C: Config> Wrap for (C, reqwest::Client) {
    type Wrapped = Client<C>;

    fn wrap(self, calls: ModelCalls) -> Client<C> {
        let (config, http) = self;
        // The retries that a client has by itself stay: they are one call of several attempts.
        let service = OpenAIRetryLayer::default().layer(ReqwestService::new(http.clone()));
        Client::build(http, config).with_http_service(Recorded {
            service,
            calls: Arc::new(calls),
        })
    }
}

/// A service whose requests are recorded.
#[derive(Clone)]
struct Recorded<S> {
    service: S,
    calls: Arc<ModelCalls>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

impl<S> Service<HttpRequestFactory> for Recorded<S>
where
    S: Service<HttpRequestFactory, Response = Response, Error = OpenAIError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = OpenAIError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequestFactory) -> Answer {
        let attempts = Arc::new(Attempts {
            calls: Arc::clone(&self.calls),
            made: AtomicU32::new(0),
            exchange: Mutex::new(None),
        });
        let sent = self.service.call(Arc::clone(&attempts).watch(request));
        Box::pin(async move {
            let answer = sent.await;
            let Some(mut exchange) = attempts.take() else {
                return answer;
            };
            exchange.attempts(attempts.made.load(Ordering::Relaxed));
            match answer {
                Ok(response) => Ok(watch(response, exchange)),
                Err(error) => {
                    exchange.broken(told(&error));
                    Err(error)
                }
            }
        })
    }
}

/// The attempts at one call, all in one span.
struct Attempts {
    calls: Arc<ModelCalls>,
    made: AtomicU32,
    exchange: Mutex<Option<Exchange>>,
}

impl Attempts {
    /// The same request, whose first attempt opens the span.
    fn watch(self: Arc<Self>, request: HttpRequestFactory) -> HttpRequestFactory {
        HttpRequestFactory::new(move || {
            let (attempts, request) = (Arc::clone(&self), request.clone());
            async move {
                let mut request = request.build().await?;
                if attempts.made.fetch_add(1, Ordering::Relaxed) == 0 {
                    let layer = Arc::as_ptr(&attempts.calls).addr();
                    *attempts.exchange() = begin(&mut request, &attempts.calls, "openai", layer);
                }
                // Whatever is asked here, a model is asked.
                if attempts.calls.propagates(true) {
                    carry(attempts.exchange().as_ref(), &attempts.calls, &mut request);
                }
                Ok(request)
            }
        })
    }

    fn take(&self) -> Option<Exchange> {
        self.exchange().take()
    }

    fn exchange(&self) -> std::sync::MutexGuard<'_, Option<Exchange>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
