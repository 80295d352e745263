//! The one list of settings: name, variables, default, what is allowed, what it does.
//!
//! Builder, environment and `rollout.toml` all give text that passes through the same parser,
//! so that a value means the same and fails the same wherever it comes from. The reference in
//! `docs/configuration.md` is printed from this list.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::keep::{self, ExportRates, Keep};
use super::secret::{REDACTED, Secret};
use super::{Config, ExporterKind, SpoolKind, integration, otlp};
use crate::context::BAGGAGE_NAMES;
use crate::error::IntegrationError;
use crate::run::Phase;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// One setting.
pub(super) struct Setting {
    /// Its name in `rollout.toml` and on the builder.
    pub(super) key: &'static str,
    /// Its environment variables, which are one and the same setting.
    pub(super) variables: &'static [&'static str],
    /// Variables of others, or more general ones, that mean the same: asked one after the other, where none of its own is set.
    pub(super) foreign: &'static [&'static str],
    /// What holds when nobody says anything; blank: nothing.
    pub(super) default: &'static str,
    /// How the reference puts a default that is found rather than fixed.
    default_in_words: Option<&'static str>,
    /// What it does, for the reference.
    doc: &'static str,
    kind: Kind,
}

/// How the text is read, what is allowed, and where the value goes.
enum Kind {
    Flag(fn(&mut Config) -> &mut bool),
    Text {
        most: usize,
        to: fn(&mut Config) -> &mut Option<String>,
    },
    Key(fn(&mut Config) -> &mut Option<Secret<String>>),
    Url(fn(&mut Config) -> &mut Option<String>),
    /// An address that is used as it is.
    WholeUrl(fn(&mut Config) -> &mut Option<String>),
    Headers(fn(&mut Config) -> &mut otlp::Headers),
    Pairs(fn(&mut Config) -> &mut Vec<(String, String)>),
    Milliseconds {
        range: RangeInclusive<u64>,
        to: fn(&mut Config) -> &mut Duration,
    },
    /// One of these.
    Word {
        known: &'static [&'static str],
        to: fn(&mut Config) -> &mut Option<&'static str>,
    },
    Folder(fn(&mut Config) -> &mut PathBuf),
    Fraction(fn(&mut Config) -> &mut f64),
    Rates(fn(&mut Config) -> &mut ExportRates),
    Keep(fn(&mut Config) -> &mut Vec<Keep>),
    Seconds {
        range: RangeInclusive<f64>,
        to: fn(&mut Config) -> &mut Duration,
    },
    Count {
        range: RangeInclusive<usize>,
        to: fn(&mut Config) -> &mut usize,
    },
    Bytes {
        range: RangeInclusive<u64>,
        to: fn(&mut Config) -> &mut u64,
    },
    Spool(fn(&mut Config) -> &mut SpoolKind),
    Exporters(fn(&mut Config) -> &mut Vec<ExporterKind>),
    Integrations(fn(&mut Config) -> &mut Vec<&'static str>),
    Phase(fn(&mut Config) -> &mut Option<Phase>),
    /// A list of these.
    Names {
        known: &'static [&'static str],
        to: fn(&mut Config) -> &mut Vec<&'static str>,
    },
}

/// What is wrong with a text, or what is allowed.
pub(super) struct Refusal {
    pub(super) problem: String,
    /// The integration that it is about, if it is about one.
    pub(super) integration: Option<IntegrationError>,
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self {
            problem,
            integration: None,
        }
    }
}

impl Setting {
    /// Whether it is of use to exporters by OTLP alone: its variables are there for other programs' sake, and a bad value
    /// is none of our business where there is no such exporter.
    pub(super) fn is_of_otlp(&self) -> bool {
        let of_opentelemetry = |name: &&str| name.starts_with("OTEL_");
        self.variables.iter().all(of_opentelemetry) && !self.key.ends_with("endpoint")
    }

    /// A value of it as an error may show it: no key, and no password of an address.
    pub(super) fn shown(&self, value: &str) -> String {
        match self.kind {
            Kind::Key(_) | Kind::Headers(_) => REDACTED.into(),
            Kind::Url(_) | Kind::WholeUrl(_) if value.contains('@') => REDACTED.into(),
            // An address that may have a password in it, wherever it was put.
            _ if value.contains("://") && value.contains(['@', '?']) => REDACTED.into(),
            _ => value.into(),
        }
    }

    /// What may be given, in words.
    pub(super) fn allowed(&self) -> String {
        match &self.kind {
            Kind::Flag(_) => "true, 1, yes, on or false, 0, no, off".into(),
            Kind::Text { most, .. } => format!("text of at most {most} characters"),
            Kind::Key(_) => "one line of visible ASCII characters".into(),
            Kind::Url(_) => "an http:// or https:// address, with a path or without; \
                             no user, query or fragment"
                .into(),
            Kind::WholeUrl(_) => {
                "an http:// or https:// address; no user, query or fragment".into()
            }
            Kind::Headers(_) => {
                "a list `name=value,name=value` of HTTP headers; special characters of \
                                 a value as `%` and two hex digits"
                    .into()
            }
            Kind::Pairs(_) => {
                "a list `key=value,key=value`; special characters as `%` and two hex digits".into()
            }
            Kind::Milliseconds { range, .. } => {
                format!("milliseconds from {} to {}", range.start(), range.end())
            }
            Kind::Word { known, .. } => known.join(" or "),
            Kind::Folder(_) => "a path".into(),
            Kind::Fraction(_) => "a number from 0 to 1".into(),
            Kind::Rates(_) => keep::RATES_ALLOWED.into(),
            Kind::Keep(_) => keep::ALLOWED.into(),
            Kind::Seconds { range, .. } => {
                format!("seconds from {} to {}", range.start(), range.end())
            }
            Kind::Count { range, .. } => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Kind::Bytes { range, .. } => format!(
                "bytes from {} to {}, plain or with KiB, MiB or GiB",
                in_units(*range.start()),
                in_units(*range.end())
            ),
            Kind::Spool(_) => "disk or memory".into(),
            Kind::Exporters(_) => "a list, with commas, of local, http, console, otlp, langfuse, \
                                   traceroot, clickhouse, registry"
                .into(),
            Kind::Integrations(_) => format!("a list, with commas, of {}", integration::names()),
            Kind::Phase(_) => "train, eval or prod".into(),
            Kind::Names { known, .. } => format!("a list, with commas, of {}", known.join(", ")),
        }
    }

    /// Reads `text` into `config`; the error says what is wrong or what is allowed.
    pub(super) fn apply(&self, config: &mut Config, text: &str) -> Result<(), Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let refused = || format!("allowed: {}", self.allowed());
        match &self.kind {
            Kind::Flag(to) => *to(config) = flag(text).ok_or_else(refused)?,
            Kind::Text { most, to } => {
                if text.chars().count() > *most {
                    return Err(refused().into());
                }
                *to(config) = Some(text.into());
            }
            Kind::Key(to) => {
                if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(refused().into());
                }
                *to(config) = Some(Secret::new(text.into()));
            }
            Kind::Url(to) => *to(config) = Some(url(text).ok_or_else(refused)?),
            Kind::WholeUrl(to) => {
                url(text).ok_or_else(refused)?;
                *to(config) = Some(text.into());
            }
            Kind::Headers(to) => *to(config) = otlp::headers(text).ok_or_else(refused)?,
            Kind::Pairs(to) => *to(config) = otlp::pairs(text).ok_or_else(refused)?,
            Kind::Milliseconds { range, to } => {
                let count = text.parse().ok().filter(|count| range.contains(count));
                *to(config) = Duration::from_millis(count.ok_or_else(refused)?);
            }
            Kind::Word { known, to } => {
                let word = known.iter().find(|word| word.eq_ignore_ascii_case(text));
                *to(config) = Some(word.ok_or_else(refused)?);
            }
            Kind::Folder(to) => *to(config) = PathBuf::from(text),
            Kind::Fraction(to) => {
                *to(config) = number(text, &(0.0..=1.0)).ok_or_else(refused)?;
            }
            Kind::Rates(to) => *to(config) = ExportRates::parse(text).ok_or_else(refused)?,
            Kind::Keep(to) => *to(config) = keep::rules(text).ok_or_else(refused)?,
            Kind::Seconds { range, to } => {
                let seconds = number(text, range).ok_or_else(refused)?;
                *to(config) = Duration::from_secs_f64(seconds);
            }
            Kind::Count { range, to } => {
                let count = text.parse().ok().filter(|count| range.contains(count));
                *to(config) = count.ok_or_else(refused)?;
            }
            Kind::Bytes { range, to } => {
                let count = bytes(text).filter(|count| range.contains(count));
                *to(config) = count.ok_or_else(refused)?;
            }
            Kind::Spool(to) => {
                *to(config) = match text {
                    "disk" => SpoolKind::Disk,
                    "memory" => SpoolKind::Memory,
                    _ => return Err(refused().into()),
                }
            }
            Kind::Phase(to) => *to(config) = Some(text.parse().map_err(|_| refused())?),
            Kind::Exporters(to) => *to(config) = exporters(text, &refused())?,
            Kind::Names { known, to } => {
                *to(config) = names(text, known).ok_or_else(refused)?;
            }
            Kind::Integrations(to) => {
                *to(config) = integration::integrations(text).map_err(|error| Refusal {
                    problem: error.to_string(),
                    integration: Some(error),
                })?;
            }
        }
        Ok(())
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Those of the names, each once.
fn names(text: &str, known: &[&'static str]) -> Option<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let name = known.iter().find(|known| **known == name)?;
        if !found.contains(name) {
            found.push(*name);
        }
    }
    Some(found)
}

fn number(text: &str, range: &RangeInclusive<f64>) -> Option<f64> {
    text.parse().ok().filter(|value| range.contains(value))
}

fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", KIB), ("MiB", MIB), ("GiB", GIB)];
    let (digits, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))
        .unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn in_units(count: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    units
        .iter()
        .find(|(unit, _)| count >= *unit && count.is_multiple_of(*unit))
        .map_or_else(
            || count.to_string(),
            |(unit, name)| format!("{} {name}", count / unit),
        )
}

/// An address without the slashes after it.
fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = rest.split('/').next()?;
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'\\'));
    if !known || !plain || host.is_empty() || host.starts_with(':') {
        return None;
    }
    #[cfg(feature = "http")]
    reqwest::Url::parse(text).ok()?;
    Some(text.trim_end_matches('/').into())
}

fn exporters(text: &str, refused: &str) -> Result<Vec<ExporterKind>, String> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let kind = match name {
            "local" => ExporterKind::Local,
            "http" => ExporterKind::Http,
            "console" => ExporterKind::Console,
            "registry" => ExporterKind::Registry,
            "otlp" => ExporterKind::Otlp,
            "langfuse" => ExporterKind::Langfuse,
            "traceroot" => ExporterKind::TraceRoot,
            "clickhouse" => ExporterKind::ClickHouse,
            _ => return Err(refused.into()),
        };
        if !found.contains(&kind) {
            found.push(kind);
        }
    }
    Ok(found)
}

/// The reference as a Markdown table.
pub(super) fn reference() -> String {
    let mut table = String::from(
        "| `rollout.toml` and builder | environment | default | allowed | what it does |\n\
         |---|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let foreign = |v: &&str| format!("else `{v}`");
        let variables: Vec<_> = setting
            .variables
            .iter()
            .map(|v| format!("`{v}`"))
            .chain(setting.foreign.iter().map(foreign))
            .collect();
        let default = match setting.default_in_words {
            Some(words) => words.into(),
            None if setting.default.is_empty() => "none".into(),
            None => format!("`{}`", setting.default),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} | {} |",
            setting.key,
            variables.join(", "),
            setting.allowed(),
            setting.doc,
        );
    }
    table
}

macro_rules! setting {
    ($key:literal, [$($variable:literal),+ $(; $($foreign:literal),+)?], $default:literal, $kind:expr, $doc:literal) => {
        setting!($key, [$($variable),+ $(; $($foreign),+)?], $default, None, $kind, $doc)
    };
    ($key:literal, [$($variable:literal),+ $(; $($foreign:literal),+)?], $default:literal, $words:expr, $kind:expr, $doc:literal) => {
        Setting {
            key: $key,
            variables: &[$($variable),+],
            foreign: &[$($($foreign),+)?],
            default: $default,
            default_in_words: $words,
            doc: $doc,
            kind: $kind,
        }
    };
}

/// Every setting there is.
pub(super) static SETTINGS: &[Setting] = &[
    setting!(
        "api_key",
        ["ROLLOUT_API_KEY"],
        "",
        Kind::Key(|c| &mut c.api_key),
        "The bearer key of the ingest API. With a key and no address, events go to \
         `https://app.rollout.work`."
    ),
    setting!(
        "base_url",
        ["ROLLOUT_BASE_URL", "ROLLOUT_ENDPOINT"],
        "",
        Kind::Url(|c| &mut c.base_url),
        "The address of the ingest API; `/v1/events:batch` is added to it. An address alone is \
         enough for a server that asks for no key."
    ),
    setting!(
        "dir",
        ["ROLLOUT_DIR"],
        ".rollout",
        Kind::Folder(|c| &mut c.dir),
        "The folder of the spool and of the server's embedded database."
    ),
    setting!(
        "enabled",
        ["ROLLOUT_ENABLED"; "TRACEROOT_ENABLED"],
        "true",
        Kind::Flag(|c| &mut c.enabled),
        "With `false` nothing is recorded and an annotated call costs about a nanosecond."
    ),
    setting!(
        "disabled",
        ["ROLLOUT_DISABLED"],
        "false",
        Kind::Flag(|c| &mut c.disabled),
        "The same the other way round; either one switches off."
    ),
    setting!(
        "spool",
        ["ROLLOUT_SPOOL"],
        "disk",
        Kind::Spool(|c| &mut c.spool),
        "Where events wait for their exporters. In memory they take at most `max_queue_bytes` \
         and are gone with the process."
    ),
    setting!(
        "exporters",
        ["ROLLOUT_EXPORTERS"],
        "",
        Some(
            "all that the other settings have a key or an address for: `http`, `otlp`, `langfuse`, `traceroot`, \
             `clickhouse`; else `local`"
        ),
        Kind::Exporters(|c| &mut c.exporters),
        "Who gets the events. `local` keeps them in the spool, where the command line and the \
         viewer read them."
    ),
    setting!(
        "agent_name",
        ["ROLLOUT_AGENT_NAME"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.agent_name
        },
        "The agent's name, on every event."
    ),
    setting!(
        "agent_id",
        ["ROLLOUT_AGENT_ID"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.agent_id
        },
        "The agent's id, on every event."
    ),
    setting!(
        "agent_version",
        ["ROLLOUT_AGENT_VERSION"],
        "",
        Kind::Text {
            most: 100,
            to: |c| &mut c.agent_version
        },
        "The agent's version, on every event."
    ),
    setting!(
        "service_name",
        ["ROLLOUT_SERVICE_NAME"; "TRACEROOT_SERVICE_NAME"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.service_name
        },
        "The service that the agent runs in."
    ),
    setting!(
        "environment",
        ["ROLLOUT_ENVIRONMENT"; "TRACEROOT_ENVIRONMENT"],
        "",
        Kind::Text {
            most: 100,
            to: |c| &mut c.environment
        },
        "For example `production`."
    ),
    setting!(
        "deployment",
        ["ROLLOUT_DEPLOYMENT"],
        "",
        Kind::Text {
            most: 100,
            to: |c| &mut c.deployment
        },
        "Which deployment of the agent, for example a region."
    ),
    setting!(
        "release",
        ["ROLLOUT_RELEASE"; "TRACEROOT_RELEASE"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.release
        },
        "The release of the program."
    ),
    setting!(
        "sample_rate",
        ["ROLLOUT_SAMPLE_RATE"],
        "1.0",
        Kind::Fraction(|c| &mut c.sample_rate),
        "The share of traces that is recorded, decided by trace id, so that all processes agree."
    ),
    setting!(
        "export_sample_rate",
        ["ROLLOUT_EXPORT_SAMPLE_RATE"],
        "1.0",
        Kind::Rates(|c| &mut c.export_rates),
        "The share of the recorded traces that exporters get, decided by a hash of the trace id when a trace is \
         over, beside those that `export_keep` names. The spool, and so `local`, keeps everything; `console` shows \
         everything."
    ),
    setting!(
        "export_keep",
        ["ROLLOUT_EXPORT_KEEP"],
        "failed,scored",
        Kind::Keep(|c| &mut c.export_keep),
        "Which traces exporters get whatever their share is: those with an error in them, those that took so long or \
         cost so much, and those that were judged while they ran, or judged at most so good."
    ),
    setting!(
        "flush_interval",
        ["ROLLOUT_FLUSH_INTERVAL"; "TRACEROOT_FLUSH_INTERVAL"],
        "1.0",
        Kind::Seconds {
            range: 0.001..=3600.0,
            to: |c| &mut c.flush_interval
        },
        "The longest that an event waits for its batch to fill, in seconds."
    ),
    setting!(
        "flush_at",
        ["ROLLOUT_FLUSH_AT"; "TRACEROOT_FLUSH_AT"],
        "512",
        Kind::Count {
            range: 1..=1000,
            to: |c| &mut c.flush_at
        },
        "How many events make a batch; 1 MiB makes one too."
    ),
    setting!(
        "timeout",
        ["ROLLOUT_TIMEOUT"; "TRACEROOT_TIMEOUT"],
        "30.0",
        Kind::Seconds {
            range: 0.001..=3600.0,
            to: |c| &mut c.timeout
        },
        "How long one request may take, and how long a flush or shutdown waits where the call \
         names no other time, in seconds."
    ),
    setting!(
        "max_queue_bytes",
        ["ROLLOUT_MAX_QUEUE_BYTES"],
        "64 MiB",
        Kind::Bytes {
            range: 64 * KIB..=64 * GIB,
            to: |c| &mut c.max_queue_bytes
        },
        "The most memory that records may take on their way to the spool, over all threads."
    ),
    setting!(
        "max_value_bytes",
        ["ROLLOUT_MAX_VALUE_BYTES"],
        "64 KiB",
        Kind::Bytes {
            range: 256..=4 * MIB,
            to: |c| &mut c.max_value_bytes
        },
        "The most that one captured value may take; longer ones are cut inside and say so."
    ),
    setting!(
        "max_spool_bytes",
        ["ROLLOUT_MAX_SPOOL_BYTES"],
        "1 GiB",
        Kind::Bytes {
            range: 64 * KIB..=1024 * GIB,
            to: |c| &mut c.max_spool_bytes
        },
        "The most that the spool may take on disk, over all processes that write below one \
         directory; the oldest whole traces go first, and are counted."
    ),
    setting!(
        "capture_input",
        ["ROLLOUT_CAPTURE_INPUT"],
        "true",
        Kind::Flag(|c| &mut c.capture_input),
        "With `false` no arguments are recorded anywhere, whatever a macro says."
    ),
    setting!(
        "capture_output",
        ["ROLLOUT_CAPTURE_OUTPUT"],
        "true",
        Kind::Flag(|c| &mut c.capture_output),
        "With `false` no results are recorded anywhere, whatever a macro says."
    ),
    setting!(
        "integrations",
        ["ROLLOUT_INTEGRATIONS"],
        "",
        Some("all that are compiled in"),
        Kind::Integrations(|c| &mut c.integrations),
        "Whose model calls are recorded: each name is a cargo feature of `rollout`. One that is \
         not compiled in is an error at the start, instead of a trace that lacks something."
    ),
    setting!(
        "baggage",
        ["ROLLOUT_BAGGAGE"],
        "",
        Kind::Names {
            known: &BAGGAGE_NAMES,
            to: |c| &mut c.baggage
        },
        "What of a trace's identity goes along to other processes, in the header `baggage`, and is \
         believed where it comes from them. Their traces are one with or without it; it is for \
         what they begin themselves, and whoever is called can read it."
    ),
    setting!(
        "git_repo",
        ["ROLLOUT_GIT_REPO"; "TRACEROOT_GIT_REPO"],
        "",
        Some("found from the variables of CI systems, else from `.git`"),
        Kind::Text {
            most: 500,
            to: |c| &mut c.git_repo
        },
        "The program's repository, on the start of a trace: its address, or `owner/name` where that is on GitHub. \
         A password in it is left out."
    ),
    setting!(
        "git_ref",
        ["ROLLOUT_GIT_REF"; "TRACEROOT_GIT_REF"],
        "",
        Some("found in the same places"),
        Kind::Text {
            most: 200,
            to: |c| &mut c.git_ref
        },
        "The commit that the program was built from."
    ),
    setting!(
        "project",
        ["ROLLOUT_PROJECT"],
        "",
        Some("the service's name, else the agent's"),
        Kind::Text {
            most: 200,
            to: |c| &mut c.project
        },
        "The project's name, which is the run id of rollouts in `prod`."
    ),
    setting!(
        "run_id",
        ["ROLLOUT_RUN_ID"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.run_id
        },
        "The run that rollouts belong to, as far as they do not say so themselves: unique per run, \
         and in `prod` the project's name."
    ),
    setting!(
        "phase",
        ["ROLLOUT_PHASE"],
        "",
        Kind::Phase(|c| &mut c.phase),
        "What that run is for."
    ),
    setting!(
        "registry_url",
        ["KESTREL_API_URL"],
        "",
        Kind::Url(|c| &mut c.registry_url),
        "The address of the run registry, which is told of the runs, steps and datapoints that \
         rollouts are of: `PUT` below `/v1/runs` and `/v1/datapoints`. `rollout serve` is one."
    ),
    setting!(
        "registry_key",
        ["KESTREL_API_KEY"],
        "",
        Kind::Key(|c| &mut c.registry_key),
        "The bearer key of the run registry."
    ),
    setting!(
        "debug",
        ["ROLLOUT_DEBUG", "CARIBOU_TRACE_DEBUG"; "TRACEROOT_DEBUG"],
        "false",
        Kind::Flag(|c| &mut c.debug),
        "Adds the exporter `console`: a tree of each trace on stderr when it ends."
    ),
    setting!(
        "drain_on_signals",
        ["ROLLOUT_DRAIN_ON_SIGNALS"],
        "false",
        Kind::Flag(|c| &mut c.drain_on_signals),
        "With `true`, SIGTERM and Ctrl-C end the program only when what is recorded is delivered, \
         or after 5 s. It then exits with 128 and the signal's number, as a shell reports it."
    ),
    setting!(
        "otlp_endpoint",
        ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        "",
        Some("none; where `exporters` names `otlp`, `http://localhost:4318`"),
        Kind::Url(|c| &mut c.otlp.endpoint),
        "Where spans go by OTLP, as HTTP with protobuf; `/v1/traces` is added to it. With an address, the exporter \
         `otlp` is chosen."
    ),
    setting!(
        "otlp_traces_endpoint",
        ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
        "",
        Kind::WholeUrl(|c| &mut c.otlp.traces_endpoint),
        "The same, used as it is; it goes before `otlp_endpoint`."
    ),
    setting!(
        "otlp_headers",
        ["OTEL_EXPORTER_OTLP_TRACES_HEADERS"; "OTEL_EXPORTER_OTLP_HEADERS"],
        "",
        Kind::Headers(|c| &mut c.otlp.headers),
        "What goes along with every request of the exporter `otlp`: `Authorization=Bearer%20KEY`, or \
         `x-mlflow-experiment-id=0` for MLflow."
    ),
    setting!(
        "otlp_timeout",
        ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"; "OTEL_EXPORTER_OTLP_TIMEOUT"],
        "",
        Some("`timeout`"),
        Kind::Milliseconds {
            range: 1..=3_600_000,
            to: |c| &mut c.otlp.timeout
        },
        "How long one of its requests may take, in milliseconds."
    ),
    setting!(
        "otlp_compression",
        ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"; "OTEL_EXPORTER_OTLP_COMPRESSION"],
        "gzip",
        Kind::Word {
            known: &["gzip", "none"],
            to: |c| &mut c.otlp.compression
        },
        "How its bodies are compressed."
    ),
    setting!(
        "otlp_protocol",
        ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"; "OTEL_EXPORTER_OTLP_PROTOCOL"],
        "http/protobuf",
        Kind::Word {
            known: &["http/protobuf"],
            to: |c| &mut c.otlp.protocol
        },
        "What it speaks. There is nothing to choose; collectors take it on port 4318, and `grpc` on 4317."
    ),
    setting!(
        "otel_service_name",
        ["OTEL_SERVICE_NAME"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.otlp.service_name
        },
        "The service's name in spans that go out by OTLP, where `service_name` says nothing."
    ),
    setting!(
        "otel_resource_attributes",
        ["OTEL_RESOURCE_ATTRIBUTES"],
        "",
        Kind::Pairs(|c| &mut c.otlp.resource),
        "What else these spans say of the program. Our own settings go before it."
    ),
    setting!(
        "otel_sdk_disabled",
        ["OTEL_SDK_DISABLED"],
        "false",
        Kind::Flag(|c| &mut c.otlp.sdk_disabled),
        "With `true`, an address does not choose the exporter `otlp`; `exporters` can."
    ),
    setting!(
        "otel_traces_exporter",
        ["OTEL_TRACES_EXPORTER"],
        "otlp",
        Kind::Text {
            most: 200,
            to: |c| &mut c.otlp.exporter
        },
        "The same with `none`; other words change nothing here."
    ),
    setting!(
        "langfuse_public_key",
        ["LANGFUSE_PUBLIC_KEY"],
        "",
        Kind::Key(|c| &mut c.otlp.langfuse_public),
        "The public key of a Langfuse project. With both keys, the exporter `langfuse` is chosen."
    ),
    setting!(
        "langfuse_secret_key",
        ["LANGFUSE_SECRET_KEY"],
        "",
        Kind::Key(|c| &mut c.otlp.langfuse_private),
        "Its secret key."
    ),
    setting!(
        "langfuse_host",
        ["LANGFUSE_HOST", "LANGFUSE_BASE_URL"],
        "https://us.cloud.langfuse.com",
        Kind::Url(|c| &mut c.otlp.langfuse_host),
        "Where Langfuse is; `/api/public/otel/v1/traces` is added to it."
    ),
    setting!(
        "traceroot_api_key",
        ["TRACEROOT_API_KEY"],
        "",
        Kind::Key(|c| &mut c.otlp.traceroot_api_key),
        "The key of a TraceRoot project. With it, the exporter `traceroot` is chosen."
    ),
    setting!(
        "traceroot_host",
        ["TRACEROOT_HOST_URL"],
        "https://app.traceroot.ai",
        Kind::Url(|c| &mut c.otlp.traceroot_host),
        "Where TraceRoot is; `/api/v1/public/traces` is added to it."
    ),
    setting!(
        "clickhouse_url",
        ["CLICKHOUSE_URL"],
        "",
        Kind::Url(|c| &mut c.clickhouse.url),
        "ClickHouse's HTTP interface, such as `http://127.0.0.1:8123`. With an address, the exporter `clickhouse` is \
         chosen."
    ),
    setting!(
        "clickhouse_database",
        ["CLICKHOUSE_DATABASE"],
        "default",
        Kind::Text {
            most: 200,
            to: |c| &mut c.clickhouse.database
        },
        "The database that its tables are in. It is made where it is not there, if the user may."
    ),
    setting!(
        "clickhouse_user",
        ["CLICKHOUSE_USER"],
        "default",
        Kind::Text {
            most: 200,
            to: |c| &mut c.clickhouse.user
        },
        "Who inserts."
    ),
    setting!(
        "clickhouse_password",
        ["CLICKHOUSE_PASSWORD"],
        "",
        Kind::Key(|c| &mut c.clickhouse.password),
        "That user's password."
    ),
    setting!(
        "clickhouse_cluster",
        ["CLICKHOUSE_CLUSTER"],
        "",
        Kind::Text {
            most: 200,
            to: |c| &mut c.clickhouse.cluster
        },
        "A cluster of replicas: its tables are made on all of them (`ON CLUSTER`), with `Replicated…` engines. ClickHouse \
         Cloud needs none."
    ),
    setting!(
        "clickhouse_ttl_days",
        ["CLICKHOUSE_TTL_DAYS"],
        "",
        Some("what the tables have; at first, for ever"),
        Kind::Count {
            range: 1..=36_500,
            to: |c| &mut c.clickhouse.ttl_days
        },
        "How many days it keeps a trace, from the day on which that began."
    ),
];
