//! Every dependency may be used under a licence that `deny.toml` allows.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{collections::BTreeSet, path::Path, process::Command};

use rollout_tests::workspace;
use serde_json::Value;

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let allowed = allowed(&workspace().join("deny.toml"));
    let mut refused = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some(licence) = package["license"].as_str() else {
            refused.push(format!("{name}: no licence"));
            continue;
        };
        // `MIT/Apache-2.0` is how old manifests write `OR`.
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{name}: {licence}: {error}"));
        let fits = expression.evaluate(|requirement| {
            let id = requirement.license.id();
            requirement.addition.is_none() && id.is_some_and(|id| allowed.contains(id.name))
        });
        if !fits {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

/// The list in `deny.toml`.
fn allowed(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let list = table["licenses"]["allow"].as_array().unwrap();
    list.iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// The packages of all platforms, or, where those were never fetched, of this one.
fn packages() -> Vec<Value> {
    let all = metadata(&[]);
    let metadata = all.or_else(|_| metadata(&["--filter-platform", &host()]));
    let mut metadata: Value = serde_json::from_slice(&metadata.unwrap()).unwrap();
    std::mem::take(metadata["packages"].as_array_mut().unwrap())
}

fn metadata(more: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(more)
        .current_dir(workspace())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The platform that the compiler runs on.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}
