//! The attributes that are put on functions.

use std::path::Path;

/// Whose attribute is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Attribute {
    Rollout,
    Tracing,
    Fastrace,
}

impl Attribute {
    pub(crate) const ALL: [Attribute; 3] =
        [Attribute::Rollout, Attribute::Tracing, Attribute::Fastrace];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Attribute::Rollout => "rollout",
            Attribute::Tracing => "tracing",
            Attribute::Fastrace => "fastrace",
        }
    }

    /// As it is written in front of a function: on the same line, so that those keep their numbers.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Attribute::Rollout => {
                "#[rollout::span(capture_input = false, capture_output = false)] "
            }
            Attribute::Tracing => "#[tracing::instrument(skip_all)] ",
            Attribute::Fastrace => "#[fastrace::trace] ",
        }
    }

    /// What the crate has to depend on.
    pub(crate) fn dependency(self, workspace: &Path) -> toml::Table {
        let (key, value) = match self {
            Attribute::Rollout => (
                "path",
                workspace.join("rollout").to_string_lossy().into_owned(),
            ),
            Attribute::Tracing => ("version", "=0.1.44".to_owned()),
            Attribute::Fastrace => ("version", "=0.7.19".to_owned()),
        };
        let mut dependency = toml::Table::new();
        dependency.insert(key.into(), value.into());
        match self {
            Attribute::Rollout => {
                dependency.insert("default-features".into(), false.into());
            }
            Attribute::Tracing => {}
            Attribute::Fastrace => {
                dependency.insert("features".into(), vec!["enable"].into());
            }
        }
        dependency
    }
}
