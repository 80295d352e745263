//! `rollout doctor` on what is well and on what is not.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use rollout_server::{STORE_FILE, open_store};
use rollout_tests::server::TestServer;
use serde_json::Value;

/// Runs the command in a folder of its own, with these settings alone.
fn doctor(folder: &Path, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollout"));
    command
        .args(["doctor", "--json"])
        .current_dir(folder)
        .env_clear();
    command.envs(settings.iter().copied()).output().unwrap()
}

/// What it says of a subject: `STATE: FOUND`.
fn said(output: &Output, subject: &str) -> String {
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut findings = findings.as_array().unwrap().iter();
    let finding = findings.find(|finding| finding["subject"] == subject);
    let finding = finding.unwrap_or_else(|| panic!("{subject} in {output:?}"));
    assert_eq!(
        finding["advice"].is_null(),
        finding["state"] == "ok",
        "{finding}"
    );
    format!(
        "{}: {}",
        finding["state"].as_str().unwrap(),
        finding["found"].as_str().unwrap()
    )
}

#[test]
fn nothing_is_wrong_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(folder.path(), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output, "configuration"), "ok: traces go to local");
    assert_eq!(
        said(&output, "directory"),
        format!(
            "ok: {}/.rollout can be written, made when a program first records",
            folder.path().display()
        )
    );
    assert!(said(&output, "clock").starts_with("ok: "), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_setting_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(folder.path(), &[("ROLLOUT_FLUSH_AT", "many")]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output, "configuration");
    assert!(said.starts_with("problem: "), "{said}");
    assert!(
        said.contains("ROLLOUT_FLUSH_AT") && said.contains("many"),
        "{said}"
    );
}

#[test]
fn a_server_that_takes_events_and_one_that_is_down() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(folder.path(), &[("ROLLOUT_ENDPOINT", &server.url(""))]);
    assert!(output.status.success(), "{output:?}");
    assert!(said(&output, "http").starts_with("ok: "), "{output:?}");

    let otlp = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*server.url(""))];
    let output = doctor(folder.path(), &otlp);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        said(&output, "otlp"),
        "ok: took a diagnostic trace, rollout.doctor"
    );
    let names = server
        .get("/api/v1/traces?filter=name:rollout.doctor")
        .json();
    assert_eq!(names["traces"].as_array().unwrap().len(), 1, "{names}");

    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let nobody = format!("http://127.0.0.1:{port}");
    for (subject, variable) in [
        ("http", "ROLLOUT_ENDPOINT"),
        ("otlp", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] {
        let output = doctor(
            folder.path(),
            &[(variable, &nobody), ("ROLLOUT_TIMEOUT", "1")],
        );
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            said(&output, subject).starts_with("problem: "),
            "{output:?}"
        );
    }
}

#[test]
fn a_damaged_store_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(".rollout");
    drop(open_store(&dir).unwrap());
    let output = doctor(folder.path(), &[]);
    assert!(said(&output, "store").contains("is whole"), "{output:?}");

    let file = dir.join(STORE_FILE);
    let mut bytes = fs::read(&file).unwrap();
    // The page of a table's root.
    bytes[4096..4196].fill(0xff);
    fs::write(&file, &bytes).unwrap();
    let output = doctor(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output, "store");
    assert!(said.starts_with("problem: "), "{said}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
