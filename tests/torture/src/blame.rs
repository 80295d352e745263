//! From an error of the compiler to the functions whose attribute it may be about.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan};

use crate::copy::{Copy, Id};

/// Which functions lose their attribute for an error.
#[derive(Default)]
pub(crate) struct Blamed {
    /// The error lies in this function.
    pub(crate) surely: BTreeSet<Id>,
    /// The error only mentions it, or no function at all.
    pub(crate) perhaps: BTreeSet<Id>,
}

/// Looks for the functions that `errors` are about.
pub(crate) fn blame(copy: &Copy, errors: &[Diagnostic]) -> Blamed {
    let mut blamed = Blamed::default();
    for error in errors {
        let primary = |span: &&DiagnosticSpan| span.is_primary;
        let surely: BTreeSet<Id> = error
            .spans
            .iter()
            .filter(primary)
            .filter_map(|span| function(copy, span))
            .collect();
        if !surely.is_empty() {
            blamed.surely.extend(surely);
            continue;
        }
        let mut spans: Vec<&DiagnosticSpan> = error.spans.iter().collect();
        spans.extend(error.children.iter().flat_map(|child| &child.spans));
        let mentioned: BTreeSet<Id> = spans
            .iter()
            .filter_map(|span| function(copy, span))
            .collect();
        blamed.perhaps.extend(mentioned);
    }
    if blamed.surely.is_empty() && blamed.perhaps.is_empty() {
        let files: BTreeSet<PathBuf> = errors
            .iter()
            .flat_map(|error| &error.spans)
            .map(|span| file(copy, span))
            .collect();
        let all = || copy.placed.iter().map(|placed| placed.id.clone());
        blamed.perhaps = all().filter(|id| files.contains(&id.file)).collect();
        if blamed.perhaps.is_empty() {
            blamed.perhaps = all().collect();
        }
    }
    let surely = &blamed.surely;
    blamed.perhaps.retain(|id| !surely.contains(id));
    blamed
}

/// The function around a span, or around the macro that it came out of.
fn function(copy: &Copy, span: &DiagnosticSpan) -> Option<Id> {
    let placed = copy.around(&file(copy, span), span.byte_start as usize);
    match (&span.expansion, placed) {
        (_, Some(placed)) => Some(placed.id.clone()),
        (Some(expansion), None) => function(copy, &expansion.span),
        (None, None) => None,
    }
}

fn file(copy: &Copy, span: &DiagnosticSpan) -> PathBuf {
    let path = Path::new(&span.file_name);
    path.strip_prefix(&copy.folder).unwrap_or(path).to_owned()
}
