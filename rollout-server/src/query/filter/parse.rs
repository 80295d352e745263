//! From text to a filter.

use std::{ops::Range, str::FromStr};

use super::{
    Comparison, Filter, FilterError, FilterProblem, Measure, Pattern, Term, Test, number, words,
};

impl FromStr for Filter {
    type Err = FilterError;

    /// Reads a filter. An empty text is one that every trace passes.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut reader = Reader { text, at: 0 };
        let mut terms = Vec::new();
        while reader.skip_blanks() {
            terms.push(reader.term()?);
        }
        Ok(Self { terms })
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A value as it was written.
struct Value {
    text: String,
    quoted: bool,
    at: Range<usize>,
}

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Equal),
];

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether anything comes after the blanks.
    fn skip_blanks(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at < self.text.len()
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let there = self.rest().starts_with(symbol);
        if there {
            self.at += symbol.len();
        }
        there
    }

    fn error<T>(&self, problem: FilterProblem, from: usize) -> Result<T, FilterError> {
        Err(FilterError {
            problem,
            at: from..self.at,
        })
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        // A minus alone is text.
        let negates = self.rest().strip_prefix('-');
        let negated = negates.is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        if negated {
            self.at += 1;
        }
        Ok(Term {
            negated,
            test: self.test()?,
        })
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        let from = self.at;
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || "\":<>=".contains(c))
            .unwrap_or(rest.len());
        let name = &rest[..end];
        // A name that the program has chosen may be written with anything.
        let chosen = name.starts_with("meta.") || name.starts_with("score.");
        let is_word = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "._-".contains(c));
        if chosen || is_word {
            self.at += end;
            if self.eat(":") {
                return self.condition(name, from);
            }
            for (symbol, comparison) in COMPARISONS {
                if self.eat(symbol) {
                    return self.comparison(name, comparison, from);
                }
            }
            self.at = from;
        }
        Ok(Test::Contains(self.value(false)?.text))
    }

    fn condition(&mut self, name: &str, from: usize) -> Result<Test, FilterError> {
        let named = from..from + name.len();
        let unknown = |problem| {
            Err(FilterError {
                problem,
                at: named.clone(),
            })
        };
        if let "since" | "until" = name {
            let value = self.value(false)?;
            let Some(moment) = number::moment(&value.text) else {
                let problem = if value.text.is_empty() {
                    FilterProblem::NoValue(name.to_owned())
                } else {
                    FilterProblem::NotAMoment(value.text)
                };
                return Err(FilterError {
                    problem,
                    at: value.at,
                });
            };
            return Ok(match name {
                "since" => Test::Since(moment),
                _ => Test::Until(moment),
            });
        }
        let Some(key) = words::key(name) else {
            return unknown(match words::measure(name) {
                Some(_) => FilterProblem::NotCompared(name.to_owned()),
                None => FilterProblem::UnknownKey(name.to_owned()),
            });
        };
        let mut any_of = Vec::new();
        loop {
            let value = self.value(true)?;
            if value.text.is_empty() {
                return self.error(FilterProblem::NoValue(name.to_owned()), from);
            }
            any_of.push(pattern(value));
            if !self.eat(",") {
                return Ok(Test::Is(key, any_of));
            }
        }
    }

    fn comparison(
        &mut self,
        name: &str,
        comparison: Comparison,
        from: usize,
    ) -> Result<Test, FilterError> {
        let named = from..from + name.len();
        let Some(measure) = words::measure(name) else {
            let problem = match words::key(name) {
                Some(_) => FilterProblem::NotMeasured(name.to_owned()),
                None => FilterProblem::UnknownMeasure(name.to_owned()),
            };
            return Err(FilterError { problem, at: named });
        };
        let value = self.value(false)?;
        let number = match measure {
            Measure::Duration => number::milliseconds(&value.text),
            _ => number::count(&value.text),
        };
        let Some(number) = number else {
            let problem = match measure {
                _ if value.text.is_empty() => FilterProblem::NoValue(name.to_owned()),
                Measure::Duration => FilterProblem::NotADuration(value.text),
                _ => FilterProblem::NotANumber(value.text),
            };
            return Err(FilterError {
                problem,
                at: value.at,
            });
        };
        Ok(Test::Measures(measure, comparison, number))
    }

    /// A word, or what stands in quotes; one of a list ends at a comma.
    fn value(&mut self, listed: bool) -> Result<Value, FilterError> {
        let from = self.at;
        if self.eat("\"") {
            let Some(length) = closing_quote(self.rest()) else {
                self.at = self.text.len();
                return self.error(FilterProblem::OpenQuote, from);
            };
            let text = unescaped(&self.rest()[..length]);
            self.at += length + 1;
            let next = self.rest().chars().next();
            if next.is_some_and(|c| !(c.is_whitespace() || listed && c == ',')) {
                let from = self.at;
                self.at += next.map_or(0, char::len_utf8);
                return self.error(FilterProblem::AfterQuote, from);
            }
            return Ok(Value {
                text,
                quoted: true,
                at: from..self.at,
            });
        }
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || (listed && c == ','))
            .unwrap_or(rest.len());
        self.at += end;
        Ok(Value {
            text: rest[..end].to_owned(),
            quoted: false,
            at: from..self.at,
        })
    }
}

/// Where the quote stands that closes what was opened before `text`.
pub(super) fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// What is meant by what stands in quotes: a backslash before a quote, or before a backslash, goes.
pub(crate) fn unescaped(text: &str) -> String {
    let mut meant = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        meant.push_str(&rest[..at]);
        rest = &rest[at..];
        let kept = usize::from(rest.starts_with("\\\\") || rest.starts_with("\\\""));
        let next = rest[kept..].chars().next().map_or(0, char::len_utf8);
        meant.push_str(&rest[kept..kept + next]);
        rest = &rest[kept + next..];
    }
    meant.push_str(rest);
    meant
}

/// A star in a word stands for anything; in quotes it is a star.
fn pattern(value: Value) -> Pattern {
    if value.quoted || !value.text.contains('*') {
        return Pattern::Exactly(value.text);
    }
    Pattern::Wildcard(value.text.split('*').map(str::to_owned).collect())
}
