//! What programs record does nothing but be read, whatever it is and wherever it is shown.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use rollout_tests::{
    browser::Page,
    fixture::{self, Recorder, Span, span_id},
    gallery,
    pages::{House, Place},
    server::{Answer, TestServer},
};
use serde_json::{Value, json};

/// Texts that would do something if they were more than text, each within the 80 characters of the shortest field.
const TEXTS: &[&str] = &[
    "\"'><img src=x onerror=window.broken=1>",
    "</script></title><script>window.broken=1</script>",
    "javascript:window.broken=1",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='broken=1'/>",
    "{{7*7}}${window.broken=1}<%=7*7%>#{7*7}{%raw%}",
    "../../etc/passwd?a=b#c%2e%2e\\..\\x",
    "\u{202e}txt.exe\u{2066}\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m",
    "nul\0byte\u{85}next\u{2028}line\u{feff}mark",
    "]]>--><svg/onload=window.broken=1><style>*{display:none}</style>",
    "[x](javascript:window.broken=1)![y](http://127.0.0.1:1/y.png)<http://a>",
    "'; DROP TABLE traces; -- \" OR 1=1 *",
    "x\" autofocus onfocus=\"window.broken=1\" style=\"position:fixed;inset:0",
];

/// What a page must not have become. Lines, each a fault.
const FAULTS: &str = "(() => {
    const faults = [];
    if (window.broken !== undefined) faults.push('a script of the content has run');
    const never = 'main script, main iframe, main object, main embed, main style, main link, main base, main meta, main video, main audio';
    for (const node of document.querySelectorAll(never)) faults.push(`there is a ${node.localName}`);
    for (const node of document.querySelectorAll('*')) {
        for (const { name } of node.attributes) if (name.startsWith('on')) faults.push(`${node.localName} has ${name}`);
        if (node.localName === 'img' && !/^(data:image[/](png|jpeg|gif|webp|svg[+]xml)[;,]|blob:)/.test(node.src)
            && new URL(node.src).origin !== location.origin) faults.push(`an image comes from ${node.src}`);
        for (const name of ['href', 'action', 'formaction', 'xlink:href']) {
            if (!node.hasAttribute(name)) continue;
            const { protocol, origin } = new URL(node.getAttribute(name), location.href);
            if (!['http:', 'https:', 'blob:'].includes(protocol)) faults.push(`${node.localName} leads to ${node.getAttribute(name)}`);
            else if (origin !== location.origin && !node.relList?.contains('noreferrer')) faults.push(`${node.localName} leads away to ${node.getAttribute(name)}`);
        }
    }
    if (!document.querySelector('main')?.checkVisibility()) faults.push('the page is hidden');
    return faults;
})()";

/// Puts hostile texts in the place of every text that a program may choose, one after the other; what the protocol
/// needs to see an event as what it is stays.
fn disguise(value: &mut Value, next: &mut usize) {
    let text = |next: &mut usize| {
        *next += 1;
        TEXTS[*next % TEXTS.len()].to_owned()
    };
    match value {
        Value::String(words) => *words = text(next),
        Value::Array(items) => items.iter_mut().for_each(|item| disguise(item, next)),
        Value::Object(members) => {
            let of_protocol = [
                "event_id",
                "trace_id",
                "span_id",
                "parent_span_id",
                "occurred_at",
                "started_at",
                "ended_at",
                "event_type",
                "schema_version",
                // What pages are asked for by; `IDS` are strange ones.
                "run_id",
                "user_id",
                "session_id",
                "conversation_id",
            ];
            for (name, member) in members.iter_mut() {
                if !of_protocol.contains(&name.as_str()) {
                    disguise(member, next);
                }
            }
            for outer in ["attributes", "raw", "user_traits"] {
                if let Some(Value::Object(inner)) = members.get_mut(outer) {
                    inner.insert(text(next), json!({ text(next): text(next) }));
                }
            }
        }
        _ => {}
    }
}

/// A conversation with pictures and links of all kinds in it.
fn pictures(trace_id: &str) -> Vec<Value> {
    let svg =
        "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0id2luZG93LmJyb2tlbj0xIi8+";
    let urls = [
        "javascript:window.broken=1".to_owned(),
        "data:text/html,<script>window.broken=1</script>".to_owned(),
        format!("data:image/svg+xml;base64,{svg}"),
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.broken=1'/>"
            .to_owned(),
        "http://127.0.0.1:1/beacon.png".to_owned(),
        "//127.0.0.1:1/beacon.png".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    let parts = urls.iter().map(|url| {
        json!([
            { "type": "image_url", "image_url": { "url": url } },
            { "type": "image", "source": { "type": "url", "url": url } },
            { "type": "text", "text": format!("[a]({url}) ![b]({url}) <a href=\"{url}\">c</a> <{url}>\n\n# {url}\n\n[r]: {url}\n[r]") },
        ])
    });
    let parts = parts
        .flat_map(|parts| parts.as_array().cloned().unwrap())
        .collect::<Vec<_>>();
    let mut trace = Recorder::new(trace_id, "pictures", Timestamp::now(), &json!("look"));
    trace.span(&Span {
        id: "root",
        kind: "llm",
        name: "pictures",
        took_us: Some(10),
        raw: json!({
            "input": { "messages": [{ "role": "user", "content": parts }] },
            "output": { "role": "assistant", "content": urls.join("\n\n") },
        }),
        ..Span::default()
    });
    trace.end(10, "ok", &json!(urls.join("\n")), &Value::Null);
    trace.into_events()
}

/// Ids that mean something in an address.
const IDS: &[&str] = &[
    "a/b/c",
    "../../healthz",
    "a?b=c#d",
    "100%25%zz",
    "a b+c&d=e;f",
    "\"'><img src=x onerror=window.broken=1>",
    "javascript:window.broken=1",
    "ünï/ 订单/\u{202e}x",
    "nul\0id",
];

fn hostile() -> TestServer {
    let server = TestServer::start();
    let mut next = 0;
    for mut events in gallery::traces() {
        for event in &mut events {
            disguise(event, &mut next);
        }
        server.take(&events);
    }
    server.take(&pictures("pictures"));
    for id in IDS {
        let mut events = fixture::support_agent(id, Timestamp::now());
        for event in &mut events {
            event["context"] = json!({ "user_id": id, "session_id": id, "conversation_id": id });
            event["links"] = json!({ "run_id": id });
            if event["event_type"] == "trace.start" {
                event["attributes"] = json!({ "tags": [id], "rollout.run.datapoint_id": id, "rollout.run.phase": id });
            }
        }
        server.take(&events);
    }
    server
}

#[track_caller]
fn harmless(page: &Page, place: &Place) {
    let faults = page.eval(FAULTS);
    assert_eq!(faults, json!([]), "{} {}", place.name, place.url);
    assert_eq!(
        place.problems(page),
        [""; 0],
        "{} {}",
        place.name,
        place.url
    );
}

fn unfold(page: &Page) {
    page.eval("for (const fold of document.querySelectorAll('details:not(.menu)')) fold.open = true; new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(1))))");
}

#[test]
fn what_is_captured_does_nothing_on_any_page() {
    let Some(page) = Page::start() else { return };
    let house = House::of(hostile());
    for place in house.places() {
        place.open(&page);
        unfold(&page);
        harmless(&page, &place);
    }
    let server = house.server();
    let mut places = vec![Place::span(server, "pictures", "pictures", "root")];
    for id in IDS {
        let encoded = encoded(id);
        places.push(Place::trace(server, "a strange id", &encoded));
        places.push(Place::span(server, "a strange id", &encoded, "ask"));
        for (name, path) in [
            ("a strange run", format!("/runs/{encoded}")),
            ("a strange session", format!("/sessions/{encoded}")),
            (
                "a strange conversation",
                format!("/conversations/{encoded}"),
            ),
            ("a strange user", format!("/users/{encoded}")),
            ("a strange run", format!("/runs/{encoded}/datapoints")),
            (
                "a strange user",
                format!("/?filter=user%3A%22{}%22", encoded.replace("%22", "%5C%22")),
            ),
        ] {
            places.push(Place::plain(server, name, &path));
        }
    }
    for place in places {
        place.open(&page);
        unfold(&page);
        harmless(&page, &place);
    }
}

fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

/// The addresses on this server that a page leads to.
fn links(html: &str) -> impl Iterator<Item = String> {
    ["href=\"", "data-from=\"", "data-api=\"", "data-base=\""]
        .into_iter()
        .flat_map(|name| html.split(name).skip(1))
        .filter_map(|rest| Some(rest.split_once('"')?.0))
        .map(|link| {
            let link = link.split('#').next().unwrap_or_default();
            link.replace("&#38;", "&")
                .replace("&amp;", "&")
                .replace("&#39;", "'")
        })
        .filter(|link| link.starts_with('/'))
}

/// What every answer says about itself, so that no browser takes it for something else.
#[track_caller]
fn says_what_it_is(path: &str, answer: &Answer) {
    let header = |name: &str| {
        let value = answer
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    assert!(answer.status < 500, "{path}: {answer:?}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert!(
        header("content-security-policy").contains("default-src 'none'"),
        "{path}"
    );
    let kind = header("content-type");
    if path.starts_with("/api/") {
        let is_download = header("content-disposition").starts_with("attachment");
        assert!(
            kind.starts_with("application/json") || is_download,
            "{path}: {kind}"
        );
    }
    if path.contains("/outline") {
        assert!(kind.starts_with("application/json"), "{path}: {kind}");
    }
    if kind.starts_with("text/html") {
        assert_eq!(kind, "text/html; charset=utf-8", "{path}");
        assert!(!answer.body.contains('\0'), "{path}: HTML has no NUL");
    }
    // The name of a file that is kept is of our own making.
    let kept = header("content-disposition");
    let harmless = |c: char| c.is_ascii_alphanumeric() || " ;=\"_.-".contains(c);
    assert!(
        kept.chars().all(harmless) && !kept.contains(".."),
        "{path}: {kept}"
    );
}

#[test]
fn every_answer_says_what_it_is() {
    let server = hostile();
    let mut known = BTreeSet::new();
    let mut ahead: VecDeque<String> = ["/", "/runs", "/api/v1/traces?limit=500", "/api/v1/runs"]
        .map(str::to_owned)
        .into();
    for id in server.trace_ids() {
        let path = format!("/traces/{}", encoded(&id));
        for part in ["", "/detail", "/outline"] {
            ahead.push_back(format!("{path}{part}"));
        }
        for part in ["", "/spans", "/nothing"] {
            ahead.push_back(format!("/api/v1{path}{part}"));
        }
        ahead.push_back(format!("/api/v1{path}/spans/{}", span_id("root")));
        ahead.push_back(format!("{path}/detail?span={}", span_id("root")));
    }
    for text in TEXTS {
        let text = encoded(text);
        for path in [
            "/api/v1/traces?filter=",
            "/api/v1/traces?cursor=",
            "/api/v1/traces/",
            "/api/v1/runs/",
            "/traces/",
            "/runs/",
            "/?filter=",
            "/?cursor=",
            "/live?since=",
        ] {
            ahead.push_back(format!("{path}{text}"));
        }
    }
    let mut pages = 0;
    while let Some(path) = ahead.pop_front() {
        // Streams never end.
        if path.starts_with("/live") || !known.insert(path.clone()) {
            continue;
        }
        let answer = server.get_with(&path, &[("accept", "text/html")]);
        says_what_it_is(&path, &answer);
        let is_page = answer.headers["content-type"]
            .as_bytes()
            .starts_with(b"text/html");
        if is_page && known.len() < 1500 {
            pages += 1;
            ahead.extend(links(&answer.body));
        }
    }
    assert!(pages > 100, "{pages}");
}

#[test]
fn ten_megabytes_of_one_word() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let long = "<b>".repeat((10 << 20) / 3);
    let mut trace = Recorder::new("long", "long", Timestamp::now(), &json!("short"));
    trace.span(&Span {
        id: "root",
        kind: "tool",
        name: "long",
        took_us: Some(10),
        raw: json!({ "input": { "text": long } }),
        ..Span::default()
    });
    trace.end(10, "ok", &json!(long), &Value::Null);
    let (first, rest) = {
        let events = trace.into_events();
        let (first, rest) = events.split_at(events.len() - 1);
        (first.to_vec(), rest.to_vec())
    };
    server.take(&first);
    server.take(&rest);
    for place in [
        Place::plain(&server, "list", "/"),
        Place::trace(&server, "trace", "long"),
        Place::span(&server, "span", "long", "root"),
    ] {
        place.open(&page);
        unfold(&page);
        harmless(&page, &place);
        let size = "performance.getEntriesByType('navigation')[0].decodedBodySize";
        let size = page.eval(size).as_f64().unwrap();
        assert!(size < 2e6, "{}: {size} bytes", place.name);
    }
    let span = server.get_json(&format!("/api/v1/traces/long/spans/{}", span_id("root")));
    assert_eq!(
        span["input"]["text"].as_str().map(str::len),
        Some(long.len())
    );
}

#[test]
fn halves_of_characters_and_nuls() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let mut events = fixture::support_agent("halves", Timestamp::now());
    for event in &mut events {
        event["raw"] = json!({ "input": { "HALF": ["HALF", { "x": "HALF" }] }, "arguments": "HALF", "result": "HALF" });
        event["attributes"] = json!({ "HALF": "HALF", "tags": ["HALF"] });
    }
    let body = String::from_utf8(rollout_tests::wire::batch(&events)).unwrap();
    let body = body.replace("HALF", "\\ud800x\\udc00\\u0000");
    let answer = server.post(body.as_bytes(), &[]);
    assert!(answer.status == 200 || answer.status == 400, "{answer:?}");
    // Whatever of it is taken is shown; whatever is not is named.
    let taken = answer.json();
    if taken["rejected"] != 0 {
        assert!(!taken["errors"].as_array().unwrap().is_empty(), "{taken}");
    }
    for id in server.trace_ids() {
        for place in [
            Place::plain(&server, "list", "/"),
            Place::trace(&server, "trace", &id),
        ] {
            place.open(&page);
            unfold(&page);
            harmless(&page, &place);
        }
        for span in server.spans(&id) {
            let path = format!(
                "/traces/{id}/detail?span={}",
                span["span_id"].as_str().unwrap()
            );
            says_what_it_is(&path, &server.get(&path));
        }
    }
    // And the next batch is taken as ever.
    server.take(&fixture::support_agent("whole", Timestamp::now()));
    assert!(server.trace_ids().contains(&"whole".to_owned()));
}
