//! The exporter `registry`: tells a run registry of the runs, steps and datapoints that rollouts are of.
//!
//! There is nothing to record for that: the start of a rollout's trace says all of it, and lies in the spool like any
//! other event. So registrations survive what events survive, and are made again where it is not known that they were
//! made: each is a PUT that changes nothing the second time.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use memchr::memmem;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client;
use super::{Batch, ExportFuture, Exporter, ForChild, Receipt, child};
use crate::config::Config;
use crate::config::secret::Secret;
use crate::error::{ConfigError, ExportError};
use crate::run::Phase;

/// What was registered is remembered up to so many; past that, it may be registered again.
const MOST_KNOWN: usize = 64 * 1024;

/// Registers what rollouts are of.
#[derive(Debug)]
pub(crate) struct RegistryExporter {
    client: Client,
    url: Url,
    key: Option<Secret<String>>,
    config: Config,
    known: HashSet<Registration>,
    /// Statuses of refusal that were told.
    told: BTreeSet<u16>,
}

/// One thing to register.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Registration {
    Run {
        id: String,
        phase: String,
        project: Option<String>,
    },
    Step {
        run: String,
        number: u64,
    },
    Datapoint {
        id: String,
        env: Option<String>,
    },
}

/// What the start of a rollout's trace says of it.
#[derive(Deserialize)]
struct Started {
    event_type: String,
    #[serde(default)]
    links: Links,
    attributes: Facts,
}

#[derive(Default, Deserialize)]
struct Links {
    run_id: Option<String>,
}

#[derive(Deserialize)]
struct Facts {
    #[serde(rename = "rollout.run.phase")]
    phase: String,
    #[serde(rename = "rollout.run.of_phase")]
    of_phase: Option<String>,
    #[serde(rename = "rollout.run.datapoint_id")]
    datapoint: String,
    #[serde(rename = "rollout.run.step_number")]
    step: Option<u64>,
    #[serde(rename = "rollout.run.env_name")]
    env: Option<String>,
}

impl RegistryExporter {
    /// An exporter to the registry that `config` names.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let refuse =
            |problem: String| ConfigError::new("registry_url", config.registry_url(), problem);
        let Some(base) = config.registry_url() else {
            return Err(refuse("needs an address: set KESTREL_API_URL".into()));
        };
        let url = Url::parse(base).map_err(|error| refuse(format!("is no address: {error}")))?;
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(ACCEPT, json.clone());
        headers.insert(CONTENT_TYPE, json);
        Ok(Self {
            client: client::client(&url, headers, config.timeout()).map_err(refuse)?,
            url,
            key: config.registry_key().cloned(),
            config: config.clone(),
            known: HashSet::new(),
            told: BTreeSet::new(),
        })
    }

    async fn register(&mut self, batch: &Batch) -> Result<Receipt, ExportError> {
        for event in batch.events() {
            let Some(started) = started(event) else {
                continue;
            };
            for registration in self.registrations(started) {
                if self.known.contains(&registration) {
                    continue;
                }
                self.put(&registration).await?;
                if self.known.len() >= MOST_KNOWN {
                    self.known.clear();
                }
                self.known.insert(registration);
            }
        }
        Ok(Receipt::all())
    }

    /// What is to be registered for a rollout: in `prod` its datapoint, else its run and step too.
    fn registrations(&self, started: Started) -> Vec<Registration> {
        let facts = started.attributes;
        let mut found = Vec::new();
        if facts.phase != Phase::Prod.as_str()
            && let Some(run) = started.links.run_id
        {
            found.push(Registration::Run {
                id: run.clone(),
                phase: facts.of_phase.unwrap_or(facts.phase),
                project: self.config.project().map(str::to_owned),
            });
            found.extend(facts.step.map(|number| Registration::Step { run, number }));
        }
        found.push(Registration::Datapoint {
            id: facts.datapoint,
            env: facts.env,
        });
        found
    }

    /// Registers one thing. What the registry will not have is told once and left at that: the rollout is recorded all
    /// the same.
    async fn put(&mut self, registration: &Registration) -> Result<(), ExportError> {
        let Some(url) = registration.url(&self.url) else {
            log::warn!(
                "rollout: {registration:?} cannot be registered: its id is no part of an address"
            );
            return Ok(());
        };
        let body = registration.body().to_string();
        let mut request = self.client.put(url).body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        let answer = client::send(request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        match answer.refusal(self.key.as_ref(), "KESTREL_API_KEY") {
            error @ (ExportError::Retry { .. } | ExportError::Stop { .. }) => Err(error),
            error => {
                if self.told.insert(answer.status.as_u16()) {
                    log::warn!(
                        "rollout: the run registry refuses {registration:?}: {error}; it is recorded all the same, and \
                         others that are refused for this are not told of"
                    );
                }
                Ok(())
            }
        }
    }
}

/// What an event says of a rollout that it starts, if it does.
fn started(event: &[u8]) -> Option<Started> {
    // Most events are of something else, and need not be read.
    memmem::find(event, b"\"rollout.run.datapoint_id\"")?;
    let started: Started = serde_json::from_slice(event).ok()?;
    (started.event_type == "trace.start").then_some(started)
}

impl Registration {
    fn url(&self, base: &Url) -> Option<Url> {
        let number;
        let path: &[&str] = match self {
            Self::Run { id, .. } => &["v1", "runs", id],
            Self::Step { run, number: step } => {
                number = step.to_string();
                &["v1", "runs", run, "steps", &number]
            }
            Self::Datapoint { id, .. } => &["v1", "datapoints", id],
        };
        // These two mean something else there, however they are written.
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return None;
        }
        let mut url = base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        Some(url)
    }

    fn body(&self) -> Value {
        match self {
            Self::Run { phase, project, .. } => match project {
                Some(project) => json!({ "phase": phase, "project": project }),
                None => json!({ "phase": phase }),
            },
            Self::Step { .. } => json!({}),
            Self::Datapoint { env, .. } => match env {
                Some(env) => json!({ "env_name": env }),
                None => json!({}),
            },
        }
    }
}

impl Exporter for RegistryExporter {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(self.register(batch))
    }

    fn resumes(&self) -> bool {
        true
    }

    fn for_child(&self) -> Option<ForChild> {
        let config = self.config.clone();
        Some(Arc::new(move || match Self::new(&config) {
            Ok(exporter) => Box::new(exporter),
            Err(_) => child::absent("registry"),
        }))
    }
}
