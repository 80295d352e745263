//! The program that spans are of.

use opentelemetry_proto::tonic::resource::v1::Resource;

use super::Attributes;
use crate::config::OtlpSettings;
use crate::export::otlp::facts::Program;

/// A program, by what its events and the settings say of it.
pub(in super::super) fn resource(program: &Program, settings: &OtlpSettings) -> Resource {
    let mut to = Attributes::default();
    let name = program.service_name.as_deref();
    let name = name.or(settings.service_name());
    let name = name.or(program.agent_name.as_deref());
    match name {
        Some(name) => to.text("service.name", name),
        None => to.text("service.name", unknown_service()),
    }
    to.maybe("service.version", program.release.as_ref());
    to.maybe("deployment.environment.name", program.environment.as_ref());
    to.maybe("deployment.name", program.deployment.as_ref());
    if let Some(writer) = &program.writer {
        to.text("service.instance.id", &**writer);
        to.count("process.pid", pid(writer));
    }
    to.text("telemetry.sdk.name", "rollout");
    to.text("telemetry.sdk.language", "rust");
    to.text("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    for (key, value) in settings.resource() {
        to.text(key, value);
    }
    Resource {
        attributes: to.into_list(),
        ..Resource::default()
    }
}

/// What OpenTelemetry calls a service that has no name.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program
        .as_deref()
        .and_then(|path| path.file_name()?.to_str());
    match name {
        Some(name) => format!("unknown_service:{name}"),
        None => "unknown_service".to_owned(),
    }
}

/// The process that a folder of the spool is of: `TIME-PID-RANDOM`.
fn pid(writer: &str) -> Option<u64> {
    writer.split('-').nth(1)?.parse().ok()
}
