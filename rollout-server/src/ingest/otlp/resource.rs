//! What sends spans: a service, and a library in it.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    common::v1::{InstrumentationScope, KeyValue},
    resource::v1::Resource as Sent,
};
use rollout_core::event::{Integration, limit};
use serde_json::{Map, Value};

use super::{attributes::Attributes, cut::cut};

/// What is the same on all spans of a program.
#[derive(Default)]
pub(super) struct Resource {
    pub(super) service_name: Option<String>,
    pub(super) release: Option<String>,
    pub(super) environment: Option<String>,
    /// Everything else.
    pub(super) rest: Map<String, Value>,
}

impl From<Sent> for Resource {
    fn from(sent: Sent) -> Self {
        let mut attributes = Attributes::of(sent.attributes);
        Self {
            service_name: attributes.take_text(&["service.name"]),
            release: attributes.take_text(&["service.version"]),
            environment: attributes
                .take_text(&["deployment.environment.name", "deployment.environment"]),
            rest: attributes.into_object(),
        }
    }
}

/// Who has recorded a span.
pub(super) struct Source {
    pub(super) resource: Arc<Resource>,
    pub(super) integration: Integration,
    /// Said of all spans of the library.
    pub(super) attributes: Vec<KeyValue>,
}

impl Source {
    pub(super) fn of(resource: &Arc<Resource>, scope: InstrumentationScope) -> Self {
        let label = |text: String| Some(cut(&text, limit::LABEL)).filter(|text| !text.is_empty());
        Self {
            resource: Arc::clone(resource),
            integration: Integration {
                name: label(scope.name),
                version: label(scope.version),
                ..Integration::default()
            },
            attributes: scope.attributes,
        }
    }
}
