//! Puts an attribute on every function of published crates that has a body and is not `const`, then builds them and
//! runs their own tests: whatever compiles without the attribute has to compile with it, and to mean the same.
//!
//! ```text
//! cargo run -p rollout-torture -- --small                        # what every change has to pass
//! cargo run -p rollout-torture -- --attribute all --doc          # everything, beside the peers
//! cargo run -p rollout-torture -- --crate petgraph --crate nom
//! ```
//!
//! The crates are downloaded by cargo, copied into `target/torture` and annotated there as text, so that nothing else
//! of them changes; nobody calls `init`, as in the tests of a program that is traced. Functions in the braces of a
//! macro are left as they are and counted. Of crates that are `no_std`, the copy links the standard library, because
//! the runtime does: their own code still compiles without its prelude.

mod attribute;
mod blame;
mod build;
mod copy;
mod functions;
mod registry;
mod set;
mod suite;
mod table;
mod torture;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};

use crate::attribute::Attribute;
use crate::set::{Published, SET};
use crate::table::Table;
use crate::torture::{Outcome, Rack};

/// Put an attribute on every function of published crates and run their own tests.
#[derive(Parser)]
struct Arguments {
    /// Only the few crates that every change is tested with
    #[arg(long)]
    small: bool,
    /// Only this crate of the set
    #[arg(long = "crate", value_name = "NAME")]
    crates: Vec<String>,
    /// Whose attribute
    #[arg(long, value_enum, default_value = "rollout")]
    attribute: Which,
    /// Run the examples in the documentation, too
    #[arg(long)]
    doc: bool,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
    /// Where the copies are built
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Rollout,
    Tracing,
    Fastrace,
    All,
}

impl Which {
    fn attributes(self) -> Vec<Attribute> {
        match self {
            Which::Rollout => vec![Attribute::Rollout],
            Which::Tracing => vec![Attribute::Tracing],
            Which::Fastrace => vec![Attribute::Fastrace],
            Which::All => Attribute::ALL.to_vec(),
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let attributes = arguments.attribute.attributes();
    let crates = chosen(&arguments)?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let folder = arguments
        .folder
        .unwrap_or_else(|| workspace.join("target/torture"));
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let sources = registry::sources(&folder.join("scratch"), &crates)?;
    let rack = Rack {
        workspace,
        folder,
        documentation: arguments.doc,
    };
    let mut table = Table::default();
    let mut heading = vec![
        "crate",
        "style",
        "functions",
        "in macros",
        "elsewhere",
        "tests",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    for attribute in &attributes {
        let name = attribute.name();
        heading.extend([
            format!("{name}: dependency"),
            "compile".into(),
            "pass".into(),
            "warnings".into(),
        ]);
    }
    table.row(heading);
    let mut sum = Sum::new(attributes.len());
    let mut whole = true;
    for (published, source) in crates.iter().zip(&sources) {
        anstream::eprintln!("{} {}", published.name, published.version);
        let bare = rack.bare(published, source)?;
        let (functions, tests) = (bare.functions(), bare.tests());
        sum.functions += functions;
        sum.tests += tests;
        let mut row = vec![
            format!("{} {}", published.name, published.version),
            published.style.to_owned(),
            functions.to_string(),
            bare.in_macros.to_string(),
            bare.elsewhere.to_string(),
            tests.to_string(),
        ];
        for (index, attribute) in attributes.iter().enumerate() {
            let outcome = rack.annotated(published, &bare, *attribute)?;
            say(*attribute, &outcome);
            let counts = Counts {
                refused: outcome.refused.len(),
                compiled: functions - outcome.refused.len() - outcome.broken.len(),
                gone: outcome.gone,
                passed: tests - outcome.gone - outcome.lost.len(),
                warnings: outcome.warnings.len(),
            };
            row.extend(counts.cells());
            sum.add(index, &counts);
            whole &= *attribute != Attribute::Rollout || outcome.is_whole();
        }
        table.row(row);
    }
    sum.into_rows(&mut table);
    let mut out = anstream::stdout().lock();
    if arguments.markdown {
        table.print_markdown(&mut out)?;
    } else {
        table.print(&mut out)?;
    }
    out.flush()?;
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<Published>> {
    if let Some(name) = arguments
        .crates
        .iter()
        .find(|name| SET.iter().all(|published| published.name != *name))
    {
        let known: Vec<&str> = SET.iter().map(|published| published.name).collect();
        bail!("{name} is not in the set: {}", known.join(", "));
    }
    let chosen = SET
        .iter()
        .filter(|published| !arguments.small || published.small)
        .filter(|published| {
            arguments.crates.is_empty()
                || arguments.crates.iter().any(|name| name == published.name)
        })
        .copied()
        .collect::<Vec<_>>();
    (!chosen.is_empty())
        .then_some(chosen)
        .context("no crate of the set is chosen")
}

/// What an attribute has broken, in full for ours.
fn say(attribute: Attribute, outcome: &Outcome) {
    let name = attribute.name();
    for function in &outcome.refused {
        anstream::eprintln!("  {name}: does not compile with the dependency alone: {function}");
    }
    for (function, why) in &outcome.broken {
        anstream::eprintln!("  {name}: does not compile: {function}");
        if attribute == Attribute::Rollout {
            anstream::eprintln!("{why}");
        }
    }
    for test in &outcome.lost {
        anstream::eprintln!("  {name}: does not pass: {test}");
    }
    for warning in &outcome.warnings {
        anstream::eprintln!("  {name}: warns: {warning}");
    }
}

/// What one attribute did to one crate, or to all.
#[derive(Clone, Default)]
struct Counts {
    /// Functions that the dependency alone breaks, and tests that are among them.
    refused: usize,
    gone: usize,
    compiled: usize,
    passed: usize,
    warnings: usize,
}

impl Counts {
    fn cells(&self) -> [String; 4] {
        [self.refused, self.compiled, self.passed, self.warnings].map(|count| count.to_string())
    }
}

/// The last two rows.
struct Sum {
    functions: usize,
    tests: usize,
    attributes: Vec<Counts>,
}

impl Sum {
    fn new(attributes: usize) -> Self {
        Self {
            functions: 0,
            tests: 0,
            attributes: vec![Counts::default(); attributes],
        }
    }

    fn add(&mut self, index: usize, counts: &Counts) {
        if let Some(sum) = self.attributes.get_mut(index) {
            sum.refused += counts.refused;
            sum.gone += counts.gone;
            sum.compiled += counts.compiled;
            sum.passed += counts.passed;
            sum.warnings += counts.warnings;
        }
    }

    fn into_rows(self, table: &mut Table) {
        let cells = |name: &str, functions: String, tests: String| {
            let (empty, name) = (String::new(), name.to_owned());
            vec![name, empty.clone(), functions, empty.clone(), empty, tests]
        };
        let mut row = cells("all", self.functions.to_string(), self.tests.to_string());
        let mut percent = cells("of them", String::new(), String::new());
        for counts in self.attributes {
            row.extend(counts.cells());
            percent.extend([
                String::new(),
                share(counts.compiled, self.functions - counts.refused),
                share(counts.passed, self.tests - counts.gone),
                String::new(),
            ]);
        }
        table.row(row);
        table.row(percent);
    }
}

/// Not rounded up to a hundred.
fn share(part: usize, whole: usize) -> String {
    let hundredths = (part * 10_000).checked_div(whole).unwrap_or(10_000);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}
