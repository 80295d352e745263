//! One request to a server.

use std::fmt::Display;

use http::StatusCode;
use http::request::Parts;
use rollout_core::{Ending, Span, SpanContext, SpanEnd, SpanUpdate};

use crate::failure::without_keys;

/// The span of a request, until its answer is sent. Dropped before, it was given up.
pub(super) struct Served {
    span: Span,
    status: Option<StatusCode>,
}

impl Served {
    /// `None` where nothing is recorded.
    pub(super) fn begin(
        head: &Parts,
        route: Option<String>,
        caller: Option<&SpanContext>,
    ) -> Option<Self> {
        let client = rollout_core::testing::client()?;
        let method = head.method.as_str();
        let name = match &route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        let mut builder = client
            .span("server")
            .place(None)
            .parent(caller)
            .name(name)
            .attribute("http.request.method", method)
            .attribute("url.path", head.uri.path());
        if let Some(route) = route {
            builder = builder.attribute("http.route", route);
        }
        Some(Self {
            span: builder.start(),
            status: None,
        })
    }

    pub(super) fn in_scope<R>(&self, body: impl FnOnce() -> R) -> R {
        self.span.in_scope(body)
    }

    /// The answer has begun.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// It is sent.
    pub(super) fn done(self) {
        let error = self
            .status
            .filter(StatusCode::is_server_error)
            .map(|status| ("http", status.to_string()));
        self.end(Ending::Done, error);
    }

    /// The service, or the body of its answer, failed.
    pub(super) fn failed(self, type_name: &'static str, error: &impl Display) {
        let message = without_keys(&error.to_string()).into_owned();
        self.end(Ending::Done, Some((type_name, message)));
    }

    fn end(&self, ending: Ending, error: Option<(&'static str, String)>) {
        let status = self.status;
        self.span.end_later(ending, 0, move || {
            let mut update = SpanUpdate::new();
            if let Some(status) = status {
                update = update.attribute("http.response.status_code", status.as_u16());
            }
            let (error_type, error) = error.unzip();
            let end = SpanEnd {
                error,
                error_type: error_type.map(str::to_owned),
                ..SpanEnd::default()
            };
            (update, end)
        });
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // While it unwinds, the span knows by itself.
        if !std::thread::panicking() {
            self.end(Ending::Cancelled, None);
        }
    }
}
