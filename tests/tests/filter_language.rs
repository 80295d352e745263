//! The language of filters: what is read, written, refused and completed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::convert::Infallible;

use proptest::prelude::*;
use rollout_server::query::{Filter, FilterError, KEYS, Key, MEASURES, ValueCount, complete};

#[test]
fn what_is_read_is_written_in_one_way() {
    for (text, written) in [
        ("", ""),
        ("  status:error  ", "status:error"),
        ("model:gpt-4.1*", "model:gpt-4.1*"),
        ("model:a,b,\"c d\"", "model:a,b,\"c d\""),
        ("-tag:a -refund", "-tag:a -\"refund\""),
        ("\"a refund\"", "\"a refund\""),
        (r#""a \"quoted\" word""#, r#""a \"quoted\" word""#),
        (r#""C:\dir" x"#, r#""C:\\dir" "x""#),
        (r#"name:"\\" name:"\"""#, r#"name:\ name:"\"""#),
        ("name:\"*\"", "name:\"*\""),
        ("cost>0.05", "cost>0.05"),
        ("tokens>=10k", "tokens>=10000"),
        ("tokens<2M", "tokens<2000000"),
        ("duration>1.5m", "duration>90000ms"),
        ("duration<=250us", "duration<=0.25ms"),
        ("score.exact=1", "score.exact=1"),
        ("meta.a.b:c", "meta.a.b:c"),
        ("meta.a/b:c", "meta.a/b:c"),
        ("since:2h until:90m", "since:2h until:90m"),
        ("since:7d", "since:7d"),
        ("since:24h", "since:1d"),
        ("since:1.5s", "since:1500ms"),
        ("since:2026-11-01", "since:2026-11-01"),
        (
            "until:2026-11-01T12:00:00+02:00",
            "until:2026-11-01T10:00:00Z",
        ),
        ("-", "\"-\""),
        ("退款", "\"退款\""),
        ("id:a:b", "id:a:b"),
    ] {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.to_string(), written, "{text}");
        assert_eq!(written.parse(), Ok(filter), "{text}");
    }
}

#[test]
fn what_cannot_be_read_says_where_and_what_to_do() {
    for (text, says, under) in [
        (
            "colour:red",
            "unknown filter key `colour`; keys are status,",
            "^^^^^^",
        ),
        (
            "x colour:red",
            "text with a colon stands in quotes",
            "  ^^^^^^",
        ),
        ("a->b", "text with a comparison stands in quotes", "^^"),
        (
            "price>5",
            "unknown measure `price`; measures are duration,",
            "^^^^^",
        ),
        ("cost:5", "`cost` is a number: write `cost>NUMBER`", "^^^^"),
        (
            "status>5",
            "`status` is no number: write `status:VALUE`",
            "^^^^^^",
        ),
        ("退款 status:", "`status` has no value", "   ^^^^^^^"),
        ("cost>", "`cost` has no value", "     ^"),
        (
            "cost>much",
            "`much` is no number: write one such as 12",
            "     ^^^^",
        ),
        ("cost>1e3", "`1e3` is no number", "     ^^^"),
        ("cost>inf", "`inf` is no number", "     ^^^"),
        (
            "duration>5",
            "`5` is no duration: write a number and its unit",
            "         ^",
        ),
        (
            "since:yesterday",
            "`yesterday` is no moment: write how long ago",
            "      ^^^^^^^^^",
        ),
        (
            "since:2026-11-01T12:00",
            "is no moment",
            "      ^^^^^^^^^^^^^^^^",
        ),
        (
            "name:\"open",
            "a quote in the filter is never closed",
            "     ^^^^^",
        ),
        ("\"a\"b", "missing after a closing quote", "   ^"),
        ("tag:a,,b", "`tag` has no value", "^^^^^^"),
    ] {
        let error = text.parse::<Filter>().unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert_eq!(error.under(text), format!("{text}\n{under}"));
    }
}

/// What must hold for any text.
fn check(text: &str) {
    match text.parse::<Filter>() {
        Ok(filter) => {
            let written = filter.to_string();
            assert_eq!(written.parse::<Filter>().as_ref(), Ok(&filter), "{written}");
            assert_eq!(written.parse::<Filter>().unwrap().to_string(), written);
        }
        Err(FilterError { at, .. }) => {
            assert!(at.start <= at.end && at.end <= text.len());
            assert!(text.is_char_boundary(at.start) && text.is_char_boundary(at.end));
        }
    }
    for (at, _) in text.char_indices() {
        let asked = complete(&text[..at], |_| {
            Ok::<_, Infallible>(vec![ValueCount {
                value: "a \"b".to_owned(),
                count: 1,
            }])
        });
        let Ok(completion) = asked;
        assert!(text[..at].ends_with(&completion.word));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        check(&text);
    }

    #[test]
    fn so_is_what_looks_like_a_filter(
        words in prop::collection::vec(
            "-?((status|tag|meta\\.[a-z]{1,3}|cost|duration|score\\.g|since|until|x)[:<>=]{0,2})?(\"[a-z\\\\\" *,]{0,4}\"?|[a-z0-9.*,\\\\-]{0,5}|[0-9]{1,3}(\\.[0-9])?(ms|s|h|d|k|M)?|20[0-9]{2}-1[0-2]-[0-2][0-9])",
            0..5,
        )
    ) {
        check(&words.join(" "));
    }
}

#[test]
fn completions() {
    let values = ["gpt-4.1", "gpt 5", "a,b", "*"];
    let asked = |before: &str| {
        let mut key = None;
        let completion = complete(before, |query| {
            key = Some((query.key.clone(), query.prefix.clone()));
            let values = values.iter().zip(1_u64..).map(|(value, count)| ValueCount {
                value: (*value).to_owned(),
                count,
            });
            Ok::<_, Infallible>(values.collect())
        });
        let Ok(completion) = completion;
        let inserts: Vec<String> = completion
            .items
            .into_iter()
            .map(|item| item.insert)
            .collect();
        (completion.word, inserts, key)
    };
    let names = |before: &str| asked(before).1;
    assert_eq!(names("").len(), KEYS.len() + MEASURES.len());
    assert_eq!(names("sta"), ["status:"]);
    assert_eq!(names("STA"), ["status:"]);
    assert_eq!(names("refund -se"), ["session:"]);
    assert_eq!(names("co"), ["conversation:", "cost>"]);
    assert_eq!(names("me"), ["meta."]);
    assert_eq!(names("score"), ["score>", "score."]);
    assert_eq!(names("\"sta"), [""; 0]);
    assert_eq!(names("status:ok sp"), ["span:", "spans>"]);
    assert_eq!(names("since:2"), ["24h"]);
    assert_eq!(names("cost>"), [""; 0]);
    assert_eq!(names("nobody:x"), [""; 0]);
    assert_eq!(names("model:\"gpt 5\""), [""; 0]);

    let all = ["gpt-4.1", "\"gpt 5\"", "\"a,b\"", "\"*\""];
    let key = |prefix: &str| Some((Key::Model, prefix.to_owned()));
    let of_model = |before: &str| {
        let (word, inserts, key) = asked(before);
        (word, inserts, key)
    };
    assert_eq!(
        of_model("model:"),
        (
            String::new(),
            all.iter().map(ToString::to_string).collect(),
            key("")
        )
    );
    let (word, _, prefix) = of_model("x -model:gp");
    assert_eq!((word.as_str(), prefix), ("gp", key("gp")));
    let (word, _, prefix) = of_model("model:\"gpt ");
    assert_eq!((word.as_str(), prefix), ("\"gpt ", key("gpt ")));
    let (word, inserts, prefix) = of_model("model:gpt-4.1,\"gpt 5\",a");
    assert_eq!((word.as_str(), prefix), ("a", key("a")));
    assert_eq!(
        inserts,
        ["\"a,b\"", "\"*\""],
        "those that are there are not offered"
    );
    let (.., meta) = asked("meta.tenant:t");
    assert_eq!(meta, Some((Key::Meta("tenant".into()), "t".to_owned())));
}

/// The table of the words in the documentation, made from what the program knows.
#[test]
fn the_documentation_lists_every_word() {
    let docs = include_str!("../../docs/filters.md");
    for (signs, words) in [(":VALUE", KEYS), (">NUMBER", MEASURES)] {
        for word in words {
            let name = if word.name.ends_with('.') { "NAME" } else { "" };
            let signs = match word.name {
                "since" | "until" => ":WHEN",
                "duration" => ">TIME",
                _ => signs,
            };
            let row = format!("| `{}{name}{signs}` | {} |", word.name, word.about);
            assert!(docs.contains(&row), "docs/filters.md lacks\n{row}");
        }
    }
}
