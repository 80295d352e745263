//! Where the sources come from: cargo downloads them and says where it has put them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;

use crate::set::Published;

/// The folders that the registry's copies of `crates` lie in.
pub(crate) fn sources(scratch: &Path, crates: &[Published]) -> anyhow::Result<Vec<PathBuf>> {
    let mut manifest = "[package]\nname = \"scratch\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[dependencies]\n".to_owned();
    for published in crates {
        writeln!(manifest, "{} = \"={}\"", published.name, published.version)?;
    }
    fs::create_dir_all(scratch)?;
    fs::write(scratch.join("lib.rs"), "")?;
    let manifest_path = scratch.join("Cargo.toml");
    fs::write(&manifest_path, manifest)?;
    let metadata = MetadataCommand::new()
        .manifest_path(&manifest_path)
        .exec()
        .context("cargo could not fetch the crates")?;
    crates
        .iter()
        .map(|published| {
            let package = metadata.packages.iter().find(|package| {
                package.name.as_str() == published.name
                    && package.version.to_string() == published.version
            });
            let manifest = &package
                .with_context(|| format!("cargo has not fetched {}", published.name))?
                .manifest_path;
            let folder = manifest
                .parent()
                .with_context(|| format!("{manifest} lies in no folder"))?;
            Ok(folder.as_std_path().to_owned())
        })
        .collect()
}
