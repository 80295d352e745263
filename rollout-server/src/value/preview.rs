//! A value in one short line.

use super::{Chat, Json, Part};

/// The gist of a JSON value in at most `limit` characters and one line: a text's words, a
/// conversation's last words, an object's members; cut with `…`.
pub fn preview(text: &str, limit: usize) -> String {
    let mut line = Line {
        text: String::new(),
        left: limit,
    };
    if let Some(chat) = Chat::read(text) {
        line.chat(&chat);
    } else {
        match Json::read(text) {
            // The one argument of a function says all; its name would only take room.
            Json::Object(members) if members.len() == 1 => {
                for (_, value) in members {
                    line.value(value.get(), 0);
                }
            }
            _ => line.value(text, 0),
        }
    }
    line.text.truncate(line.text.trim_end().len());
    line.text
}

/// The text that a stream's items make together; `None` unless all of them are text.
pub fn streamed(items: &str) -> Option<String> {
    let Json::List(items) = Json::read(items) else {
        return None;
    };
    let texts: Option<Vec<_>> = items
        .iter()
        .map(|item| match Json::read(item.get()) {
            Json::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    texts
        .map(|texts| texts.concat())
        .filter(|text| !text.is_empty())
}

struct Line {
    text: String,
    left: usize,
}

impl Line {
    /// Adds words with their blanks and line breaks folded; what hides or turns text, and
    /// control characters, become blanks.
    fn push(&mut self, words: &str) {
        for c in words.chars() {
            if self.left == 0 {
                return;
            }
            let blank = c.is_whitespace() || c.is_control();
            if blank && (self.text.is_empty() || self.text.ends_with(' ')) {
                continue;
            }
            self.left -= 1;
            if self.left == 0 {
                self.text.push('…');
            } else {
                self.text.push(if blank { ' ' } else { c });
            }
        }
    }

    fn chat(&mut self, chat: &Chat) {
        let Some(turn) = chat.turns.last() else {
            return;
        };
        for part in &turn.parts {
            match part {
                Part::Text(text) => self.push(text),
                Part::Call {
                    name, arguments, ..
                } => {
                    self.push(name);
                    self.push("(");
                    self.members(arguments);
                    self.push(")");
                }
                Part::Reasoning(_) => continue,
                Part::Other(json) => self.value(json, 1),
            }
            self.push(" ");
        }
    }

    fn members(&mut self, json: &str) {
        match Json::read(json) {
            Json::Object(members) => {
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        self.push(", ");
                    }
                    self.push(name);
                    self.push(": ");
                    self.value(value.get(), 1);
                }
            }
            _ => self.push(json),
        }
    }

    fn value(&mut self, json: &str, depth: u32) {
        if self.left == 0 {
            return;
        }
        match Json::read(json) {
            Json::Text(text) => self.push(&text),
            Json::Literal(text) | Json::Unreadable(text) => self.push(text),
            Json::List(items) if depth < 4 => {
                self.push("[");
                for (at, item) in items.iter().enumerate() {
                    if self.left == 0 {
                        return;
                    }
                    if at > 0 {
                        self.push(", ");
                    }
                    self.value(item.get(), depth + 1);
                }
                self.push("]");
            }
            Json::Object(members) if depth < 4 => {
                if depth > 0 {
                    self.push("{");
                }
                for (at, (name, value)) in members.iter().enumerate() {
                    if self.left == 0 {
                        return;
                    }
                    if at > 0 {
                        self.push(", ");
                    }
                    self.push(name);
                    self.push(": ");
                    self.value(value.get(), depth + 1);
                }
                if depth > 0 {
                    self.push("}");
                }
            }
            Json::List(_) | Json::Object(_) => self.push(json),
        }
    }
}
