//! Configuration: builder over environment over `rollout.toml` over default. In the environment, our own variables go
//! before those of others that mean the same.

mod clickhouse;
pub(crate) mod env;
mod file;
mod integration;
mod keep;
mod otlp;
pub(crate) mod secret;
mod setting;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::clickhouse::ClickHouseSettings;
use self::keep::ExportRates;
pub use self::keep::{Keep, ParseKeepError};
pub(crate) use self::otlp::OtlpSettings;
use self::secret::Secret;
use self::setting::{SETTINGS, Setting};
use crate::error::ConfigError;
use crate::git;
use crate::run::{self, Phase};

/// Where events go when there is a key and no address.
const HOSTED: &str = "https://app.rollout.work";

/// A function that may change every captured value before it is written anywhere.
pub type Mask = Arc<dyn Fn(&mut serde_json::Value) + Send + Sync>;

/// Where events wait for their exporters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolKind {
    /// In files under [`Config::dir`]; they outlive the process.
    #[default]
    Disk,
    /// In memory, bounded by [`Config::max_queue_bytes`].
    Memory,
}

/// An exporter that settings can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExporterKind {
    /// Keeps events in the spool, where the command line and the viewer read them.
    Local,
    /// Sends events to an ingest API.
    Http,
    /// Prints a tree of each trace on stderr when it ends.
    Console,
    /// Sends spans to whatever takes OTLP: a collector, Phoenix, MLflow.
    Otlp,
    /// The same to Langfuse.
    Langfuse,
    /// The same to TraceRoot.
    TraceRoot,
    /// Tells a run registry of the runs, steps and datapoints that rollouts are of; chosen by its address.
    Registry,
    /// Inserts traces into ClickHouse.
    ClickHouse,
}

impl ExporterKind {
    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Http => "http",
            Self::Console => "console",
            Self::Otlp => "otlp",
            Self::Langfuse => "langfuse",
            Self::TraceRoot => "traceroot",
            Self::Registry => "registry",
            Self::ClickHouse => "clickhouse",
        }
    }

    fn speaks_otlp(self) -> bool {
        matches!(self, Self::Otlp | Self::Langfuse | Self::TraceRoot)
    }
}

/// The settings of a client, resolved and validated.
///
/// Its `Debug` form shows secrets as `[redacted]`.
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, named by its setting"
)]
pub struct Config {
    api_key: Option<Secret<String>>,
    base_url: Option<String>,
    dir: PathBuf,
    enabled: bool,
    disabled: bool,
    spool: SpoolKind,
    exporters: Vec<ExporterKind>,
    agent_name: Option<String>,
    agent_id: Option<String>,
    agent_version: Option<String>,
    service_name: Option<String>,
    environment: Option<String>,
    deployment: Option<String>,
    release: Option<String>,
    sample_rate: f64,
    export_rates: ExportRates,
    export_keep: Vec<Keep>,
    flush_interval: Duration,
    flush_at: usize,
    timeout: Duration,
    max_queue_bytes: u64,
    max_value_bytes: u64,
    max_spool_bytes: u64,
    capture_input: bool,
    capture_output: bool,
    integrations: Vec<&'static str>,
    baggage: Vec<&'static str>,
    git_repo: Option<String>,
    git_ref: Option<String>,
    project: Option<String>,
    run_id: Option<String>,
    phase: Option<Phase>,
    registry_url: Option<String>,
    registry_key: Option<Secret<String>>,
    debug: bool,
    drain_on_signals: bool,
    otlp: OtlpSettings,
    clickhouse: ClickHouseSettings,
    redact_keys: Vec<String>,
    redact_values: bool,
    mask: Option<Mask>,
}

/// What the builder adds to what text can say.
pub(crate) struct Given<'a> {
    /// Text by setting, from the builder's setters.
    pub(crate) texts: &'a BTreeMap<&'static str, String>,
    pub(crate) redact_keys: &'a [String],
    pub(crate) redact_values: bool,
    pub(crate) mask: Option<&'a Mask>,
    /// Whether the program brings exporters of its own.
    pub(crate) has_exporters: bool,
}

impl Config {
    /// Resolves every setting.
    pub(crate) fn resolve(given: &Given<'_>) -> Result<Self, ConfigError> {
        let file = file::read(Path::new(file::NAME))?;
        let mut config = Self::unset();
        let mut of_otlp = Ok(());
        // An empty list of the builder's is one.
        let chosen = given.texts.get("exporters").is_some_and(String::is_empty);
        for setting in SETTINGS {
            if chosen && setting.key == "exporters" {
                continue;
            }
            let (place, text) = lookup(setting, given.texts, &file)?;
            config.apply(setting, place, &text, &mut of_otlp)?;
        }
        config.redact_keys = given.redact_keys.to_vec();
        config.redact_values = given.redact_values;
        config.mask = given.mask.cloned();
        config.settle(given.has_exporters, chosen, of_otlp)?;
        Ok(config)
    }

    /// What a `rollout.toml` of this text says by itself, with the defaults, and without the environment or a builder.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let file = file::parse(text)?;
        let mut config = Self::unset();
        let mut of_otlp = Ok(());
        for setting in SETTINGS {
            let value = file
                .get(setting.key)
                .map_or(setting.default, String::as_str);
            let place = format!("{}: {}", file::NAME, setting.key);
            config.apply(setting, place, value, &mut of_otlp)?;
        }
        config.settle(false, false, of_otlp)?;
        Ok(config)
    }

    /// Sets what a text says. Whether a text that only exporters by OTLP need says nothing is seen later.
    fn apply(
        &mut self,
        setting: &Setting,
        place: String,
        text: &str,
        of_otlp: &mut Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let applied = setting.apply(self, text).map_err(|refusal| {
            ConfigError::new(place, Some(&setting.shown(text)), refusal.problem)
                .because_of(refusal.integration)
        });
        if setting.is_of_otlp() && applied.is_err() {
            if of_otlp.is_ok() {
                *of_otlp = applied;
            }
            return Ok(());
        }
        applied
    }

    /// Decides what depends on more than one setting.
    fn settle(
        &mut self,
        has_exporters: bool,
        chosen: bool,
        of_otlp: Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        self.enabled &= !self.disabled;
        self.dir = std::path::absolute(&self.dir).map_err(|error| {
            ConfigError::new("dir", self.dir.to_str(), format!("is no path: {error}"))
        })?;
        if self.api_key.is_some() && self.base_url.is_none() {
            self.base_url = Some(HOSTED.into());
        }
        if self.exporters.is_empty() && !chosen {
            if self.base_url.is_some() {
                self.exporters.push(ExporterKind::Http);
            }
            for (kind, variable) in self.otlp.asked_for() {
                Self::built_with_otlp(kind, &format!("{variable} asks for it, and "))?;
                self.exporters.push(kind);
            }
            if self.clickhouse.is_asked_for() {
                Self::built_with_clickhouse("CLICKHOUSE_URL asks for it, and ")?;
                self.exporters.push(ExporterKind::ClickHouse);
            }
            if self.exporters.is_empty() && !has_exporters {
                self.exporters.push(ExporterKind::Local);
            }
        }
        if self.registry_url.is_some() && !self.exports_to(ExporterKind::Registry) {
            self.exporters.push(ExporterKind::Registry);
        }
        if self.exports_to(ExporterKind::Registry) && self.registry_url.is_none() {
            return Err(ConfigError::new(
                "exporters",
                Some("registry"),
                "needs an address: set KESTREL_API_URL",
            ));
        }
        if cfg!(not(feature = "http")) && self.registry_url.is_some() {
            return Err(ConfigError::new(
                "registry_url",
                self.registry_url.as_deref(),
                "this program was built without the cargo feature `http` of rollout",
            ));
        }
        if self.debug && !self.exports_to(ExporterKind::Console) {
            self.exporters.push(ExporterKind::Console);
        }
        if self.exports_to(ExporterKind::Http) {
            if self.base_url.is_none() {
                return Err(ConfigError::new(
                    "exporters",
                    Some("http"),
                    "needs an address: set ROLLOUT_ENDPOINT, or ROLLOUT_API_KEY for the hosted \
                     service",
                ));
            }
            if cfg!(not(feature = "http")) {
                return Err(ConfigError::new(
                    "exporters",
                    Some("http"),
                    "this program was built without the cargo feature `http` of rollout",
                ));
            }
        }
        for kind in self.exporters.iter().filter(|kind| kind.speaks_otlp()) {
            Self::built_with_otlp(*kind, "")?;
            self.otlp.check(*kind)?;
            of_otlp.clone()?;
        }
        if self.exports_to(ExporterKind::ClickHouse) {
            Self::built_with_clickhouse("")?;
            self.clickhouse.check()?;
        }
        self.git_repo = self.git_repo.take().map(git::said).transpose()?;
        if self.phase == Some(Phase::Prod)
            && let Some(run) = &self.run_id
        {
            run::agree("run_id", run, self.project())?;
        }
        if self.enabled && (self.git_repo.is_none() || self.git_ref.is_none()) {
            let found = git::find()?;
            self.git_repo = self.git_repo.take().or(found.repo);
            self.git_ref = self.git_ref.take().or(found.commit);
        }
        Ok(())
    }

    fn built_with_otlp(kind: ExporterKind, why: &str) -> Result<(), ConfigError> {
        if cfg!(feature = "otlp") {
            return Ok(());
        }
        let problem =
            format!("{why}this program was built without the cargo feature `otlp` of rollout");
        Err(ConfigError::new("exporters", Some(kind.as_str()), problem))
    }

    /// Nothing is recorded.
    pub(crate) fn off() -> Self {
        Self::unset()
    }

    fn built_with_clickhouse(why: &str) -> Result<(), ConfigError> {
        if cfg!(feature = "clickhouse") {
            return Ok(());
        }
        let problem = format!(
            "{why}this program was built without the cargo feature `clickhouse` of rollout"
        );
        let name = ExporterKind::ClickHouse.as_str();
        Err(ConfigError::new("exporters", Some(name), problem))
    }

    /// What the list of settings fills in.
    fn unset() -> Self {
        Self {
            api_key: None,
            base_url: None,
            dir: PathBuf::new(),
            enabled: false,
            disabled: false,
            spool: SpoolKind::Disk,
            exporters: Vec::new(),
            agent_name: None,
            agent_id: None,
            agent_version: None,
            service_name: None,
            environment: None,
            deployment: None,
            release: None,
            sample_rate: 0.0,
            export_rates: ExportRates::everything(),
            export_keep: Vec::new(),
            flush_interval: Duration::ZERO,
            flush_at: 0,
            timeout: Duration::ZERO,
            max_queue_bytes: 0,
            max_value_bytes: 0,
            max_spool_bytes: 0,
            capture_input: false,
            capture_output: false,
            integrations: Vec::new(),
            baggage: Vec::new(),
            git_repo: None,
            git_ref: None,
            project: None,
            run_id: None,
            phase: None,
            registry_url: None,
            registry_key: None,
            debug: false,
            drain_on_signals: false,
            otlp: OtlpSettings::default(),
            clickhouse: ClickHouseSettings::default(),
            redact_keys: Vec::new(),
            redact_values: true,
            mask: None,
        }
    }

    /// Every setting, with its variables, default and what is allowed, as a Markdown table.
    pub fn reference() -> String {
        setting::reference()
    }

    /// The bearer key of the ingest API.
    pub fn api_key(&self) -> Option<&Secret<String>> {
        self.api_key.as_ref()
    }

    /// The address of the ingest API, without slashes after it.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_deref()
    }

    /// The folder of spool and embedded database, as an absolute path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether anything is recorded.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Where events wait for their exporters.
    pub fn spool(&self) -> SpoolKind {
        self.spool
    }

    /// The exporters that settings name; those the program brought itself are not among them.
    pub fn exporters(&self) -> &[ExporterKind] {
        &self.exporters
    }

    /// Whether `kind` is among [`Config::exporters`].
    pub fn exports_to(&self, kind: ExporterKind) -> bool {
        self.exporters.contains(&kind)
    }

    /// The agent's name.
    pub fn agent_name(&self) -> Option<&str> {
        self.agent_name.as_deref()
    }

    /// The agent's id.
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// The agent's version.
    pub fn agent_version(&self) -> Option<&str> {
        self.agent_version.as_deref()
    }

    /// The service that the agent runs in.
    pub fn service_name(&self) -> Option<&str> {
        self.service_name.as_deref()
    }

    /// For example `production`.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// Which deployment of the agent.
    pub fn deployment(&self) -> Option<&str> {
        self.deployment.as_deref()
    }

    /// The release of the program.
    pub fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The share of traces that is recorded, from 0 to 1.
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }

    /// The share of the recorded traces that an exporter gets beside those that a rule keeps, from 0 to 1.
    pub fn export_sample_rate_of(&self, exporter: &str) -> f64 {
        self.export_rates.of(exporter)
    }

    /// Which traces exporters get, whatever their share is.
    pub fn export_keep(&self) -> &[Keep] {
        &self.export_keep
    }

    /// The longest that an event waits for its batch to fill.
    pub fn flush_interval(&self) -> Duration {
        self.flush_interval
    }

    /// How many events make a batch, from 1 to 1000.
    pub fn flush_at(&self) -> usize {
        self.flush_at
    }

    /// How long one request, and a flush that names no other time, may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The most memory that records may take on their way to the spool, in bytes.
    pub fn max_queue_bytes(&self) -> u64 {
        self.max_queue_bytes
    }

    /// The most that one captured value may take, in bytes.
    pub fn max_value_bytes(&self) -> u64 {
        self.max_value_bytes
    }

    /// The most that the spool may take on disk, in bytes.
    pub fn max_spool_bytes(&self) -> u64 {
        self.max_spool_bytes
    }

    /// Whether arguments are recorded at all.
    pub fn capture_input(&self) -> bool {
        self.capture_input
    }

    /// Whether results are recorded at all.
    pub fn capture_output(&self) -> bool {
        self.capture_output
    }

    /// Whose model calls are recorded, by the cargo features of `rollout`; all, where there is none.
    pub fn integrations(&self) -> &[&'static str] {
        &self.integrations
    }

    /// What of a trace's identity goes to other processes, and is believed of them: of `user_id`, `session_id`,
    /// `conversation_id` and `tags`.
    pub fn baggage(&self) -> &[&'static str] {
        &self.baggage
    }

    /// The address of the program's repository.
    pub fn git_repo(&self) -> Option<&str> {
        self.git_repo.as_deref()
    }

    /// The commit that the program was built from.
    pub fn git_ref(&self) -> Option<&str> {
        self.git_ref.as_deref()
    }

    /// The project's name: what is set, else the service's, else the agent's.
    pub fn project(&self) -> Option<&str> {
        let name = self.project.as_deref().or(self.service_name.as_deref());
        name.or(self.agent_name.as_deref())
    }

    /// The run that rollouts belong to, where nothing else is said.
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// What that run is for.
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The address of the run registry, without slashes after it.
    pub fn registry_url(&self) -> Option<&str> {
        self.registry_url.as_deref()
    }

    /// The bearer key of the run registry.
    pub fn registry_key(&self) -> Option<&Secret<String>> {
        self.registry_key.as_ref()
    }

    /// Whether signals that end the program wait until what is recorded is delivered.
    pub fn drain_on_signals(&self) -> bool {
        self.drain_on_signals
    }

    /// Whether a tree of each trace is printed.
    pub fn debug(&self) -> bool {
        self.debug
    }

    /// The names that are redacted beside the built-in ones.
    pub fn redact_keys(&self) -> &[String] {
        &self.redact_keys
    }

    /// Whether values that look like keys are masked.
    pub fn redact_values(&self) -> bool {
        self.redact_values
    }

    /// The program's own last step before a value is written.
    pub fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref()
    }
}

/// Where a setting's text comes from, and the text.
fn lookup(
    setting: &Setting,
    builder: &BTreeMap<&'static str, String>,
    file: &BTreeMap<&'static str, String>,
) -> Result<(String, String), ConfigError> {
    if let Some(text) = builder.get(setting.key).filter(|t| !t.trim().is_empty()) {
        return Ok((format!("builder: {}", setting.key), text.clone()));
    }
    let mut found: Option<(String, String)> = None;
    for name in setting.variables {
        let Some(value) = env::variable(name)? else {
            continue;
        };
        match &found {
            Some((first, known)) if *known != value => {
                return Err(ConfigError::new(
                    *name,
                    Some(&setting.shown(&value)),
                    format!("{first} is the same setting and says otherwise; set one of them"),
                ));
            }
            Some(_) => {}
            None => found = Some(((*name).into(), value)),
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    for name in setting.foreign {
        if let Some(value) = env::variable(name)? {
            return Ok(((*name).into(), value));
        }
    }
    if let Some(text) = file.get(setting.key).filter(|t| !t.trim().is_empty()) {
        return Ok((format!("{}: {}", file::NAME, setting.key), text.clone()));
    }
    Ok((setting.key.into(), setting.default.into()))
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("enabled", &self.enabled)
            .field("api_key", &self.api_key)
            .field("base_url", &self.base_url)
            .field("dir", &self.dir)
            .field("spool", &self.spool)
            .field("exporters", &self.exporters)
            .field("agent_name", &self.agent_name)
            .field("agent_id", &self.agent_id)
            .field("agent_version", &self.agent_version)
            .field("service_name", &self.service_name)
            .field("environment", &self.environment)
            .field("deployment", &self.deployment)
            .field("release", &self.release)
            .field("sample_rate", &self.sample_rate)
            .field("export_rates", &self.export_rates)
            .field("export_keep", &self.export_keep)
            .field("flush_interval", &self.flush_interval)
            .field("flush_at", &self.flush_at)
            .field("timeout", &self.timeout)
            .field("max_queue_bytes", &self.max_queue_bytes)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("max_spool_bytes", &self.max_spool_bytes)
            .field("capture_input", &self.capture_input)
            .field("capture_output", &self.capture_output)
            .field("integrations", &self.integrations)
            .field("baggage", &self.baggage)
            .field("git_repo", &self.git_repo)
            .field("git_ref", &self.git_ref)
            .field("project", &self.project)
            .field("run_id", &self.run_id)
            .field("phase", &self.phase)
            .field("registry_url", &self.registry_url)
            .field("registry_key", &self.registry_key)
            .field("debug", &self.debug)
            .field("drain_on_signals", &self.drain_on_signals)
            .field("otlp", &self.otlp)
            .field("clickhouse", &self.clickhouse)
            .field("redact_keys", &self.redact_keys)
            .field("redact_values", &self.redact_values)
            .field("mask", &self.mask.as_ref().map(|_| "set"))
            .finish_non_exhaustive()
    }
}
