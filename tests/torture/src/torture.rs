//! One crate: bare first, then with each attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::diagnostic::Diagnostic;

use crate::attribute::Attribute;
use crate::blame::{Blamed, blame};
use crate::build::{Build, Built, MARK};
use crate::copy::{Changes, Copy, Id, Sources};
use crate::set::Published;
use crate::suite;

/// Where copies go and how they are built.
pub(crate) struct Rack {
    pub(crate) workspace: PathBuf,
    pub(crate) folder: PathBuf,
    /// Examples in the documentation, too.
    pub(crate) documentation: bool,
}

/// A crate as it was published: what there is to lose.
pub(crate) struct Bare {
    sources: Sources,
    /// The functions that are compiled on this machine.
    functions: BTreeSet<Id>,
    passed: BTreeSet<String>,
    warnings: BTreeMap<String, usize>,
    /// The first files of its library, tests and examples.
    roots: BTreeSet<PathBuf>,
    /// Functions in macros, in the files that are compiled.
    pub(crate) in_macros: usize,
    /// Functions that are for other platforms or features.
    pub(crate) elsewhere: usize,
}

/// A crate with an attribute on every function.
pub(crate) struct Outcome {
    /// The functions that do not compile as soon as the crate depends on what the attribute is from.
    pub(crate) refused: Vec<String>,
    /// Tests that are among those.
    pub(crate) gone: usize,
    /// The functions that do not compile with the attribute, and why.
    pub(crate) broken: Vec<(String, String)>,
    /// Tests that pass without it and do not with it.
    pub(crate) lost: Vec<String>,
    /// Warnings that are there only with it.
    pub(crate) warnings: Vec<String>,
}

impl Outcome {
    /// Whether the attribute has changed nothing.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken.is_empty() && self.lost.is_empty() && self.warnings.is_empty()
    }
}

impl Bare {
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }

    pub(crate) fn tests(&self) -> usize {
        self.passed.len()
    }
}

impl Rack {
    /// Builds and tests the crate in `source` as it is. Every function is marked, so that the compiler says which of
    /// them it sees.
    pub(crate) fn bare(&self, published: &Published, source: &Path) -> anyhow::Result<Bare> {
        let sources = Sources::read(source)?;
        let all = sources.ids();
        let changes = Changes {
            text: MARK,
            on: &all,
            without: &BTreeSet::new(),
            emptied: &BTreeSet::new(),
            dependency: None,
            named_in: &BTreeSet::new(),
        };
        let copy = self.copy(&sources, &self.folder_of("bare", published), &changes)?;
        let target = self.target();
        let build = Build {
            target: &target,
            features: published.features,
        };
        let built = build.run(&copy.folder)?;
        if !built.succeeded {
            bail!(
                "{} does not build as it was published:\n{}",
                published.name,
                built.errors.first().map(rendered).unwrap_or_default()
            );
        }
        let functions: BTreeSet<Id> = built
            .warnings
            .iter()
            .filter(|warning| is_mark(warning))
            .flat_map(|warning| &warning.spans)
            .filter_map(|span| {
                copy.placed.iter().find(|placed| {
                    placed.id.file == Path::new(&span.file_name)
                        && placed.text.contains(&(span.byte_start as usize))
                })
            })
            .map(|placed| placed.id.clone())
            .collect();
        let compiled: BTreeSet<&Path> = functions.iter().map(|id| id.file.as_path()).collect();
        Ok(Bare {
            in_macros: sources.in_macros(|file| compiled.contains(file)),
            elsewhere: all.len() - functions.len(),
            passed: self.passed(&build, &copy, &built)?,
            warnings: warnings(&built),
            roots: built.roots,
            functions,
            sources,
        })
    }

    /// Builds and tests the crate with the attribute on every function. What does not compile loses it again.
    pub(crate) fn annotated(
        &self,
        published: &Published,
        bare: &Bare,
        attribute: Attribute,
    ) -> anyhow::Result<Outcome> {
        let trial = Trial {
            rack: self,
            build: Build {
                target: &self.target(),
                features: published.features,
            },
            folder: &self.folder_of(attribute.name(), published),
            bare,
            attribute,
        };
        let mut on = bare.functions.clone();
        let mut left_out = LeftOut::default();
        let mut tests = bare.passed.clone();
        let (_, built) = trial.with(&on, &left_out)?;
        if !built.succeeded {
            (left_out, tests) = trial.depending()?;
            on.retain(|id| !left_out.has(id));
        }
        let why = trial.remove_broken(&mut on, &left_out)?;
        let (copy, built) = trial.with(&on, &left_out)?;
        let passed = self.passed(&trial.build, &copy, &built)?;
        let mut new = Vec::new();
        for (warning, count) in warnings(&built) {
            if count > bare.warnings.get(&warning).copied().unwrap_or(0) {
                new.push(warning);
            }
        }
        let describe = |id: &Id| bare.sources.describe(id);
        Ok(Outcome {
            refused: bare
                .functions
                .iter()
                .filter(|id| left_out.has(id))
                .map(describe)
                .collect(),
            gone: bare.passed.difference(&tests).count(),
            broken: bare
                .functions
                .iter()
                .filter(|id| !on.contains(id) && !left_out.has(id))
                .map(|id| (describe(id), why.get(id).cloned().unwrap_or_default()))
                .collect(),
            lost: tests.difference(&passed).cloned().collect(),
            warnings: new,
        })
    }

    fn folder_of(&self, kind: &str, published: &Published) -> PathBuf {
        let name = format!("{}-{}", published.name, published.version);
        self.folder.join(kind).join(name)
    }

    /// One for all copies, so that what they depend on is built once.
    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn copy(
        &self,
        sources: &Sources,
        folder: &Path,
        changes: &Changes<'_>,
    ) -> anyhow::Result<Copy> {
        let copy = sources.copy(folder, changes)?;
        // The versions this workspace is tested with; what it does not know, cargo adds.
        let lock = folder.join("Cargo.lock");
        if !lock.exists() {
            std::fs::copy(self.workspace.join("Cargo.lock"), &lock)
                .context("the workspace has no lock")?;
        }
        Ok(copy)
    }

    /// The names of the tests that pass.
    fn passed(
        &self,
        build: &Build<'_>,
        copy: &Copy,
        built: &Built,
    ) -> anyhow::Result<BTreeSet<String>> {
        let mut passed = suite::run(&copy.folder, &built.tests)?;
        if self.documentation {
            passed.extend(suite::documentation(build, &copy.folder)?);
        }
        Ok(passed)
    }
}

/// One crate with one attribute.
struct Trial<'a> {
    rack: &'a Rack,
    build: Build<'a>,
    folder: &'a Path,
    bare: &'a Bare,
    attribute: Attribute,
}

/// What does not compile in a crate that only depends on what the attribute is from.
#[derive(Default)]
struct LeftOut {
    functions: BTreeSet<Id>,
    /// Whole files of tests, where it is not in a function.
    files: BTreeSet<PathBuf>,
}

impl LeftOut {
    fn has(&self, id: &Id) -> bool {
        self.functions.contains(id) || self.files.contains(&id.file)
    }
}

impl Trial<'_> {
    /// The attribute on the functions `on`.
    fn with(&self, on: &BTreeSet<Id>, left_out: &LeftOut) -> anyhow::Result<(Copy, Built)> {
        self.changed(self.attribute.text(), on, left_out, &BTreeSet::new())
    }

    /// No attribute at all, but the dependency named in every target: what does not compile any more, and the tests
    /// that are left. The implementations that come with a dependency may make a type ambiguous that had been
    /// inferred; that is no attribute's doing.
    fn depending(&self) -> anyhow::Result<(LeftOut, BTreeSet<String>)> {
        let mut left_out = LeftOut::default();
        loop {
            let on = &self.bare.functions;
            let (copy, built) = self.changed(MARK, on, &left_out, &self.bare.roots)?;
            if built.succeeded {
                let passed = self.rack.passed(&self.build, &copy, &built)?;
                return Ok((left_out, passed));
            }
            let surely = blame(&copy, &built.errors).surely;
            if !surely.is_empty() {
                left_out.functions.extend(surely);
                continue;
            }
            let before = left_out.files.len();
            let spans = built.errors.iter().flat_map(|error| &error.spans);
            let files = spans.map(|span| PathBuf::from(&span.file_name));
            let is_test =
                |file: &PathBuf| file.starts_with("tests") && self.bare.roots.contains(file);
            left_out.files.extend(files.filter(is_test));
            if left_out.files.len() == before {
                bail!(
                    "{} does not build with {}:\n{}",
                    self.folder.display(),
                    self.attribute.name(),
                    built.errors.first().map(rendered).unwrap_or_default()
                );
            }
        }
    }

    /// Leaves in `on` what compiles, and says of the others why they do not.
    fn remove_broken(
        &self,
        on: &mut BTreeSet<Id>,
        left_out: &LeftOut,
    ) -> anyhow::Result<BTreeMap<Id, String>> {
        let mut why: BTreeMap<Id, String> = BTreeMap::new();
        let mut doubtful = BTreeSet::new();
        loop {
            let (copy, built) = self.with(on, left_out)?;
            if built.succeeded {
                break;
            }
            let mut blamed = BTreeSet::new();
            for error in &built.errors {
                let Blamed { surely, perhaps } = blame(&copy, std::slice::from_ref(error));
                for id in surely.iter().chain(&perhaps) {
                    why.entry(id.clone()).or_insert_with(|| rendered(error));
                }
                blamed.extend(surely);
                doubtful.extend(perhaps.iter().cloned());
                blamed.extend(perhaps);
            }
            let before = on.len();
            on.retain(|id| !blamed.contains(id));
            if on.len() == before {
                bail!(
                    "{} does not build, and none of its functions is to blame",
                    self.folder.display()
                );
            }
        }
        // What was only mentioned in an error may be innocent.
        let mut parts = vec![doubtful];
        while let Some(part) = parts.pop() {
            if part.is_subset(on) {
                continue;
            }
            let more: BTreeSet<Id> = on.union(&part).cloned().collect();
            if self.with(&more, left_out)?.1.succeeded {
                *on = more;
            } else if part.len() > 1 {
                let half: BTreeSet<Id> = part.iter().take(part.len() / 2).cloned().collect();
                parts.push(part.difference(&half).cloned().collect());
                parts.push(half);
            }
        }
        Ok(why)
    }

    fn changed(
        &self,
        text: &str,
        on: &BTreeSet<Id>,
        left_out: &LeftOut,
        named_in: &BTreeSet<PathBuf>,
    ) -> anyhow::Result<(Copy, Built)> {
        let changes = Changes {
            text,
            on,
            without: &left_out.functions,
            emptied: &left_out.files,
            dependency: Some((self.attribute, &self.rack.workspace)),
            named_in,
        };
        let copy = self.rack.copy(&self.bare.sources, self.folder, &changes)?;
        let built = self.build.run(&copy.folder)?;
        Ok((copy, built))
    }
}

fn is_mark(warning: &Diagnostic) -> bool {
    warning.message.contains("`rollout_torture`")
}

/// Warnings by what they say, and how often.
fn warnings(built: &Built) -> BTreeMap<String, usize> {
    let mut warnings = BTreeMap::new();
    for warning in &built.warnings {
        // What has no code is a summary, `3 warnings emitted`.
        if let Some(code) = &warning.code
            && !is_mark(warning)
        {
            let place = warning
                .spans
                .first()
                .map(|span| format!("{}:{}", span.file_name, span.line_start))
                .unwrap_or_default();
            let text = format!("{place} {}: {}", code.code, warning.message);
            *warnings.entry(text).or_default() += 1;
        }
    }
    warnings
}

fn rendered(error: &Diagnostic) -> String {
    let text = error.rendered.as_deref().unwrap_or(&error.message);
    text.trim_end().to_owned()
}
