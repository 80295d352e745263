//! `rollout ls`: the traces of a directory.

use std::io::Write;

use jiff::Timestamp;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    query::{Filter, FilterError, MAX_TRACES, TracePage, TraceQuery},
    terminal,
};

/// List traces, the newest first
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Ls {
    /// What they must have, such as status:error user:cus_1 refund
    filter: Vec<String>,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    limit: u64,
    /// Print the query API's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Ls {
    /// Runs the command. `width` is that of the terminal; `say` takes what is no data.
    pub(super) fn run(
        &self,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
    ) -> Result<(), Failure> {
        let mut query = TraceQuery {
            filter: filter(&self.filter)?,
            ..TraceQuery::default()
        };
        let local = Local::open(&self.place)?;
        let mut found = TracePage::default();
        while (found.traces.len() as u64) < self.limit {
            query.limit = (self.limit - found.traces.len() as u64).min(MAX_TRACES);
            let page = local.store.traces(&query)?;
            found.traces.extend(page.traces);
            found.next_cursor.clone_from(&page.next_cursor);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &found)?;
            writeln!(out)?;
            return Ok(());
        }
        if found.traces.is_empty() {
            let dir = local.place();
            if self.filter.is_empty() {
                writeln!(say, "no trace is recorded in {dir} yet")?;
            } else {
                writeln!(say, "no trace in {dir} has that")?;
            }
            return Ok(());
        }
        terminal::write_list(out, &found.traces, Timestamp::now(), width)?;
        if found.next_cursor.is_some() {
            writeln!(say, "there are more: --limit N lists N")?;
        }
        Ok(())
    }
}

/// The filter that stands on a command line.
pub(super) fn filter(words: &[String]) -> Result<Filter, Failure> {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    let text = words.join(" ");
    text.parse().map_err(|error: FilterError| {
        Failure::told(format!("{error}\n\n{}", indented(&error.under(&text))))
    })
}

fn indented(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A word of the command line as the filter's language writes it: the shell has taken the
/// quotes.
fn quoted(word: &str) -> String {
    if !word.contains(char::is_whitespace) || word.contains('"') {
        return word.to_owned();
    }
    let (minus, rest) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word),
    };
    let end = rest.find(|c: char| c.is_whitespace() || ":<>=".contains(c));
    let end = end.unwrap_or(rest.len());
    let values = rest[end..].trim_start_matches([':', '<', '>', '=']);
    let name = &rest[..rest.len() - values.len()];
    if end == 0 || name.len() == end {
        return format!("{minus}\"{rest}\"");
    }
    let values = values.split(',').map(|value| {
        if value.contains(char::is_whitespace) {
            format!("\"{value}\"")
        } else {
            value.to_owned()
        }
    });
    format!("{minus}{name}{}", values.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_of_a_shell() {
        for (word, written) in [
            ("refund", "refund"),
            ("a refund", "\"a refund\""),
            ("-a refund", "-\"a refund\""),
            ("name:support agent", "name:\"support agent\""),
            ("-name:support agent", "-name:\"support agent\""),
            ("tag:a b,c,d e", "tag:\"a b\",c,\"d e\""),
            ("name:\"support agent\"", "name:\"support agent\""),
            ("cost>0.05", "cost>0.05"),
            ("a -> b", "\"a -> b\""),
            (": it", "\": it\""),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
