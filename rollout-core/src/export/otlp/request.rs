//! Spans as a request of OTLP.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::collect::Ready;
use super::facts::Program;
use super::write;
use crate::config::OtlpSettings;

/// A request of spans, grouped by the programs that they are of.
pub(super) fn request(spans: &[Ready], settings: &OtlpSettings) -> ExportTraceServiceRequest {
    let mut of_programs: Vec<(&Arc<Program>, ScopeSpans)> = Vec::new();
    for ready in spans {
        let known = of_programs
            .iter()
            .position(|(program, _)| **program == ready.program);
        let at = known.unwrap_or_else(|| {
            of_programs.push((&ready.program, of_scope()));
            of_programs.len() - 1
        });
        if let Some((_, of_scope)) = of_programs.get_mut(at) {
            of_scope.spans.push(ready.span.clone());
        }
    }
    let resource_spans = of_programs
        .into_iter()
        .map(|(program, scope_spans)| ResourceSpans {
            resource: Some(write::resource(program, settings)),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    }
}

fn of_scope() -> ScopeSpans {
    ScopeSpans {
        scope: Some(InstrumentationScope {
            name: "rollout".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        }),
        ..ScopeSpans::default()
    }
}
