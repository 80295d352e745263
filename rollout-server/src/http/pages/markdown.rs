//! Markdown of a model's as HTML that does nothing: no markup of its own, no images, links that tell nobody who came.

use std::fmt;

use askama::filters::HtmlSafe;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Rendered Markdown.
pub(super) struct Markdown(String);

// Only elements of ours are in it: see `Tame`.
impl HtmlSafe for Markdown {}

impl fmt::Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Markdown {
    /// Renders a text.
    pub(super) fn of(text: &str) -> Self {
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        let mut tame = Tame::default();
        let events = Parser::new_ext(text, options).flat_map(|event| tame.event(event));
        let mut out = String::with_capacity(text.len() * 3 / 2);
        html::push_html(&mut out, events);
        Self(out)
    }
}

/// Makes the events of a parser harmless.
#[derive(Default)]
struct Tame {
    /// Of each link or image that is open: what ends it.
    open: Vec<String>,
}

impl Tame {
    fn event<'e>(&mut self, event: Event<'e>) -> Vec<Event<'e>> {
        vec![match event {
            Event::Html(markup) | Event::InlineHtml(markup) => Event::Text(markup),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
                level: below(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
            // An alignment would be a style in the markup, which the page's policy forbids.
            Event::Start(Tag::Table(columns)) => {
                let columns = columns.iter().map(|_| pulldown_cmark::Alignment::None);
                Event::Start(Tag::Table(columns.collect()))
            }
            Event::Start(Tag::Link { dest_url, .. }) => return self.start(&dest_url, ""),
            Event::Start(Tag::Image { dest_url, .. }) => return self.start(&dest_url, "image: "),
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let end = self.open.pop().unwrap_or_default();
                Event::InlineHtml(end.into())
            }
            other => other,
        }]
    }

    fn start<'e>(&mut self, to: &CowStr<'e>, before: &'static str) -> Vec<Event<'e>> {
        let lower = to.trim_start().to_ascii_lowercase();
        let leads = ["http://", "https://", "mailto:"]
            .iter()
            .any(|scheme| lower.starts_with(scheme));
        let start = if leads {
            self.open.push("</a>".to_owned());
            format!(
                "<a href=\"{}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">",
                escaped(to)
            )
        } else {
            // Where it would have led is said, not gone to.
            let short: String = to.chars().take(200).collect();
            self.open.push(format!(" ({})", escaped(&short)));
            String::new()
        };
        vec![Event::InlineHtml(start.into()), Event::Text(before.into())]
    }
}

/// The page has headings of its own, above those of what it shows.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H4,
        HeadingLevel::H2 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::Markdown;

    fn html(text: &str) -> String {
        Markdown::of(text).to_string()
    }

    #[test]
    fn markup_stays_text() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick=alert(1)>\n\nx\n\n</div>",
            "```<img src=x>\n<script>\n```",
            "| a |\n|:-:|\n| <b onclick=x> |",
            "# <img src=x> {#id .class onclick=x}",
            "[<img src=x>](https://x.y/\"onclick=\"x)",
            "![\"><img src=x>](https://x.y/a.png)",
        ] {
            let html = html(text);
            for bad in [
                "<script",
                "<img",
                "<div",
                "<b ",
                "style=",
                " onclick=\"",
                "id=\"",
            ] {
                assert!(!html.contains(bad), "{bad} is in {html}");
            }
        }
    }

    #[test]
    fn links_lead_away_and_nowhere_else() {
        let link = html("[here](https://example.com/?a=1&b=2)");
        assert!(
            link.contains("href=\"https://example.com/?a=1&amp;b=2\""),
            "{link}"
        );
        assert!(
            link.contains("rel=\"noopener noreferrer nofollow\""),
            "{link}"
        );
        for text in [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,hi)",
            "[x](/api/v1/traces)",
            "<javascript:alert(1)>",
            "![x](data:image/png;base64,AAAA)",
        ] {
            assert!(!html(text).contains("<a"), "{}", html(text));
        }
        assert!(html("![cat](https://x.y/cat.png)").contains("image: cat</a>"));
    }

    #[test]
    fn it_reads_as_markdown() {
        let text = "# Title\n\n- one\n- **two**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n`x < y`";
        let html = html(text);
        for part in [
            "<h4>Title</h4>",
            "<strong>two</strong>",
            "<td>2</td>",
            "x &lt; y",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
