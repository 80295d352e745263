//! Filters as people write them.

use std::convert::Infallible;

use rollout_server::query::{Filter, ValueCount, complete};

/// A filter: it is read, and then written so that it reads as the same; or it is refused, and the error says which of its
/// letters are wrong. What may come next stands in for the end of what is there.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<Filter>() {
        Ok(filter) => {
            let written = filter.to_string();
            let again: Filter = written.parse().expect("what is written can be read");
            assert_eq!(again, filter, "{written}");
            assert_eq!(again.to_string(), written);
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.at.start) && text.is_char_boundary(error.at.end));
            assert!(error.at.start <= error.at.end);
            assert_eq!(
                error.under(text).lines().count(),
                2,
                "{}",
                error.under(text)
            );
        }
    }
    let values = |_: &_| {
        let value = "a \"b\" *,".to_owned();
        Ok::<_, Infallible>(vec![ValueCount { value, count: 1 }])
    };
    let Ok(completion) = complete(text, values);
    let start = text
        .strip_suffix(&completion.word)
        .expect("the end of what is there");
    if start.len() + completion.word.len() == text.len() && text.parse::<Filter>().is_ok() {
        for item in completion.items {
            // A value may stand where the caret is.
            if item.count.is_some() {
                let whole = format!("{start}{}", item.insert);
                assert!(whole.parse::<Filter>().is_ok(), "{whole}");
            }
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "status:error model:gpt-4.1* cost>0.05 -user:cus_1 since:2h \"refund\"",
        "name:\"support \\\"agent\\\"\" tag:a,\"b c\",d* -meta.tenant:t1",
        "duration>=1.5s tokens<10k score.exact=1 until:2026-11-01 since:2026-11-01T12:00:00Z",
        "\u{9000}\u{6b3e} -\u{3bf}\u{3b4}\u{3cc}\u{3c2} \u{2603}:x",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
