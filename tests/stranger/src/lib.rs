//! Annotated functions in a crate of edition 2021 that renames rollout, re-exports it, and makes
//! functions with macros.
#![deny(
    warnings,
    missing_docs,
    unused,
    unreachable_code,
    clippy::pedantic,
    elided_lifetimes_in_paths
)]

/// Where this crate keeps what it shares.
pub mod shared {
    pub use telemetry as tracing;
}

/// By the new name.
#[telemetry::tool(crate = ::telemetry)]
pub async fn renamed(text: &str, times: &str) -> usize {
    std::future::ready(()).await;
    text.len() + times.len()
}

/// Through a re-export.
#[shared::tracing::agent(crate = crate::shared::tracing)]
pub async fn re_exported(
    text: &str,
    (total, _): (u32, u32),
) -> Result<usize, std::num::ParseIntError> {
    let times: usize = text.parse()?;
    Ok(renamed(text, "").await + times + total as usize)
}

/// Makes functions in other crates, which need not know rollout.
#[macro_export]
macro_rules! traced {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        $(#[$attribute])*
        #[$crate::shared::tracing::span(crate = $crate::shared::tracing)]
        $visibility fn $name($($argument: $type),*) -> $result $body
    };
}

traced! {
    /// Made by a macro.
    #[must_use]
    pub fn made(a: u32, b: u32) -> u32 {
        a + b
    }
}

/// Both lifetimes are captured, also in this edition.
#[telemetry::span(crate = ::telemetry)]
pub async fn two_lifetimes<'a>(text: &'a str, times: &mut String) -> &'a str {
    times.push('!');
    text
}

/// A tail expression that borrows, which this edition drops late.
#[telemetry::span(crate = ::telemetry, capture_input = false)]
pub async fn temporaries(text: std::sync::Mutex<String>) -> usize {
    text.lock().map_or(0, |text| text.len())
}
