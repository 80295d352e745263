//! Setters for everything that can be configured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, ExporterKind, Given, Keep, Mask, SpoolKind};
use crate::error::ConfigError;
use crate::export::Exporter;
use crate::processor::{Processors, SpanProcessor};
use crate::run::Phase;

/// Configures a client. What is not set here comes from the environment, then from
/// `rollout.toml`, then from the defaults; [`Config::reference`] lists them all.
///
/// Values are checked when the client is built, by the same rules wherever they come from.
#[must_use = "a builder does nothing until its client is built"]
pub struct Builder {
    texts: BTreeMap<&'static str, String>,
    redact_keys: Vec<String>,
    redact_values: bool,
    mask: Option<Mask>,
    exporters: Vec<Box<dyn Exporter>>,
    processors: Processors,
    problem: Option<ConfigError>,
}

/// What a program brings itself to see what it records.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) exporters: Vec<Box<dyn Exporter>>,
    pub(crate) processors: Processors,
}

/// A builder with nothing set.
pub fn builder() -> Builder {
    Builder::new()
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A builder with nothing set.
    pub fn new() -> Self {
        Self {
            texts: BTreeMap::new(),
            redact_keys: Vec::new(),
            redact_values: true,
            mask: None,
            exporters: Vec::new(),
            processors: Processors::default(),
            problem: None,
        }
    }

    fn text(mut self, key: &'static str, text: impl Into<String>) -> Self {
        self.texts.insert(key, text.into());
        self
    }

    /// The bearer key of the ingest API.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.text("api_key", key)
    }

    /// The address of the ingest API, such as `http://127.0.0.1:4747`.
    pub fn endpoint(self, address: impl Into<String>) -> Self {
        self.text("base_url", address)
    }

    /// The same as [`Builder::endpoint`].
    pub fn base_url(self, address: impl Into<String>) -> Self {
        self.endpoint(address)
    }

    /// The folder of the spool.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref();
        match dir.to_str() {
            Some(text) => return self.text("dir", text),
            None => {
                self.problem = Some(ConfigError::new(
                    "builder: dir",
                    Some(&dir.to_string_lossy()),
                    "the path must be UTF-8 text",
                ));
            }
        }
        self
    }

    /// Whether anything is recorded at all.
    pub fn enabled(self, enabled: bool) -> Self {
        self.text("enabled", enabled.to_string())
    }

    /// Where events wait for their exporters.
    pub fn spool(self, kind: SpoolKind) -> Self {
        let text = match kind {
            SpoolKind::Disk => "disk",
            SpoolKind::Memory => "memory",
        };
        self.text("spool", text)
    }

    /// Which of the exporters that settings can name get the events; replaces the choice that
    /// would be made otherwise. With `[]` it is none of them.
    pub fn exporters(self, kinds: impl IntoIterator<Item = ExporterKind>) -> Self {
        let names: Vec<_> = kinds.into_iter().map(ExporterKind::as_str).collect();
        self.text("exporters", names.join(","))
    }

    /// Adds an exporter of the program's own. Several may be added; with one, `local` is not
    /// chosen by itself. Whether it goes along into forked children it says itself, see [`Exporter::for_child`].
    pub fn exporter(mut self, exporter: Box<dyn Exporter>) -> Self {
        self.exporters.push(exporter);
        self
    }

    /// Adds what sees each span on its way, before it becomes events.
    pub fn span_processor(mut self, processor: impl SpanProcessor) -> Self {
        self.processors.push(processor);
        self
    }

    /// The agent's name, at most 200 characters.
    pub fn agent_name(self, name: impl Into<String>) -> Self {
        self.text("agent_name", name)
    }

    /// The agent's id, at most 200 characters.
    pub fn agent_id(self, id: impl Into<String>) -> Self {
        self.text("agent_id", id)
    }

    /// The agent's version, at most 100 characters.
    pub fn agent_version(self, version: impl Into<String>) -> Self {
        self.text("agent_version", version)
    }

    /// The service that the agent runs in, at most 200 characters.
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.text("service_name", name)
    }

    /// For example `production`, at most 100 characters.
    pub fn environment(self, name: impl Into<String>) -> Self {
        self.text("environment", name)
    }

    /// Which deployment of the agent, at most 100 characters.
    pub fn deployment(self, name: impl Into<String>) -> Self {
        self.text("deployment", name)
    }

    /// The release of the program, at most 200 characters.
    pub fn release(self, name: impl Into<String>) -> Self {
        self.text("release", name)
    }

    /// The share of traces that is recorded, from 0 to 1.
    pub fn sample_rate(self, rate: f64) -> Self {
        self.text("sample_rate", rate.to_string())
    }

    /// The share of the recorded traces that exporters get, from 0 to 1, decided when a trace is over: those that
    /// [`export_keep`](Builder::export_keep) names, and of the others so many, chosen by a hash of their id, so that all
    /// processes agree. The spool, and so `local`, keeps everything.
    ///
    /// A trace waits in memory until it is decided, at most an eighth of `max_queue_bytes` for all of an exporter: at
    /// that bound the oldest is sent, and so is one that is not over after ten minutes.
    pub fn export_sample_rate(self, rate: f64) -> Self {
        self.export_rate(&rate.to_string())
    }

    /// The same for one exporter, by its name.
    pub fn export_sample_rate_of(self, exporter: &str, rate: f64) -> Self {
        self.export_rate(&format!("{exporter}={rate}"))
    }

    fn export_rate(self, part: &str) -> Self {
        let key = "export_sample_rate";
        let of = |part: &str| part.split_once('=').map(|(name, _)| name.to_owned());
        let before = self.texts.get(key).cloned().unwrap_or_default();
        let mut parts: Vec<&str> = before.split(',').filter(|p| !p.is_empty()).collect();
        // What is said again goes before what was said.
        parts.retain(|known| of(known) != of(part));
        parts.push(part);
        self.text(key, parts.join(","))
    }

    /// Which traces exporters get, whatever their share is; without this, those that failed or were judged.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rollout_core::Keep;
    ///
    /// let builder = rollout_core::builder()
    ///     .export_sample_rate(0.1)
    ///     .export_keep([Keep::Failed, Keep::Slow(Duration::from_secs(5)), Keep::Cost(0.05)]);
    /// ```
    pub fn export_keep(self, rules: impl IntoIterator<Item = Keep>) -> Self {
        let rules: Vec<_> = rules.into_iter().map(|rule| rule.to_string()).collect();
        let none = rules.is_empty().then_some("none");
        self.text(
            "export_keep",
            none.map_or_else(|| rules.join(","), str::to_owned),
        )
    }

    /// The longest that an event waits for its batch to fill, from 1 ms to an hour.
    pub fn flush_interval(self, interval: Duration) -> Self {
        self.text("flush_interval", interval.as_secs_f64().to_string())
    }

    /// How many events make a batch, from 1 to 1000.
    pub fn flush_at(self, events: usize) -> Self {
        self.text("flush_at", events.to_string())
    }

    /// How long one request, and a flush that names no other time, may take, from 1 ms to an
    /// hour.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.text("timeout", timeout.as_secs_f64().to_string())
    }

    /// The most memory that records may take on their way to the spool, at least 64 KiB.
    pub fn max_queue_bytes(self, bytes: u64) -> Self {
        self.text("max_queue_bytes", bytes.to_string())
    }

    /// The most that one captured value may take, from 256 bytes to 4 MiB.
    pub fn max_value_bytes(self, bytes: u64) -> Self {
        self.text("max_value_bytes", bytes.to_string())
    }

    /// The most that the spool may take on disk, at least 64 KiB.
    pub fn max_spool_bytes(self, bytes: u64) -> Self {
        self.text("max_spool_bytes", bytes.to_string())
    }

    /// With `false`, no arguments are recorded anywhere.
    pub fn capture_input(self, capture: bool) -> Self {
        self.text("capture_input", capture.to_string())
    }

    /// With `false`, no results are recorded anywhere.
    pub fn capture_output(self, capture: bool) -> Self {
        self.text("capture_output", capture.to_string())
    }

    /// Whose model calls are recorded, by the cargo features of `rollout`: `["openai", "rig"]`; without this, those of
    /// all that are compiled in. One that is not is an error when the client is built.
    pub fn integrations<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        self.text("integrations", names.join(","))
    }

    /// What of a trace's identity goes along to other processes, and is believed where it comes from them: any of
    /// `user_id`, `session_id`, `conversation_id` and `tags`. Without this, nothing of it.
    pub fn baggage<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        self.text("baggage", names.join(","))
    }

    /// The address of the program's repository.
    pub fn git_repo(self, address: impl Into<String>) -> Self {
        self.text("git_repo", address)
    }

    /// The commit that the program was built from.
    pub fn git_ref(self, commit: impl Into<String>) -> Self {
        self.text("git_ref", commit)
    }

    /// The project's name, at most 200 characters; see [`run`](crate::run).
    pub fn project(self, name: impl Into<String>) -> Self {
        self.text("project", name)
    }

    /// The run that rollouts belong to, at most 200 characters; see [`run`](crate::run).
    pub fn run_id(self, id: impl Into<String>) -> Self {
        self.text("run_id", id)
    }

    /// What that run is for.
    pub fn phase(self, phase: Phase) -> Self {
        self.text("phase", phase.as_str())
    }

    /// The address of the run registry, such as `http://127.0.0.1:4747`; see [`run`](crate::run).
    pub fn registry_url(self, address: impl Into<String>) -> Self {
        self.text("registry_url", address)
    }

    /// The bearer key of the run registry.
    pub fn registry_key(self, key: impl Into<String>) -> Self {
        self.text("registry_key", key)
    }

    /// Takes SIGTERM and Ctrl-C: the program ends when what is recorded is delivered, or after 5 s, with 128 and the
    /// signal's number as its exit code. A second signal ends it at once. Not for a program that has handlers of its
    /// own: it calls [`shutdown`](crate::shutdown) there, or [`exit`](crate::exit).
    pub fn drain_on_signals(self, drain: bool) -> Self {
        self.text("drain_on_signals", drain.to_string())
    }

    /// Where the exporter `otlp` sends spans to, such as `http://127.0.0.1:4318`; `/v1/traces` is added to it. Chooses
    /// that exporter, unless [`Builder::exporters`] or a setting names others.
    pub fn otlp_endpoint(self, address: impl Into<String>) -> Self {
        self.text("otlp_endpoint", address)
    }

    /// The same, used as it is.
    pub fn otlp_traces_endpoint(self, address: impl Into<String>) -> Self {
        self.text("otlp_traces_endpoint", address)
    }

    /// What goes along with every request of the exporter `otlp`, in place of what the environment says. Values are
    /// shown nowhere.
    pub fn otlp_headers<'a>(self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let escaped = |text: &str| {
            text.replace('%', "%25")
                .replace(',', "%2C")
                .replace(';', "%3B")
                .replace('=', "%3D")
        };
        let pairs: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        self.text("otlp_headers", pairs.join(","))
    }

    /// The keys of a Langfuse project. Chooses the exporter `langfuse` as [`Builder::otlp_endpoint`] does its own.
    pub fn langfuse(self, public_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.text("langfuse_public_key", public_key)
            .text("langfuse_secret_key", secret_key)
    }

    /// Where Langfuse is, if that is not the hosted one in the United States.
    pub fn langfuse_host(self, address: impl Into<String>) -> Self {
        self.text("langfuse_host", address)
    }

    /// The key of a TraceRoot project. Chooses the exporter `traceroot` as [`Builder::otlp_endpoint`] does its own.
    pub fn traceroot(self, key: impl Into<String>) -> Self {
        self.text("traceroot_api_key", key)
    }

    /// Where TraceRoot is, if that is not the hosted one.
    pub fn traceroot_host(self, address: impl Into<String>) -> Self {
        self.text("traceroot_host", address)
    }

    /// ClickHouse's HTTP interface, such as `http://127.0.0.1:8123`. Chooses the exporter `clickhouse` as
    /// [`Builder::otlp_endpoint`] does its own.
    pub fn clickhouse_url(self, address: impl Into<String>) -> Self {
        self.text("clickhouse_url", address)
    }

    /// The database that its tables are in, if that is not `default`.
    pub fn clickhouse_database(self, name: impl Into<String>) -> Self {
        self.text("clickhouse_database", name)
    }

    /// Who inserts, if that is not `default` without a password.
    pub fn clickhouse_user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.text("clickhouse_user", name)
            .text("clickhouse_password", password)
    }

    /// A cluster of replicas, on all of which the tables are made, with `Replicated…` engines.
    pub fn clickhouse_cluster(self, name: impl Into<String>) -> Self {
        self.text("clickhouse_cluster", name)
    }

    /// How many days ClickHouse keeps a trace, from 1 to 36,500; without this, what its tables have stays.
    pub fn clickhouse_ttl_days(self, days: usize) -> Self {
        self.text("clickhouse_ttl_days", days.to_string())
    }

    /// Prints a tree of each trace on stderr when it ends.
    pub fn debug(self, debug: bool) -> Self {
        self.text("debug", debug.to_string())
    }

    /// Redacts the values of fields and map keys of this name too, compared word by word in
    /// any case style: `customer_ssn` covers `customerSsn` and `CUSTOMER-SSN`.
    pub fn redact_key(mut self, name: impl Into<String>) -> Self {
        self.redact_keys.push(name.into());
        self
    }

    /// Whether values that look like keys are masked wherever they stand; on by default.
    pub fn redact_values(mut self, redact: bool) -> Self {
        self.redact_values = redact;
        self
    }

    /// The last step before a captured value is written: `mask` may change it in any way. It
    /// runs on the worker's thread; if it panics, the value is withheld.
    pub fn mask(mut self, mask: impl Fn(&mut serde_json::Value) + Send + Sync + 'static) -> Self {
        self.mask = Some(Arc::new(mask));
        self
    }

    /// Resolves the configuration without starting anything.
    pub fn config(&self) -> Result<Config, ConfigError> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        Config::resolve(&Given {
            texts: &self.texts,
            redact_keys: &self.redact_keys,
            redact_values: self.redact_values,
            mask: self.mask.as_ref(),
            has_exporters: !self.exporters.is_empty(),
        })
    }

    /// The configuration, and the exporters and processors that the program brings itself.
    pub(crate) fn resolve(self) -> Result<(Config, Own), ConfigError> {
        let config = self.config()?;
        let own = Own {
            exporters: self.exporters,
            processors: self.processors,
        };
        Ok((config, own))
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set: Vec<_> = self.texts.keys().collect();
        f.debug_struct("Builder")
            .field("set", &set)
            .field("exporters", &self.exporters.len())
            .finish_non_exhaustive()
    }
}
