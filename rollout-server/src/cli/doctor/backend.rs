//! The places that traces are sent to.

use rollout::{Config, ExporterKind, SpoolKind};

use super::Finding;

/// Sends a diagnostic trace to each of them.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let kinds = config.exporters().iter().copied();
    let remote = kinds.filter(|kind| !matches!(kind, ExporterKind::Local | ExporterKind::Console));
    remote
        .map(|kind| match kind {
            ExporterKind::Http => http(),
            kind => other(config, kind),
        })
        .collect()
}

/// The ingest API says for each event whether it is taken.
fn http() -> Finding {
    let subject = ExporterKind::Http.as_str();
    let client = match rollout::builder().build() {
        Ok(client) => client,
        Err(error) => return refused(subject, error.to_string()),
    };
    let result = client.blocking_check();
    drop(client);
    if result.ok {
        Finding::ok(subject, result.message)
    } else {
        refused(subject, result.message)
    }
}

/// By a client of its own whose spool is memory: what programs have in theirs is left alone.
fn other(config: &Config, kind: ExporterKind) -> Finding {
    let subject = kind.as_str();
    let built = rollout::builder()
        .exporters([kind])
        .spool(SpoolKind::Memory)
        .sample_rate(1.0)
        .debug(false)
        .build();
    let client = match built {
        Ok(client) => client,
        Err(error) => return refused(subject, error.to_string()),
    };
    drop(client.trace("rollout.doctor").start());
    let report = client.blocking_shutdown(config.timeout());
    let stats = client.stats();
    let exporter = stats.exporters.get(subject);
    let said = exporter.and_then(|exporter| {
        let stopped = exporter.stopped.clone();
        stopped.or_else(|| exporter.last_error.clone())
    });
    let delivered = exporter.map_or(0, |exporter| exporter.delivered);
    match (report, said) {
        (_, Some(said)) => refused(subject, said),
        (Err(error), None) => refused(subject, error.to_string()),
        (Ok(report), None) if report.timed_out => refused(
            subject,
            format!("no answer within {} s", config.timeout().as_secs()),
        ),
        (Ok(_), None) if delivered == 0 => refused(subject, "nothing was taken".to_owned()),
        (Ok(_), None) => Finding::ok(subject, "took a diagnostic trace, rollout.doctor"),
    }
}

fn refused(subject: &str, said: String) -> Finding {
    Finding::problem(
        subject,
        said,
        "check the address, the key and the network; events wait in the spool meanwhile",
    )
}
