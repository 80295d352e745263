//! The programs that are compiled.

use std::fmt::Write as _;
use std::path::Path;

/// What stands in front of each function.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Variant {
    Bare,
    Nothing,
    Rollout,
    RolloutCaptures,
    Fastrace,
    FastraceProperties,
    Tracing,
    TracingFields,
}

impl Variant {
    /// The bare one first: the others are compared with it.
    pub(crate) const ALL: [Variant; 8] = [
        Variant::Bare,
        Variant::Nothing,
        Variant::Rollout,
        Variant::RolloutCaptures,
        Variant::Fastrace,
        Variant::FastraceProperties,
        Variant::Tracing,
        Variant::TracingFields,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Variant::Bare => "bare",
            Variant::Nothing => "attribute that does nothing",
            Variant::Rollout => "rollout without capture",
            Variant::RolloutCaptures => "rollout with capture",
            Variant::Fastrace => "fastrace",
            Variant::FastraceProperties => "fastrace with arguments",
            Variant::Tracing => "tracing without arguments",
            Variant::TracingFields => "tracing with arguments",
        }
    }

    fn attribute(self) -> &'static str {
        match self {
            Variant::Bare => "",
            Variant::Nothing => "#[nothing::nothing]",
            Variant::Rollout => "#[rollout::span(capture_input = false, capture_output = false)]",
            Variant::RolloutCaptures => "#[rollout::span]",
            Variant::Fastrace => "#[fastrace::trace]",
            Variant::FastraceProperties => {
                "#[fastrace::trace(properties = { \"count\": \"{count}\", \"name\": \"{name}\", \"sizes\": \"{sizes:?}\" })]"
            }
            Variant::Tracing => "#[tracing::instrument(skip_all)]",
            Variant::TracingFields => "#[tracing::instrument]",
        }
    }

    fn dependency(self, workspace: &Path) -> String {
        let workspace = workspace.display();
        match self {
            Variant::Bare => String::new(),
            Variant::Nothing => "nothing = { path = \"../nothing\" }".into(),
            Variant::Rollout | Variant::RolloutCaptures => {
                format!("rollout = {{ path = \"{workspace}/rollout\", default-features = false }}")
            }
            Variant::Fastrace | Variant::FastraceProperties => {
                "fastrace = { version = \"0.7\", features = [\"enable\"] }".into()
            }
            Variant::Tracing | Variant::TracingFields => "tracing = \"0.1\"".into(),
        }
    }
}

/// The manifest of a program.
pub(crate) fn manifest(variant: Variant, workspace: &Path) -> String {
    format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{}\n\n[profile.release]\nstrip = true\n\n[workspace]\n",
        variant.dependency(workspace)
    )
}

/// A crate with an attribute that gives back what it stands on.
pub(crate) const NOTHING: [(&str, &str); 2] = [
    (
        "Cargo.toml",
        "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\nproc-macro = true\n\n[workspace]\n",
    ),
    (
        "src/lib.rs",
        "use proc_macro::TokenStream;\n\n#[proc_macro_attribute]\n\
         pub fn nothing(_: TokenStream, item: TokenStream) -> TokenStream {\n    item\n}\n",
    ),
];

/// A program of `functions` functions, four kinds in turn, all of which it calls.
pub(crate) fn source(variant: Variant, functions: usize) -> String {
    let attribute = variant.attribute();
    let mut text = HEAD.to_owned();
    let modules = functions.div_ceil(40);
    for module in 0..modules {
        let from = module * 40;
        let to = functions.min(from + 40);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "mod part_{module} {{\n    use super::*;\n");
        let mut calls = String::new();
        for n in from..to {
            let (function, call) = match n % 4 {
                0 => (PLAIN, "plain_NUMBER(count, \"plain\", &sizes)"),
                1 => (
                    LATER,
                    "now(pin!(later_NUMBER(count, \"later\".into(), sizes.clone())))",
                ),
                2 => (
                    METHOD,
                    "Table(sizes.clone()).method_NUMBER(count, \"method\", &sizes)",
                ),
                _ => (CHECKED, "checked_NUMBER(count, \"7\", &sizes).unwrap_or(0)"),
            };
            let number = n.to_string();
            let function = function
                .replace("ATTRIBUTE", attribute)
                .replace("NUMBER", &number);
            text.push_str(&function);
            let _ = writeln!(
                calls,
                "        total = total.wrapping_add({});",
                call.replace("NUMBER", &number)
            );
        }
        let _ = writeln!(
            text,
            "    pub fn run(count: u32) -> u64 {{\n        let sizes = vec![u64::from(count); 3];\n        \
             let mut total = 0_u64;\n{calls}        total\n    }}\n}}\n"
        );
    }
    text.push_str("fn main() {\n    let count = std::env::args().count() as u32;\n    let mut total = 0_u64;\n");
    for module in 0..modules {
        let _ = writeln!(
            text,
            "    total = total.wrapping_add(part_{module}::run(count));"
        );
    }
    text.push_str("    println!(\"{total}\");\n}\n");
    text
}

const HEAD: &str = r"use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
pub struct Table(Vec<u64>);

pub fn now(future: Pin<&mut dyn Future<Output = u64>>) -> u64 {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => 0,
    }
}

pub async fn page(count: u32) -> u64 {
    u64::from(count)
}

";

const PLAIN: &str = r"    ATTRIBUTE
    pub fn plain_NUMBER(count: u32, name: &str, sizes: &[u64]) -> u64 {
        let mut total = u64::from(count) + NUMBER;
        for (index, size) in sizes.iter().enumerate() {
            if *size > total {
                total = total.wrapping_mul(size ^ index as u64);
            } else {
                total ^= *size;
            }
        }
        total.wrapping_add(name.len() as u64)
    }

";

const LATER: &str = r"    ATTRIBUTE
    pub async fn later_NUMBER(count: u32, name: String, sizes: Vec<u64>) -> u64 {
        let mut total = NUMBER;
        for size in &sizes {
            total += page(count).await ^ size;
        }
        if name.is_empty() {
            return 0;
        }
        total
    }

";

const METHOD: &str = r"    impl Table {
        ATTRIBUTE
        pub fn method_NUMBER(&self, count: u32, name: &str, sizes: &[u64]) -> u64 {
            let found = self.0.iter().position(|size| sizes.contains(size));
            match found {
                Some(index) => index as u64 + u64::from(count) + NUMBER,
                None => name.bytes().map(u64::from).sum(),
            }
        }
    }

";

const CHECKED: &str = r"    ATTRIBUTE
    pub fn checked_NUMBER(count: u32, name: &str, sizes: &[u64]) -> Result<u64, std::num::ParseIntError> {
        let parsed: u64 = name.parse()?;
        let mut total = parsed + u64::from(count) + NUMBER;
        for size in sizes {
            total = total.rotate_left(3) ^ size;
        }
        Ok(total)
    }

";
