//! An attribute adds no warning, of rustc or of clippy (pedantic and nursery included).
#![expect(clippy::expect_used, reason = "that is how a test fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What an annotated function is not told any more, and why that is right or cannot be helped.
const LOST: &[&str] = &[
    // It cannot be `const`.
    "clippy::missing_const_for_fn",
    // It is no `async fn` any more, or looks like none.
    "clippy::manual_async_fn",
    "clippy::missing_errors_doc",
    "clippy::unused_async",
    // What is recorded is used, as what it is.
    "clippy::boxed_local",
    "clippy::needless_pass_by_value",
    "clippy::ptr_arg",
    // Clippy looks at the end of the body, which comes out of a macro.
    "clippy::needless_lifetimes",
    "clippy::needless_return",
    "clippy::unnecessary_wraps",
];

/// The lint and the line of each warning.
fn warnings(package: &Path, features: &[&str]) -> BTreeSet<(String, u64)> {
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--quiet", "--message-format=json"])
        .args(features)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo clippy runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|line| line["target"]["name"] == "lints")
        .filter_map(|line| {
            let message = &line["message"];
            let lint = message["code"]["code"].as_str()?.to_owned();
            let spans = message["spans"].as_array()?;
            let span = spans.iter().find(|span| span["is_primary"] == true)?;
            Some((lint, span["line_start"].as_u64()?))
        })
        .collect()
}

#[test]
fn an_attribute_adds_no_warning() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lints");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the workspace is there");
    std::fs::create_dir_all(package.join("src")).expect("a directory for the package");
    let manifest = format!(
        "[package]\nname = \"lints\"\nedition = \"2024\"\n\n[workspace]\n\n[features]\nannotated = []\n\n\
         [dependencies]\nrollout = {{ path = {:?}, default-features = false }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n",
        root.join("rollout")
    );
    std::fs::write(package.join("Cargo.toml"), manifest).expect("the manifest is written");
    std::fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("a lock to copy");
    let source = include_str!("../lints/lib.rs");
    std::fs::write(package.join("src/lib.rs"), source).expect("the source is written");

    let bare = warnings(&package, &[]);
    let annotated = warnings(&package, &["--features=annotated"]);
    assert!(bare.len() > 80, "{bare:?}");
    let new: Vec<_> = annotated.difference(&bare).collect();
    assert!(new.is_empty(), "only with the attribute: {new:?}");
    let mut lost = bare.difference(&annotated);
    let unexpected = lost.find(|(lint, _)| !LOST.contains(&lint.as_str()));
    assert_eq!(unexpected, None, "only without the attribute");
}
