//! Words as HTML: the start of them, and where the rest is.

use askama::{Template, filters::HtmlSafe};

use crate::present;

/// Characters of a text that are seen before it is unfolded.
pub(super) const SEEN: usize = 6_000;
/// Characters of a text that a page holds; the API has all of it.
const HELD: usize = 60_000;
/// Characters of a text that a piece brings, asked for by itself.
const PIECE: usize = 200_000;
/// Characters of all texts that one value shows.
const SHOWN: usize = 400_000;
/// Characters of a text that are seen even where there is room for no more.
const LEAST: usize = 200;
/// Nodes of one JSON tree.
const NODES: usize = 3_000;

/// What one value may still take of a page.
pub(super) struct Budget {
    pub(super) nodes: usize,
    chars: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            nodes: NODES,
            chars: SHOWN,
        }
    }
}

/// Words, the rest of long ones folded.
#[derive(Template)]
#[template(path = "text.html")]
pub(super) struct TextView {
    head: String,
    rest: Option<(String, String)>,
    cut: Option<Cut>,
}

// Askama has escaped what it prints.
impl HtmlSafe for TextView {}

/// What a page leaves out, and where it is.
pub(super) struct Cut {
    pub(super) words: String,
    pub(super) href: Option<String>,
}

impl TextView {
    /// Words by themselves.
    pub(super) fn of(text: &str) -> Self {
        Self::within(text, &mut Budget::default(), None)
    }

    /// Words of a value that has others; `more` is where the rest is, but for the byte from which on.
    pub(super) fn within(text: &str, budget: &mut Budget, more: Option<&str>) -> Self {
        let held = boundary(text, HELD.min(budget.chars.max(LEAST)));
        budget.chars = budget.chars.saturating_sub(held);
        let seen = boundary(&text[..held], SEEN);
        let rest = &text[seen..held];
        Self {
            head: text[..seen].to_owned(),
            rest: (!rest.is_empty()).then(|| {
                let size = present::bytes(rest.len() as u64);
                (format!("{size} more"), rest.to_owned())
            }),
            cut: Self::cut(text, held, more),
        }
    }

    /// A piece of a long text, from a byte on.
    pub(super) fn piece(text: &str, from: usize, more: &str) -> Self {
        let mut from = from.min(text.len());
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let end = from + boundary(&text[from..], PIECE);
        Self {
            head: text[from..end].to_owned(),
            rest: None,
            cut: Self::cut(text, end, Some(more)),
        }
    }

    fn cut(text: &str, held: usize, more: Option<&str>) -> Option<Cut> {
        (held < text.len()).then(|| Cut {
            words: format!(
                "… and {} that this page leaves out; Copy takes all",
                present::bytes((text.len() - held) as u64)
            ),
            href: more.map(|more| format!("{more}&from={held}")),
        })
    }
}

/// The byte before which at most `chars` characters stand.
fn boundary(text: &str, chars: usize) -> usize {
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(at, _)| at)
}

/// The first characters of a text, with a mark where there are more.
pub(super) fn short(text: &str, chars: usize) -> String {
    let end = boundary(text, chars);
    if end == text.len() {
        text.to_owned()
    } else {
        format!("{}…", &text[..end])
    }
}
