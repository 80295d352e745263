//! The run registry: `PUT /v1/runs/{run_id}`, `PUT /v1/runs/{run_id}/steps/{n}` and `PUT /v1/datapoints/{id}`.
//!
//! Each says that something exists. Saying it again is fine, and changes only what is said anew.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{App, error::ApiError};
use crate::store::Registration;

/// Characters of an id or a name at most, as in events.
const ID: usize = 200;

/// What is said of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    phase: String,
    project: Option<String>,
}

/// What is said of a step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {}

/// What is said of a datapoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Datapoint {
    env_name: Option<String>,
}

/// Registers a run that trains or evaluates.
pub(super) async fn run(
    State(app): State<App>,
    Path(run_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    id("run id", &run_id)?;
    let said: Run = read(&app, &headers, body).await?;
    match said.phase.as_str() {
        "train" | "eval" => {}
        "prod" => {
            return Err(invalid(
                "a run in `prod` is the project itself and is not registered: only its datapoints are",
            ));
        }
        other => {
            return Err(invalid(format!(
                "`phase` is `{other}`: allowed are `train` and `eval`"
            )));
        }
    }
    if let Some(project) = &said.project {
        id("`project`", project)?;
    }
    let run = Registration::Run {
        run_id,
        phase: said.phase,
        project: said.project,
    };
    register(&app, run).await
}

/// Registers a step of a run that is registered.
pub(super) async fn step(
    State(app): State<App>,
    Path((run_id, number)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    id("run id", &run_id)?;
    let step_number = number.parse().ok().filter(|number: &i64| *number >= 0);
    let step_number = step_number.ok_or_else(|| {
        invalid(format!(
            "the step is `{number}`: it must be a whole number from 0"
        ))
    })?;
    let Step {} = read(&app, &headers, body).await?;
    let step = Registration::Step {
        run_id,
        step_number,
    };
    register(&app, step).await
}

/// Registers a datapoint.
pub(super) async fn datapoint(
    State(app): State<App>,
    Path(datapoint_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    id("datapoint id", &datapoint_id)?;
    let said: Datapoint = read(&app, &headers, body).await?;
    if let Some(env) = &said.env_name {
        id("`env_name`", env)?;
    }
    let datapoint = Registration::Datapoint {
        datapoint_id,
        env_name: said.env_name,
    };
    register(&app, datapoint).await
}

async fn register(app: &App, registration: Registration) -> Result<StatusCode, ApiError> {
    app.store.register(registration).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An object; where there is no body, one that says nothing.
async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    let body = app.bodies.read(headers, body).await?;
    let text = match body.bytes.trim_ascii() {
        b"" => b"{}".as_slice(),
        text => text,
    };
    serde_json::from_slice(text).map_err(|error| {
        if error.is_data() {
            invalid(error.to_string())
        } else {
            ApiError::bad_request("invalid_json", format!("the body is no JSON: {error}"))
        }
    })
}

fn id(what: &str, text: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(invalid(format!("the {what} is blank")));
    }
    let chars = text.chars().count();
    if chars > ID {
        return Err(invalid(format!(
            "the {what} has {chars} characters: {ID} are allowed"
        )));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_registration",
        message,
    )
}
