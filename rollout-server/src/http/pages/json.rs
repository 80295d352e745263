//! A captured value as a tree that folds.

use askama::{Template, filters::HtmlSafe};

use super::{
    facts,
    text::{Budget, Cut, SEEN, TextView, short},
};
use crate::value::Json;

/// Levels of one JSON tree.
const LEVELS: usize = 100;

/// One node of a JSON tree.
#[derive(Template)]
#[template(path = "json.html")]
pub(super) enum JsonView {
    Text(TextView),
    Literal(String),
    Cut(Cut),
    List {
        /// The name under which it stands in an object.
        key: Option<String>,
        open: bool,
        size: usize,
        /// The index of the first item.
        from: usize,
        items: Vec<JsonView>,
        more: Option<Cut>,
    },
    Object {
        key: Option<String>,
        open: bool,
        size: usize,
        members: Vec<Member>,
        more: Option<Cut>,
    },
}

// Askama has escaped what it prints.
impl HtmlSafe for JsonView {}

/// A member of an object.
pub(super) struct Member {
    name: String,
    /// Whether the value says its name itself, since it unfolds.
    told: bool,
    value: JsonView,
}

/// Makes trees out of one value.
struct Grower<'a> {
    budget: &'a mut Budget,
    /// Where pieces of the value are, if anywhere.
    source: Option<&'a str>,
    /// The way to the node, a pointer as RFC 6901 has it.
    path: String,
}

impl JsonView {
    /// The tree of `text`, one JSON value.
    pub(super) fn of(text: &str) -> Self {
        Self::within(text, &mut Budget::default(), None)
    }

    /// The same, of a value that shows other things too; `source` is where pieces of it are.
    pub(super) fn within(text: &str, budget: &mut Budget, source: Option<&str>) -> Self {
        Grower {
            budget,
            source,
            path: String::new(),
        }
        .node(text, 0, 0)
    }

    /// The node to which `path` leads, from its item of that index on.
    pub(super) fn piece(text: &str, path: &str, from: usize, source: &str) -> Option<Self> {
        let node = at(text, path)?;
        let mut grower = Grower {
            budget: &mut Budget::default(),
            source: Some(source),
            path: path.to_owned(),
        };
        Some(grower.node(node, 0, from))
    }

    /// Some members as an object of their own.
    pub(super) fn members(members: &[(String, String)], budget: &mut Budget) -> Self {
        let mut grower = Grower {
            budget,
            source: None,
            path: String::new(),
        };
        Self::Object {
            key: None,
            open: true,
            size: members.len(),
            members: members
                .iter()
                .map(|(name, value)| grower.node(value, 1, 0).named(name))
                .collect(),
            more: None,
        }
    }

    /// A member of an object under its name.
    fn named(mut self, name: &str) -> Member {
        let name = short(name, SEEN);
        let told = match &mut self {
            Self::List { key, size, .. } | Self::Object { key, size, .. } if *size > 0 => {
                *key = Some(name.clone());
                true
            }
            _ => false,
        };
        Member {
            name,
            told,
            value: self,
        }
    }
}

impl Grower<'_> {
    fn node(&mut self, text: &str, level: usize, from: usize) -> JsonView {
        self.budget.nodes = self.budget.nodes.saturating_sub(1);
        match Json::read(text) {
            Json::Text(text) => {
                let more = self.href("text");
                JsonView::Text(TextView::within(&text, self.budget, more.as_deref()))
            }
            Json::Literal(text) | Json::Unreadable(text) => JsonView::Literal(short(text, SEEN)),
            Json::List(_) | Json::Object(_) if level >= LEVELS => JsonView::Cut(Cut {
                words: "deeper levels are not shown; Copy takes all".to_owned(),
                href: self.href("json"),
            }),
            Json::List(list) => {
                let (mut items, mut more) = (Vec::new(), None);
                for (index, item) in list.iter().enumerate().skip(from) {
                    if self.budget.nodes == 0 {
                        more = Some(self.cut(index, list.len()));
                        break;
                    }
                    items.push(self.below(&index.to_string(), item.get(), level));
                }
                JsonView::List {
                    key: None,
                    open: open(level, list.len()),
                    size: list.len(),
                    from,
                    items,
                    more,
                }
            }
            Json::Object(object) => {
                let (mut members, mut more) = (Vec::new(), None);
                for (index, (name, value)) in object.iter().enumerate().skip(from) {
                    if self.budget.nodes == 0 {
                        more = Some(self.cut(index, object.len()));
                        break;
                    }
                    members.push(self.below(name, value.get(), level).named(name));
                }
                JsonView::Object {
                    key: None,
                    open: open(level, object.len()),
                    size: object.len(),
                    members,
                    more,
                }
            }
        }
    }

    fn below(&mut self, name: &str, text: &str, level: usize) -> JsonView {
        let length = self.path.len();
        self.path.push('/');
        self.path
            .push_str(&name.replace('~', "~0").replace('/', "~1"));
        let node = self.node(text, level + 1, 0);
        self.path.truncate(length);
        node
    }

    fn cut(&self, index: usize, size: usize) -> Cut {
        Cut {
            words: format!("{} more are not shown; Copy takes all", size - index),
            href: self.href("json").map(|href| format!("{href}&from={index}")),
        }
    }

    fn href(&self, form: &str) -> Option<String> {
        let path = facts::encoded(&self.path);
        self.source
            .map(|source| format!("{source}&as={form}&at={path}"))
    }
}

/// The value to which a pointer of RFC 6901 leads; the last of several members of one name.
pub(super) fn at<'t>(text: &'t str, path: &str) -> Option<&'t str> {
    let mut node = text;
    for step in path.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        node = match Json::read(node) {
            Json::List(items) => items.get(step.parse::<usize>().ok()?)?.get(),
            object => object.raw(&step)?,
        };
    }
    Some(node)
}

/// Whether a node starts unfolded: the upper levels, unless they are long.
fn open(level: usize, size: usize) -> bool {
    level == 0 || (level < 4 && size <= 30)
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn pointers_lead_to_what_they_name() {
        let value = r#"{"a/b":[1,{"~":"x"}],"a":{"a":2}}"#;
        assert_eq!(at(value, ""), Some(value));
        assert_eq!(at(value, "/a~1b/1/~0"), Some("\"x\""));
        assert_eq!(at(value, "/a/a"), Some("2"));
        for nowhere in ["/b", "/a~1b/2", "/a~1b/x", "/a/a/a"] {
            assert_eq!(at(value, nowhere), None, "{nowhere}");
        }
    }
}
