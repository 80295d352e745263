//! The viewer as a person uses it, in a real browser.

use jiff::{Timestamp, ToSpan};
use rollout_tests::{browser::Page, fixture, server::TestServer, wire::recording};
use serde_json::{Value, json};

/// Some minutes ago, so that nothing lies in the future.
fn start() -> Timestamp {
    Timestamp::now() - 5.minutes()
}

/// The names of the rows that are drawn, from top to bottom.
const NAMES: &str = "[...document.querySelectorAll('#tree .row')]
    .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
    .map((row) => row.querySelector('.label').textContent).join('|')";

/// The name of the selected row.
const SELECTED: &str =
    "(document.querySelector('#tree .row[aria-selected=\"true\"] .label')?.textContent ?? '')";

/// The title of the pane.
const PANE: &str = "(document.querySelector('#pane .name')?.textContent ?? '')";

const READY: &str = "document.querySelector('main')?.dataset.ready";

#[test]
fn an_empty_list_says_how_to_begin_and_fills_by_itself() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    page.open(&server.url("/"));
    let words = page.text("document.querySelector('main').innerText");
    assert!(words.contains("No traces yet"), "{words}");
    let origin = server.url("");
    assert!(
        words.contains(&format!("ROLLOUT_ENDPOINT={origin}")),
        "{words}"
    );
    page.picture("empty");

    page.wait(
        "the page follows",
        "document.querySelector('[data-live]').dataset.state === 'on'",
    );
    server.take(&fixture::support_agent("trace-a", start()));
    page.wait("the trace appears", "document.querySelector('a.open')");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn the_list_shows_new_traces_and_keeps_the_reader_s_place() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    for at in 0..60 {
        let began = start() - (at * 10).minutes();
        server.take(&fixture::support_agent(&format!("old-{at}"), began));
    }
    page.open(&server.url("/"));
    page.wait(
        "the page follows",
        "document.querySelector('[data-live]').dataset.state === 'on'",
    );
    let row = page.text("document.querySelector('[data-rows] tr').innerText");
    for part in [
        "error",
        "support_agent",
        "shop",
        "Where is my order",
        "4.21 s",
        "1450",
        "$0.0012",
        "cus_123",
        "sess_9",
    ] {
        assert!(row.contains(part), "{part} is not in {row:?}");
    }
    page.picture("list");

    page.eval("scrollTo(0, 700)");
    let seen = "(() => { const row = document.querySelector('tr[data-trace=\"old-30\"]'); return Math.round(row.getBoundingClientRect().top); })()";
    let before = page.eval(seen);
    server.take(&fixture::running("new", Timestamp::now()));
    page.wait(
        "the trace appears",
        "document.querySelector('tr[data-trace=\"new\"]')",
    );
    assert_eq!(page.eval(seen), before, "the rows that are read have moved");
    let words = "document.querySelector('tr[data-trace=\"new\"] .c-status').innerText";
    assert!(page.text(words).contains("running"));

    server.take(&fixture::rest_of_running("new", Timestamp::now()));
    page.wait("it ends", &format!("{words}.includes('ok')"));
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn the_list_is_filtered_and_says_what_is_wrong_with_a_filter() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::support_agent("failed", start()));
    server.take(&fixture::running("fine", start()));
    page.open(&server.url("/"));
    page.press("/");
    page.write("status:error");
    page.press("Enter");
    page.wait(
        "it is filtered",
        "location.search && document.querySelectorAll('[data-rows] tr').length === 1",
    );
    assert_eq!(
        page.text("document.querySelector('[data-rows] tr').dataset.trace"),
        "failed"
    );

    page.open(&server.url("/?filter=colour%3Ared"));
    let problem = page.text("document.querySelector('[role=alert]').textContent");
    assert!(
        problem.contains("colour") && problem.contains("status"),
        "{problem}"
    );
    assert_eq!(
        page.eval("document.querySelector('[data-filter]').ariaInvalid"),
        "true"
    );
    page.picture("filter-problem");
    page.open(&server.url("/?filter=user%3Anobody"));
    assert!(
        page.text("document.body.innerText")
            .contains("No trace matches")
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_trace_is_walked_by_keyboard() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    page.open(&server.url("/"));
    page.press("j");
    page.press("Enter");
    page.wait(
        "the trace opens",
        &format!("location.pathname === '/traces/trace-a' && {READY}"),
    );
    assert_eq!(
        page.text(NAMES),
        "support_agent|plan|chat|find_policy|lookup_order|issue_refund|POST /v1/refunds"
    );
    let whole = page.text("document.getElementById('pane').innerText");
    for part in [
        "RefundError",
        "the refund was refused",
        "It is delayed.",
        "helpful",
    ] {
        assert!(whole.contains(part), "{part} is not in {whole}");
    }
    page.picture("trace");

    for _ in 0..3 {
        page.press("j");
    }
    assert_eq!(page.text(SELECTED), "chat");
    page.wait("the pane follows", &format!("{PANE} === 'chat'"));
    let pane = page.text("document.getElementById('pane').innerText");
    for part in [
        "gpt-4.1-mini",
        "Never promise a refund",
        "lookup_order",
        "call_order",
        "1,240",
        "50% of it",
        "$0.0012",
    ] {
        assert!(pane.contains(part), "{part} is not in {pane}");
    }
    assert_eq!(
        page.text("location.hash"),
        format!("#span={}", fixture::span_id("ask"))
    );
    page.picture("model-call");
    page.dark(true);
    page.picture("model-call-dark");
    page.dark(false);

    page.press("ArrowLeft");
    assert_eq!(page.text(SELECTED), "plan");
    page.press("ArrowLeft");
    assert!(!page.text(NAMES).contains("find_policy"), "it is folded");
    page.press("ArrowRight");
    assert!(page.text(NAMES).contains("find_policy"), "it is unfolded");

    page.press("e");
    assert_eq!(page.text(SELECTED), "issue_refund");
    page.wait("the pane follows", &format!("{PANE} === 'issue_refund'"));
    let pane = page.text("document.getElementById('pane').innerText");
    for part in [
        "RefundError",
        "the refund was refused",
        "order_id",
        "1299",
        "examples/support_agent/src/lib.rs:97",
    ] {
        assert!(pane.contains(part), "{part} is not in {pane}");
    }
    page.picture("error");

    page.press("/");
    page.write("retrieval");
    assert_eq!(
        page.text(NAMES),
        "support_agent|plan|find_policy",
        "a hit keeps the way up to it"
    );
    page.press("Enter");
    assert_eq!(page.text(SELECTED), "find_policy");
    page.press("?");
    page.wait("help opens", "document.getElementById('help').open");
    page.press("Escape");
    page.wait("help closes", "!document.getElementById('help').open");
    page.press("u");
    page.wait("back to the list", "location.pathname === '/'");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_link_leads_to_a_span() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    page.open(&server.url(&format!(
        "/traces/trace-a#span={}",
        fixture::span_id("order")
    )));
    page.wait("the span is shown", &format!("{PANE} === 'lookup_order'"));
    assert_eq!(page.text(SELECTED), "lookup_order");
    page.eval("document.querySelector('#r0 .label').click()");
    page.wait("a click selects", &format!("{PANE} === 'support_agent'"));
    assert_eq!(
        page.text("location.hash"),
        format!("#span={}", fixture::span_id("root"))
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_running_trace_grows_on_the_screen() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let began = Timestamp::now();
    server.take(&fixture::running("live", began));
    page.open(&server.url(&format!("/traces/live#span={}", fixture::span_id("ask"))));
    page.wait(
        "the page follows",
        "document.querySelector('[data-live]').dataset.state === 'on'",
    );
    page.wait("the span is shown", &format!("{PANE} === 'chat'"));
    assert!(
        page.text("document.getElementById('pane').innerText")
            .contains("No output yet")
    );
    page.picture("running");
    server.take(&fixture::rest_of_running("live", began));
    page.wait(
        "the output comes",
        "document.getElementById('pane').innerText.includes('They switch.')",
    );
    page.wait(
        "the trace has ended",
        "document.querySelector('#facts .status').textContent === 'ok'",
    );
    assert_eq!(page.text(SELECTED), "chat", "the selection stays");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn captured_markup_stays_text() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::hostile("hostile", start()));
    let untouched = |page: &Page, place: &str| {
        assert_eq!(
            page.eval("window.broken ?? null"),
            serde_json::Value::Null,
            "{place}"
        );
        assert_eq!(
            page.eval("document.querySelectorAll('main img, main script, main [onload]').length"),
            0,
            "{place}"
        );
        assert_eq!(page.problems(), [""; 0], "{place}");
    };
    page.open(&server.url("/"));
    assert!(
        page.text("document.querySelector('[data-rows]').innerText")
            .contains(fixture::MARKUP)
    );
    untouched(&page, "the list");
    page.open(&server.url("/traces/hostile"));
    page.wait("the page is ready", READY);
    assert_eq!(
        page.text("document.querySelector('h1').textContent"),
        fixture::MARKUP
    );
    untouched(&page, "the trace");
    for id in ["root", "chat"] {
        page.open(&server.url("/"));
        page.open(&server.url(&format!("/traces/hostile#span={}", fixture::span_id(id))));
        page.wait(
            "the pane is filled",
            &format!("{PANE} !== 'The whole trace' && {READY}"),
        );
        page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
        assert!(
            page.text("document.getElementById('pane').innerText")
                .contains(fixture::MARKUP)
        );
        untouched(&page, id);
        page.picture(&format!("hostile-{id}"));
    }
}

/// Puts markup in the place of every text that a program may choose; what `stays` says stays as it is.
fn disguise(value: &mut Value, stays: &dyn Fn(&str) -> bool) {
    const MARKUP: &str = "\"'><img src=x onerror=window.broken=1>";
    match value {
        Value::String(text) => MARKUP.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| disguise(item, stays)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if !stays(name) {
                    disguise(member, stays);
                }
            }
            // Names of members are captured too, where the protocol does not give them.
            for outer in ["attributes", "raw", "user_traits", "account_traits"] {
                if let Some(Value::Object(inner)) = members.get_mut(outer) {
                    inner.insert(MARKUP.to_owned(), json!({ MARKUP: MARKUP }));
                }
            }
        }
        _ => {}
    }
}

/// What the protocol's readers need to see an event as what it is.
fn is_of_protocol(name: &str) -> bool {
    let ids = [
        "event_id",
        "trace_id",
        "span_id",
        "parent_span_id",
        "batch_id",
    ];
    let times = ["occurred_at", "started_at", "ended_at", "sent_at"];
    ids.contains(&name)
        || times.contains(&name)
        || ["event_type", "schema_version", "sdk"].contains(&name)
}

#[test]
fn markup_in_every_field_stays_text() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    // Texts that tell readers what a value is, a chat or a stream, are chosen by programs as well: once without them.
    let of_shapes = |name: &str| {
        is_of_protocol(name) || ["role", "type", "span_type", "status"].contains(&name)
    };
    for (prefix, stays) in [
        ("a", &is_of_protocol as &dyn Fn(&str) -> bool),
        ("b", &of_shapes),
    ] {
        for file in [
            "all-fields",
            "agent",
            "trace",
            "openai-chat",
            "anthropic-messages-stream",
            "manual-stream",
        ] {
            let mut text = String::from_utf8(recording(&format!("{file}.json"))).unwrap();
            for id in ["trace_id", "event_id"] {
                let (plain, own) = (
                    format!("\"{id}\": \""),
                    format!("\"{id}\": \"{prefix}_{file}_"),
                );
                text = text.replace(&plain, &own);
            }
            let mut body: Value = serde_json::from_str(&text).unwrap();
            disguise(&mut body, stays);
            let answer = server.post(body.to_string().as_bytes(), &[]);
            assert_eq!(answer.json()["rejected"], 0, "{file}: {}", answer.body);
        }
    }
    let untouched = |place: &str| {
        assert_eq!(page.eval("window.broken ?? null"), Value::Null, "{place}");
        let injected = "document.querySelectorAll('main img, main script, main [onload], main [onerror]').length";
        assert_eq!(page.eval(injected), 0, "{place}");
        assert_eq!(page.problems(), [""; 0], "{place}");
    };
    page.open(&server.url("/"));
    untouched("the list");
    let ids = server.trace_ids();
    assert!(ids.len() >= 12, "{ids:?}");
    for id in ids {
        let path = format!("/traces/{id}");
        page.open(&server.url(&path));
        page.wait("the page is ready", READY);
        page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
        untouched(&path);
        for span in server.spans(&id) {
            let place = format!("{path}#span={}", span["span_id"].as_str().unwrap());
            page.open(&server.url("/"));
            page.open(&server.url(&place));
            page.wait(
                "the pane is filled",
                &format!("{PANE} !== 'The whole trace' && {READY}"),
            );
            page.eval(
                "document.querySelectorAll('details').forEach((fold) => { fold.open = true; })",
            );
            untouched(&place);
        }
    }
}

#[test]
fn long_and_deep_values_are_bounded() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let deep = (0..200).fold(json!("core"), |inner, _| json!([inner]));
    let long = "line of a log\n".repeat(300_000);
    let mut trace = fixture::Recorder::new("trace-a", "values", start(), &deep);
    trace.span(&fixture::Span {
        id: "root",
        kind: "task",
        name: "values",
        took_us: Some(10),
        raw: json!({ "input": deep, "output": long }),
        ..fixture::Span::default()
    });
    server.take(&trace.into_events());
    let span = fixture::span_id("root");
    page.open(&server.url(&format!("/traces/trace-a#span={span}")));
    page.wait("the span is shown", &format!("{PANE} === 'values'"));
    let pane = page.text("document.getElementById('pane').textContent");
    assert!(
        pane.contains("deeper levels are not shown"),
        "levels are bounded"
    );
    assert!(
        pane.contains("that this page leaves out"),
        "length is bounded"
    );
    // Copy takes all of it.
    page.eval("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text.length; } } })");
    page.eval("document.querySelector('[data-copy-value=output]').click()");
    page.wait("it is copied", &format!("window.copied === {}", long.len()));
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_hundred_thousand_spans_scroll() {
    const SPANS: usize = 100_000;
    let at = |name: &str| format!("location.hash === '#span={}'", fixture::span_id(name));
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::large("large", start(), SPANS));
    page.open(&server.url("/traces/large"));
    page.wait("the page is ready", READY);
    assert_eq!(
        page.eval("Number(document.getElementById('tree').ariaRowCount)"),
        SPANS
    );
    let rows = "document.querySelectorAll('#tree .row').length";
    assert!(
        page.eval(rows).as_u64() < Some(120),
        "only what is in sight is drawn"
    );

    page.press("End");
    page.wait(
        "the last row is drawn",
        &format!("document.getElementById('r{}')", SPANS - 1),
    );
    assert_eq!(
        page.text("document.querySelector('#tree .row[aria-selected=\"true\"]').id"),
        format!("r{}", SPANS - 1)
    );
    page.wait("the pane follows", &at(&format!("s{}", SPANS - 1)));
    assert!(
        page.eval(rows).as_u64() < Some(120),
        "only what is in sight is drawn"
    );
    page.picture("large-end");

    page.press("Home");
    page.press("e");
    page.wait("the first error is selected", &at("s9"));
    page.press("E");
    page.wait("around to the last one", &at("s99521"));
    page.press("/");
    page.write("error");
    page.press("Enter");
    page.wait(
        "only errors",
        "document.querySelector('[data-found]').textContent === '57 of 100000'",
    );
    page.press("/");
    page.press("Escape");
    page.press("z");
    page.wait(
        "all is folded",
        "document.querySelector('[data-found]').textContent === 'all folded'",
    );
    page.picture("large-folded");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn pages_are_read_without_scripts() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::large("large", start(), 500));
    page.scripts(false);
    page.open(&server.url("/"));
    assert_eq!(page.count("[data-rows] tr"), 1);
    page.open(&server.url("/traces/large"));
    assert_eq!(page.count("#tree .row"), 200);
    assert_eq!(page.count("[data-pages] a"), 1, "there is a page after");
    page.open(&server.url(&format!(
        "/traces/large?offset=400&span={}",
        fixture::span_id("s410")
    )));
    assert_eq!(page.count("#tree .row"), 100);
    assert_eq!(page.count("#tree .row[aria-selected=true]"), 1);
    assert_eq!(page.count("#pane .kind"), 1, "the span is in the pane");
    page.picture("no-scripts");
    assert_eq!(
        page.count("[data-tools]:not([hidden])"),
        0,
        "nothing that would not work"
    );
}

#[test]
fn what_is_not_there_says_so() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    page.open(&server.url("/traces/nowhere"));
    assert!(
        page.text("document.body.innerText")
            .contains("No such trace")
    );
    page.open(&server.url("/nowhere"));
    assert!(
        page.text("document.body.innerText")
            .contains("No such page")
    );
    let problems = page.problems();
    assert!(
        problems.iter().all(|problem| problem.contains("404")),
        "{problems:?}"
    );
}

#[test]
fn narrow_screens_show_everything_without_scrolling_sideways() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    page.size(390, 844);
    for (name, path) in [("list", "/"), ("trace", "/traces/trace-a")] {
        page.open(&server.url(path));
        page.picture(&format!("{name}-390"));
        let wide = page.eval("document.documentElement.scrollWidth");
        assert_eq!(wide, 390, "{path} is wider than the screen");
    }
    assert_eq!(page.problems(), [""; 0]);
}
