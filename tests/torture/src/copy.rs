//! A crate's sources, and copies of them in which functions have an attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use walkdir::WalkDir;

use crate::attribute::Attribute;
use crate::functions::{Functions, functions};

/// Names a function of a crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) file: PathBuf,
    /// Which of the functions of that file.
    pub(crate) index: usize,
}

/// A crate as it was published.
pub(crate) struct Sources {
    manifest: toml::Table,
    /// What is no Rust, and Rust that is no module.
    other: BTreeMap<PathBuf, Vec<u8>>,
    modules: BTreeMap<PathBuf, Module>,
}

struct Module {
    text: String,
    functions: Functions,
}

/// What is different in a copy.
pub(crate) struct Changes<'a> {
    /// Stands in front of the functions `on`.
    pub(crate) text: &'a str,
    pub(crate) on: &'a BTreeSet<Id>,
    /// Functions that are left out.
    pub(crate) without: &'a BTreeSet<Id>,
    /// Files of tests that are left out.
    pub(crate) emptied: &'a BTreeSet<PathBuf>,
    /// Whose crate it depends on; the path is that of this workspace.
    pub(crate) dependency: Option<(Attribute, &'a Path)>,
    /// Files that name that crate.
    pub(crate) named_in: &'a BTreeSet<PathBuf>,
}

/// Leaves an item out.
const NOWHERE: &str = "#[cfg(any())] ";

/// A function with an attribute in a copy, in bytes of the copy's file.
pub(crate) struct Placed {
    pub(crate) id: Id,
    pub(crate) range: Range<usize>,
    /// What was put there.
    pub(crate) text: Range<usize>,
}

/// A copy on the disk.
pub(crate) struct Copy {
    pub(crate) folder: PathBuf,
    pub(crate) placed: Vec<Placed>,
}

impl Sources {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut sources = Sources {
            manifest: fs::read_to_string(folder.join("Cargo.toml"))?.parse()?,
            other: BTreeMap::new(),
            modules: BTreeMap::new(),
        };
        for entry in WalkDir::new(folder) {
            let entry = entry?;
            let path = entry.path().strip_prefix(folder)?.to_owned();
            let is_ours = matches!(path.to_str(), Some("Cargo.toml" | "Cargo.lock"));
            if !entry.file_type().is_file() || is_ours {
                continue;
            }
            let bytes = fs::read(entry.path())?;
            if path.extension().is_some_and(|extension| extension == "rs")
                && let Ok(text) = str::from_utf8(&bytes)
                && let Some(functions) = functions(text)
            {
                let text = text.to_owned();
                sources.modules.insert(path, Module { text, functions });
            } else {
                sources.other.insert(path, bytes);
            }
        }
        Ok(sources)
    }

    /// All functions that an attribute could be put on.
    pub(crate) fn ids(&self) -> BTreeSet<Id> {
        let ids = |(file, module): (&PathBuf, &Module)| {
            let file = file.clone();
            (0..module.functions.found.len()).map(move |index| Id {
                file: file.clone(),
                index,
            })
        };
        self.modules.iter().flat_map(ids).collect()
    }

    /// Functions inside of macros, in those files for which `compiled` holds.
    pub(crate) fn in_macros(&self, compiled: impl Fn(&Path) -> bool) -> usize {
        self.modules
            .iter()
            .filter(|(file, _)| compiled(file))
            .map(|(_, module)| module.functions.in_macros)
            .sum()
    }

    /// `file:line name`
    pub(crate) fn describe(&self, id: &Id) -> String {
        let function = self
            .modules
            .get(&id.file)
            .and_then(|module| module.functions.found.get(id.index));
        match function {
            Some(function) => {
                format!("{}:{} {}", id.file.display(), function.line, function.name)
            }
            None => id.file.display().to_string(),
        }
    }

    /// Writes a copy to `folder`. Files that are as they should be are left alone, so that cargo sees what has changed.
    pub(crate) fn copy(&self, folder: &Path, changes: &Changes<'_>) -> anyhow::Result<Copy> {
        let mut manifest = self.manifest.clone();
        if let Some((attribute, workspace)) = changes.dependency {
            depend(&mut manifest, attribute, workspace)?;
        }
        manifest.insert("workspace".into(), toml::Table::new().into());
        write(&folder.join("Cargo.toml"), manifest.to_string().as_bytes())?;
        for (path, bytes) in &self.other {
            write(&folder.join(path), bytes)?;
        }
        let mut placed = Vec::new();
        for (path, module) in &self.modules {
            if changes.emptied.contains(path) {
                write(&folder.join(path), b"")?;
                continue;
            }
            let (mut changed, functions) = change(path, module, changes);
            if let Some((attribute, _)) = changes.dependency
                && changes.named_in.contains(path)
            {
                changed.push_str("\nextern crate ");
                changed.push_str(attribute.name());
                changed.push_str(" as _;\n");
            }
            write(&folder.join(path), changed.as_bytes())?;
            placed.extend(functions);
        }
        Ok(Copy {
            folder: folder.to_owned(),
            placed,
        })
    }
}

impl Copy {
    /// The innermost function with an attribute around a byte of a file.
    pub(crate) fn around(&self, file: &Path, byte: usize) -> Option<&Placed> {
        self.placed
            .iter()
            .filter(|placed| placed.id.file == file && placed.range.contains(&byte))
            .min_by_key(|placed| placed.range.len())
    }
}

fn change(path: &Path, module: &Module, changes: &Changes<'_>) -> (String, Vec<Placed>) {
    let functions = module.functions.found.iter().enumerate();
    let chosen: Vec<_> = functions
        .filter_map(|(index, function)| {
            let file = path.to_owned();
            let id = Id { file, index };
            let text = if changes.without.contains(&id) {
                NOWHERE
            } else if changes.on.contains(&id) {
                changes.text
            } else {
                return None;
            };
            Some((id, function, text))
        })
        .collect();
    let mut changed = String::with_capacity(module.text.len() + chosen.len() * 80);
    let mut copied = 0;
    for (_, function, text) in &chosen {
        changed.push_str(&module.text[copied..function.at]);
        changed.push_str(text);
        copied = function.at;
    }
    changed.push_str(&module.text[copied..]);
    let moved = |byte: usize| {
        let before = chosen.iter().filter(|(_, function, _)| function.at < byte);
        byte + before.map(|(_, _, text)| text.len()).sum::<usize>()
    };
    let placed = chosen
        .iter()
        .map(|(id, function, text)| Placed {
            id: id.clone(),
            range: moved(function.range.start)..moved(function.range.end),
            text: moved(function.at)..moved(function.at) + text.len(),
        })
        .collect();
    (changed, placed)
}

/// Makes the crate depend on what the attribute is from. Where it may depend on that already, it always does.
fn depend(
    manifest: &mut toml::Table,
    attribute: Attribute,
    workspace: &Path,
) -> anyhow::Result<()> {
    let name = attribute.name();
    let mut dependency = attribute.dependency(workspace);
    let dependencies = manifest
        .entry("dependencies")
        .or_insert_with(|| toml::Table::new().into())
        .as_table_mut()
        .context("`dependencies` is no table")?;
    if let Some(toml::Value::Table(before)) = dependencies.get(name)
        && let Some(features) = before.get("features")
    {
        dependency.insert("features".into(), features.clone());
    }
    dependencies.insert(name.into(), dependency.into());
    if let Some(toml::Value::Table(features)) = manifest.get_mut("features") {
        let about_it = |value: &toml::Value| {
            let value = value.as_str().unwrap_or_default();
            let value = value.strip_prefix("dep:").unwrap_or(value);
            value.split(['/', '?']).next() == Some(name)
        };
        features.remove(name);
        for (_, list) in features.iter_mut() {
            if let toml::Value::Array(list) = list {
                list.retain(|value| !about_it(value));
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
