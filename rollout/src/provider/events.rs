//! Server-sent events, read from all that came.

/// The data of each event, with the place in the bytes where it was complete. Comments and other fields are passed
/// over; what comes behind the last blank line was cut off and is no event.
pub(super) fn events(bytes: &[u8]) -> Vec<(usize, String)> {
    let mut events = Vec::new();
    let mut data: Option<String> = None;
    let mut at = 0;
    while let Some((line, next)) = line(bytes, at) {
        at = next;
        if line.is_empty() {
            if let Some(data) = data.take() {
                events.push((at, data));
            }
            continue;
        }
        let Some(value) = line.strip_prefix(b"data:") else {
            continue;
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = String::from_utf8_lossy(value);
        match &mut data {
            Some(data) => {
                data.push('\n');
                data.push_str(&value);
            }
            None => data = Some(value.into_owned()),
        }
    }
    events
}

/// The line that begins at a place, and where the next one does. Lines end in LF, CRLF or CR.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    // A byte order mark is no part of the first line.
    let mark = if at == 0 && rest.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let ending = if rest[end..].starts_with(b"\r\n") {
        2
    } else {
        1
    };
    Some((&rest[mark.min(end)..end], at + end + ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Vec<String> {
        events(text.as_bytes())
            .into_iter()
            .map(|(_, data)| data)
            .collect()
    }

    #[test]
    fn events_end_at_blank_lines() {
        assert_eq!(data("data: a\n\ndata:b\n\n"), ["a", "b"]);
        assert_eq!(
            data("data: a\r\n\r\n: hello\r\n\r\ndata: b\r\rdata: c\n\n"),
            ["a", "b", "c"]
        );
        assert_eq!(data("event: x\ndata: a\ndata: b\nid: 1\n\n"), ["a\nb"]);
        assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
    }

    #[test]
    fn what_was_cut_off_is_none() {
        assert_eq!(data("data: a\n\ndata: {\"b\":"), ["a"]);
        assert_eq!(data("data: a\n"), Vec::<String>::new());
        assert_eq!(data(""), Vec::<String>::new());
    }

    #[test]
    fn events_tell_where_they_were_complete() {
        assert_eq!(events(b"data: a\n\ndata: b\n\n")[0].0, 9);
    }
}
