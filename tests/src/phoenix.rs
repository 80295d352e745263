//! Arize Phoenix, out of PyPI.

use std::path::Path;

use crate::service::Service;

/// A server with an empty database that talks to nobody.
pub fn start(python: &Path) -> Service {
    let service = Service::start(python, &["phoenix.server.main", "serve"], |dir| {
        [
            ("PHOENIX_WORKING_DIR", dir.to_string_lossy().as_ref()),
            ("PHOENIX_HOST", "127.0.0.1"),
            ("PHOENIX_PORT", "0"),
            ("PHOENIX_GRPC_PORT", "0"),
            ("PHOENIX_TELEMETRY_ENABLED", "false"),
            ("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    });
    service.is_ready("/readyz");
    service
}
