//! The page of one trace as a person uses it, in a real browser, and what it asks the server for.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use jiff::{Timestamp, ToSpan};
use rollout_tests::{
    browser::Page,
    fixture::{self, Recorder, Span, span_id},
    server::TestServer,
};
use serde_json::{Value, json};

fn start() -> Timestamp {
    Timestamp::now() - 5.minutes()
}

const SELECTED: &str =
    "(document.querySelector('#tree .row[aria-selected=\"true\"] .label')?.textContent ?? '')";
const PANE: &str = "(document.querySelector('#pane .name')?.textContent ?? '')";
const READY: &str = "document.querySelector('main')?.dataset.ready";
const NAMES: &str = "[...document.querySelectorAll('#tree .row')]
    .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
    .map((row) => row.querySelector('.label').textContent).join('|')";
const FOUND: &str = "document.querySelector('[data-found]').textContent";
/// The stretch of time in sight, in milliseconds, as soon as it is drawn.
const WINDOW: &str = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const { from, to } = document.querySelector('[data-minimap]').dataset; done(`${Math.round(from)}-${Math.round(to)}`); })))";

fn opened(server: &TestServer, path: &str) -> Option<Page> {
    let page = Page::start()?;
    page.open(&server.url(path));
    page.wait("the page is ready", READY);
    Some(page)
}

fn in_pane(page: &Page, name: &str) {
    let failed = "document.querySelector('#pane > p.absent')";
    page.wait(
        &format!("the pane shows {name}"),
        &format!("{PANE} === '{name}' || {failed}"),
    );
    assert_eq!(page.text(&format!("({failed}?.textContent ?? '')")), "");
}

fn mouse(page: &Page, kind: &str, x: f64, y: f64, more: &Value) {
    let mut event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
    if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
        event.extend(more.clone());
    }
    page.call("Input.dispatchMouseEvent", &event);
}

/// Drags from one share of an element's width to another.
fn drag(page: &Page, selector: &str, from: f64, to: f64) {
    let place = page.eval(&format!(
        "(() => {{ const box = document.querySelector('{selector}').getBoundingClientRect(); return [box.left, box.width, box.top + box.height / 2]; }})()"
    ));
    let at = |share: f64| place[0].as_f64().unwrap() + place[1].as_f64().unwrap() * share;
    let y = place[2].as_f64().unwrap();
    mouse(page, "mousePressed", at(from), y, &json!({}));
    for step in 1..=5 {
        let x = at(from + (to - from) * f64::from(step) / 5.0);
        mouse(page, "mouseMoved", x, y, &json!({ "buttons": 1 }));
    }
    mouse(page, "mouseReleased", at(to), y, &json!({}));
}

#[test]
fn the_waterfall_zooms_by_keys_and_pointer() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    let Some(page) = opened(&server, "/traces/trace-a") else {
        return;
    };
    let ticks = "[...document.querySelectorAll('#tree .axis span')].map((tick) => tick.textContent).join(' ')";
    assert_eq!(page.text(ticks), "0 2 s 4 s");
    assert_eq!(page.text(WINDOW), "0-4211");
    page.press("+");
    assert_eq!(page.text(WINDOW), "702-3509");
    page.press(".");
    assert_eq!(page.text(WINDOW), "1404-4211");
    page.press(",");
    page.press("0");
    assert_eq!(page.text(WINDOW), "0-4211");

    page.eval(&format!("location.hash = '#span={}'", span_id("refund")));
    in_pane(&page, "issue_refund");
    page.press("f");
    assert_eq!(page.text(WINDOW), "2255-3245");
    let bar = "(() => { const bar = document.querySelector('#tree .row[aria-selected=\"true\"] rect'); return bar.getAttribute('x') + ' ' + bar.getAttribute('width'); })()";
    assert_eq!(page.text(bar), "4.545% 90.909%");
    page.picture("zoomed");
    // What is selected comes into sight.
    page.press("k");
    assert_eq!(page.text(SELECTED), "lookup_order");
    let window = page.text(WINDOW);
    let (from, to) = window.split_once('-').unwrap();
    assert!(from.parse::<f64>().unwrap() < 1040.0, "{window}");
    assert!(to.parse::<f64>().unwrap() > 830.0, "{window}");

    page.press("0");
    drag(&page, "#tree .axis", 0.25, 0.75);
    let window = page.text(WINDOW);
    let (from, to) = window.split_once('-').unwrap();
    let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
    assert!(
        (from - 1050.0).abs() < 120.0 && (to - 3160.0).abs() < 120.0,
        "{window}"
    );
    // The frame on the overview is moved, and its edges are.
    drag(&page, "[data-minimap]", 0.5, 0.4);
    let moved = page.text(WINDOW);
    let (left, right) = moved.split_once('-').unwrap();
    let (left, right): (f64, f64) = (left.parse().unwrap(), right.parse().unwrap());
    assert!((from - left - 421.0).abs() < 30.0, "{window} {moved}");
    assert!((right - left - (to - from)).abs() < 3.0, "{window} {moved}");
    drag(&page, "[data-minimap]", right / 4211.0, 0.95);
    assert!(
        page.text(WINDOW).ends_with("-4000"),
        "{}",
        page.text(WINDOW)
    );
    page.press("0");
    drag(&page, "[data-minimap]", 0.5, 0.75);
    assert_eq!(page.text(WINDOW), "2106-3158");
    page.press("0");

    let axis = "(() => { const box = document.querySelector('#tree .axis').getBoundingClientRect(); return box.left + 8; })()";
    let x = page.eval(axis).as_f64().unwrap();
    let wheel = json!({ "deltaX": 0, "deltaY": -240, "modifiers": 2 });
    mouse(&page, "mouseWheel", x, 300.0, &wheel);
    page.wait(
        "the wheel zooms at the pointer",
        "document.querySelector('[data-minimap]').dataset.to < 1600 && document.querySelector('[data-minimap]').dataset.from < 10",
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn ticks_are_at_round_times() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    let Some(page) = opened(&server, "/traces/trace-a") else {
        return;
    };
    let ticks = |from: f64, to: f64| {
        page.text(&format!(
            "import(document.querySelector('script[src]').src.replace('trace.js', 'scale.js')).then(({{ Scale }}) => {{
                const scale = new Scale(1e7); scale.from = {from}; scale.to = {to};
                return scale.ticks(500).ticks.map((tick) => tick.words).join(', '); }})"
        ))
    };
    assert_eq!(ticks(0.0, 0.05), "0, 10 µs, 20 µs, 30 µs, 40 µs, 50 µs");
    assert_eq!(ticks(0.0, 99.0), "0, 20 ms, 40 ms, 60 ms, 80 ms");
    assert_eq!(ticks(1201.0, 1299.0), "1.22 s, 1.24 s, 1.26 s, 1.28 s");
    assert_eq!(ticks(0.0, 4211.0), "0, 1 s, 2 s, 3 s, 4 s");
    assert_eq!(ticks(0.0, 100_000.0), "0, 0:30, 1:00, 1:30");
    assert_eq!(
        ticks(3_590_000.0, 3_700_000.0),
        "1:00:00, 1:00:30, 1:01:00, 1:01:30"
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn the_critical_path_is_what_the_trace_waited_for() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    let Some(page) = opened(&server, "/traces/trace-a") else {
        return;
    };
    // Spans as depth, start and duration; for each, how long the trace waited for it and its own time.
    let path = |spans: &str| {
        page.text(&format!(
            "Promise.all(['outline.js', 'path.js'].map((file) => import(document.querySelector('script[src]').src.replace('trace.js', file)))).then(([{{ Outline }}, {{ criticalPath, selfTime }}]) => {{
                const rows = {spans};
                const all = (value) => rows.map(() => value);
                const outline = new Outline({{ duration_ms: null, names: ['x'], types: ['x'], statuses: ['ok'], spans: {{
                    id: rows.map((_, at) => `s${{at}}`), depth: rows.map((row) => row[0]), start: rows.map((row) => row[1]), duration: rows.map((row) => row[2]),
                    name: all(0), type: all(0), status: all(0) }} }});
                const path = criticalPath(outline);
                return rows.map((_, row) => `${{path.own.get(row) ?? '-'}}/${{selfTime(outline, row)}}`).join(' ') + ' of ' + path.total; }})"
        ))
    };
    assert_eq!(path("[]"), " of 0");
    // One after the other, with gaps.
    assert_eq!(
        path("[[0, 0, 100], [1, 10, 30], [1, 50, 40]]"),
        "30/30 30/30 40/40 of 100"
    );
    // At the same time: the one that ended last counts, the other does not.
    assert_eq!(
        path("[[0, 0, 100], [1, 0, 60], [1, 0, 90]]"),
        "10/10 -/60 90/90 of 100"
    );
    // A fork and what waits for its slower arm.
    assert_eq!(
        path("[[0, 0, 100], [1, 0, 20], [1, 20, 30], [1, 20, 50], [1, 70, 30]]"),
        "0/0 20/20 -/30 50/50 30/30 of 100"
    );
    // Inside of what counts, the same again.
    assert_eq!(
        path("[[0, 0, 100], [1, 0, 80], [2, 0, 40], [2, 10, 70], [1, 85, 5]]"),
        "15/15 10/0 -/40 70/70 5/5 of 100"
    );
    // What outlives the span around it counts up to that one's end, and what begins later not at all.
    assert_eq!(
        path("[[0, 0, 100], [1, 50, 100], [1, 120, 30]]"),
        "50/50 50/100 -/30 of 100"
    );
    // Several on top; one that runs ends now.
    assert_eq!(path("[[0, 0, 10], [0, 20, 10]]"), "10/10 10/10 of 20");
    assert_eq!(path("[[0, 0, -1], [1, 20, 80]]"), "20/20 80/80 of 100");

    page.press("c");
    assert_eq!(page.text(FOUND), "7 of 7 on the critical path");
    assert_eq!(
        page.eval("document.querySelector('[data-path]').ariaPressed"),
        "true"
    );
    let marked = "[...document.querySelectorAll('#tree .row.waited path')].filter((path) => path.getAttribute('d')).length";
    assert_eq!(page.eval(marked), 7);
    page.picture("critical");
    for _ in 0..6 {
        page.press("j");
    }
    in_pane(&page, "issue_refund");
    let own = page.text("document.querySelector('[data-own]').textContent");
    assert_eq!(own, "490 ms by itself · 12% of the critical path (490 ms)");
    page.press("c");
    assert_eq!(
        page.eval("document.querySelectorAll('#tree .row.waited').length"),
        0
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn text_is_found_inside_of_spans() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    let hits = server.get_json("/api/v1/traces/trace-a/search?text=PROMISE%20a");
    assert_eq!(
        hits["spans"],
        json!([{ "span_id": span_id("ask"), "parts": ["input"] }])
    );
    assert_eq!(hits["complete"], true);
    let hits = server.get_json("/api/v1/traces/trace-a/search?text=a-1&limit=2");
    assert_eq!(hits["spans"].as_array().unwrap().len(), 2);
    assert_eq!(hits["complete"], false);
    let refused = server.get("/api/v1/traces/trace-a/search?text=%20");
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (400, "invalid_query")
    );
    assert_eq!(server.get("/api/v1/traces/none/search?text=x").status, 404);

    let Some(page) = opened(&server, "/traces/trace-a") else {
        return;
    };
    page.press("/");
    page.write("promise a");
    page.wait("it is found inside", &format!("{FOUND} === '1 of 7'"));
    assert_eq!(page.text(NAMES), "support_agent|plan|chat");
    assert!(
        page.text("document.querySelector('#tree').innerText")
            .contains("in input")
    );
    page.press("Enter");
    in_pane(&page, "chat");
    page.wait("it is marked", "CSS.highlights.get('hit')?.size === 1");
    page.picture("found");
    page.press("/");
    page.press("Escape");
    page.press("/");
    page.write("A-1");
    page.wait("it is found inside", &format!("{FOUND} === '4 of 7'"));
    page.press("Enter");
    let mut seen = vec![page.text(SELECTED)];
    for _ in 0..5 {
        page.press("n");
        seen.push(page.text(SELECTED));
    }
    assert_eq!(
        seen.join(" "),
        "support_agent chat lookup_order issue_refund support_agent chat"
    );
    page.press("N");
    assert_eq!(page.text(SELECTED), "support_agent");
    assert_eq!(page.problems(), [""; 0]);
}

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A conversation with everything that one may have.
fn talk() -> Vec<Value> {
    let mut trace = Recorder::new("talk", "talk", start(), &json!("hello"));
    let call = |id: &str, city: &str| json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": json!({ "city": city }).to_string() } });
    trace.span(&Span {
        id: "ask",
        kind: "llm",
        name: "chat",
        took_us: Some(900_000),
        raw: json!({
            "input": { "model": "gpt-4.1", "messages": [
                { "role": "system", "content": "Be **brief**." },
                { "role": "user", "content": [
                    { "type": "text", "text": "What is this, and how is the weather in Rome and Oslo?" },
                    { "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{PIXEL}") } },
                    { "type": "image_url", "image_url": { "url": "https://pictures.invalid/cat.png" } },
                    { "type": "image_url", "image_url": { "url": "data:image/svg+xml;base64,PHN2Zy8+" } },
                ] },
                { "role": "assistant", "content": null, "reasoning_content": "Two cities: two calls.", "tool_calls": [call("call_rome", "Rome"), call("call_oslo", "Oslo")] },
                { "role": "tool", "tool_call_id": "call_oslo", "content": "{\"sky\":\"snow in Oslo\"}" },
                { "role": "tool", "tool_call_id": "call_rome", "content": "sunny in Rome" },
                { "role": "tool", "tool_call_id": "call_lost", "content": "an answer to nobody" },
            ] },
            "output": { "role": "assistant", "content": "# Weather\n\n| city | sky |\n|:--|--:|\n| Rome | *sunny* |\n\n<img src=x onerror=\"window.broken=1\">\n\n[more](https://example.com/) [bad](javascript:window.broken=1) ![far](https://pictures.invalid/dog.png)" },
        }),
        model: json!({ "provider": "openai", "model": "gpt-4.1" }),
        usage: json!({ "input_tokens": 10, "output_tokens": 5 }),
        attributes: json!({ "rollout.usage_source": "estimated", "gen_ai.response.time_to_first_chunk": 0.25 }),
        ..Span::default()
    });
    trace.end(900_000, "ok", &Value::Null, &Value::Null);
    trace.into_events()
}

#[test]
fn conversations_are_read_as_such() {
    let server = TestServer::start();
    server.take(&talk());
    let Some(page) = opened(&server, &format!("/traces/talk#span={}", span_id("ask"))) else {
        return;
    };
    in_pane(&page, "chat");
    let input = "document.querySelector('[data-value][aria-label=Input]')";
    let turns = format!(
        "[...{input}.querySelectorAll('.said .role')].map((role) => role.textContent).join('|')"
    );
    assert_eq!(
        page.text(&turns),
        "system|user|assistant|toolanswers call_lost"
    );
    let calls =
        format!("[...{input}.querySelectorAll('.call')].map((call) => call.textContent).join('|')");
    let calls = page.text(&calls);
    let (rome, oslo) = calls.split_once('|').unwrap();
    assert!(
        rome.contains("sunny in Rome") && rome.contains("call_rome"),
        "{calls}"
    );
    assert!(
        oslo.contains("snow in Oslo") && oslo.contains("call_oslo"),
        "{calls}"
    );
    let thought = format!("{input}.querySelector('.said.assistant > details').open");
    assert_eq!(page.eval(&thought), false, "reasoning is folded");

    page.wait(
        "the image is shown",
        &format!("{input}.querySelector('img')?.naturalWidth === 1"),
    );
    assert_eq!(
        page.eval(&format!("{input}.querySelectorAll('img').length")),
        1
    );
    let source = page.text(&format!("new URL({input}.querySelector('img').src).origin"));
    assert_eq!(source, server.url(""));
    let remote =
        format!("{input}.querySelector('a[href=\"https://pictures.invalid/cat.png\"]').rel");
    assert_eq!(page.text(&remote), "noopener noreferrer nofollow");
    page.picture("conversation");

    let output = "document.querySelector('[data-value][aria-label=Output]')";
    page.eval(&format!("[...{output}.querySelectorAll('[data-form]')].find((form) => form.textContent === 'Markdown').click()"));
    page.wait(
        "Markdown is rendered",
        &format!("{output}.querySelector('.markdown table td em')"),
    );
    assert_eq!(
        page.eval("document.querySelectorAll('#pane .markdown img').length"),
        0
    );
    let links = format!(
        "[...{output}.querySelectorAll('.markdown a')].map((link) => link.href + ' ' + link.rel).join('|')"
    );
    assert_eq!(
        page.text(&links),
        "https://example.com/ noopener noreferrer nofollow|https://pictures.invalid/dog.png noopener noreferrer nofollow"
    );
    assert_eq!(page.eval("window.broken ?? null"), Value::Null);
    page.eval(&format!("{output}.scrollIntoView()"));
    page.picture("markdown");
    let pane = page.text("document.getElementById('pane').innerText");
    for part in [
        "Usage, estimated from the text",
        "Time to first token",
        "250 ms",
    ] {
        assert!(pane.contains(part), "{part} is not in {pane}");
    }

    // Images of the trace and nothing else are served.
    let image = format!("/traces/talk/image?span={}&part=input&n=", span_id("ask"));
    let served = page.text(&format!(
        "fetch('{image}0').then((answer) => ['content-type', 'x-content-type-options', 'content-security-policy'].map((name) => answer.headers.get(name)).join(' '))"
    ));
    let wanted = "image/png nosniff default-src 'none'";
    assert!(served.starts_with(wanted), "{served}");
    assert_eq!(server.get(&format!("{image}1")).status, 404);
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn json_is_walked_searched_and_copied() {
    let server = TestServer::start();
    let mut trace = Recorder::new("json", "json", start(), &json!(null));
    let many: Vec<Value> = (0..9_000).map(|at| json!({ "number": at })).collect();
    trace.span(&Span {
        id: "root",
        kind: "task",
        name: "values",
        took_us: Some(10),
        raw: json!({
            "input": { "first": { "a key": [1, { "needle": "one needle" }] }, "many": many, "deep": { "needle": 2 } },
            "output": "a line of a log\n".repeat(330_000),
        }),
        ..Span::default()
    });
    server.take(&trace.into_events());
    let Some(page) = opened(&server, &format!("/traces/json#span={}", span_id("root"))) else {
        return;
    };
    in_pane(&page, "values");
    page.eval("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } })");
    let input = "document.querySelector('[data-value][aria-label=Input]')";
    // By keyboard: into the pane, to the tree, down.
    page.eval(&format!("{input}.querySelector('.json summary').focus()"));
    for _ in 0..6 {
        page.press("ArrowDown");
    }
    assert_eq!(
        page.text(&format!(
            "{input}.querySelector('[data-at] code').textContent"
        )),
        "$.first[\"a key\"][1]"
    );
    page.press("Y");
    page.wait(
        "the path is copied",
        "window.copied === '$.first[\"a key\"][1]'",
    );
    page.press("y");
    page.wait(
        "the value is copied",
        "window.copied.startsWith('{') && JSON.parse(window.copied).needle === 'one needle'",
    );
    page.picture("json-path");

    page.eval(&format!("{input}.querySelector('[data-do=find]').click()"));
    page.write("needle");
    let told = format!("{input}.querySelector('[data-find] [role=status]').textContent");
    assert_eq!(page.text(&told), "1 of 3 in what is shown");
    page.press("Enter");
    assert_eq!(page.text(&told), "2 of 3 in what is shown");
    assert_eq!(page.eval("CSS.highlights.get('found').size"), 3);
    page.press("Escape");
    // What the page has left out comes on request, and knows its path.
    let last = format!("[...{input}.querySelectorAll('li[data-rest] [data-more]')].at(-1)");
    let before = page.eval(&format!("{input}.querySelectorAll('li[data-key]').length"));
    page.eval(&format!("{last}.click()"));
    page.wait(
        "more is shown",
        &format!("{input}.querySelectorAll('li[data-key]').length > {before} + 1000"),
    );

    let output = "document.querySelector('[data-value][aria-label=Output]')";
    let shown = format!("{output}.querySelector('[data-view]').textContent.length");
    let before = page.eval(&shown).as_u64().unwrap();
    assert!(before < 70_000, "{before} characters at first");
    page.eval(&format!("{output}.querySelector('[data-more]').click()"));
    page.wait("the next piece", &format!("{shown} > 250000"));
    let text = page.text(&format!(
        "{output}.querySelector('[data-view]').textContent"
    ));
    let lines = text.matches("a line of a log\n").count();
    assert!(lines * 16 > 250_000, "{lines} whole lines: pieces join");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn called_traces_unfold_in_place() {
    let server = TestServer::start();
    let began = start();
    server.take(&fixture::support_agent("outer", began));
    for (id, caller, span) in [("inner", "outer", "plan"), ("innermost", "inner", "order")] {
        let mut events = fixture::support_agent(id, began + 1.second());
        events[0]["attributes"]["rollout.link.trace_id"] = json!(caller);
        events[0]["attributes"]["rollout.link.span_id"] = json!(span_id(span));
        server.take(&events);
    }
    let Some(page) = opened(&server, "/traces/outer") else {
        return;
    };
    let names = "support_agent|plan|chat|find_policy|support_agent|lookup_order|issue_refund|POST /v1/refunds";
    assert_eq!(page.text(NAMES), names);
    let call = "document.querySelector('#tree .row.called')";
    assert_eq!(page.text(&format!("{call}.ariaExpanded")), "false");
    assert_eq!(page.text(&format!("{call}.ariaLevel")), "3");
    page.eval(&format!("{call}.querySelector('.label').click()"));
    in_pane(&page, "The whole trace");
    assert_eq!(page.text("location.hash"), "#trace=inner");
    page.press("l");
    page.wait(
        "it is unfolded",
        "document.getElementById('tree').ariaRowCount === '16'",
    );
    assert_eq!(page.text(&format!("{call}.ariaExpanded")), "true");
    // Into the one inside of that.
    page.press("End");
    page.press("k");
    page.press("k");
    page.press("k");
    page.picture("nested");
    page.eval("[...document.querySelectorAll('#tree .row.called')].find((row) => row.ariaExpanded === 'false').querySelector('.twist').click()");
    page.wait(
        "it is unfolded",
        "document.getElementById('tree').ariaRowCount === '23'",
    );
    let deepest = "String(Math.max(...[...document.querySelectorAll('#tree .row')].map((row) => Number(row.ariaLevel))))";
    assert_eq!(page.text(deepest), "9");
    page.press("l");
    page.press("l");
    page.wait(
        "a span of it",
        "location.hash.startsWith('#trace=innermost&span=')",
    );
    // Folded again, it is one row.
    page.press("h");
    page.press("h");
    page.press("h");

    // A permanent link leads there, and the way back is above.
    page.open(&server.url("/"));
    page.open(&server.url(&format!(
        "/traces/outer#trace=inner&span={}",
        span_id("refund")
    )));
    in_pane(&page, "issue_refund");
    assert_eq!(
        page.text("document.getElementById('tree').ariaRowCount"),
        "16"
    );
    page.open(&server.url("/traces/innermost"));
    let crumbs = "[...document.querySelectorAll('.crumb a')].map((crumb) => crumb.getAttribute('href')).join(' ')";
    assert_eq!(
        page.text(crumbs),
        format!(
            "/traces/outer?span={} /traces/inner?span={}",
            span_id("plan"),
            span_id("order")
        )
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_trace_is_downloaded() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace/a \"x\"", start()));
    let path = "/api/v1/traces/trace%2Fa%20%22x%22/export?format=";
    let answer = server.get(&format!("{path}ndjson"));
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    assert_eq!(
        answer.headers["content-disposition"],
        "attachment; filename=\"trace_a__x_.ndjson\""
    );
    let events: Vec<Value> = answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event_type"], "trace.start");
    // Another server takes it.
    let other = TestServer::start();
    other.take(&events);
    let spans = "/api/v1/traces/trace%2Fa%20%22x%22/spans";
    assert_eq!(other.get_json(spans), server.get_json(spans));

    let answer = server.get(&format!("{path}otlp"));
    let request: Value = serde_json::from_str(answer.body.lines().next().unwrap()).unwrap();
    let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().map(Vec::len), Some(7), "{request}");

    let refused = server.get(&format!("{path}csv"));
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (400, "invalid_format")
    );
    assert_eq!(
        server.get("/api/v1/traces/none/export?format=otlp").status,
        404
    );
}

#[test]
fn a_large_trace_is_downloaded_in_pieces() {
    let server = TestServer::start();
    server.take(&fixture::large("large", start(), 20_000));
    let answer = server.get("/api/v1/traces/large/export?format=ndjson");
    assert_eq!(answer.body.lines().count(), 40_002);
    assert!(answer.body.ends_with('\n'));
}

/// Answers one request, and returns it: its head and its body.
fn echo(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65536];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            return (head, bytes[end + 4..].to_vec());
        }
    }
}

#[test]
fn a_model_call_is_made_again_by_a_shell() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: this test needs curl");
        return;
    }
    let server = TestServer::start();
    let said = "it's \"$HOME\" `id` $(id) \\ \n\t!history % 退款 '; exit 1; '";
    let messages = json!([{ "role": "user", "content": said }]);
    let cases = [
        (
            "chat",
            "openai",
            json!({ "model": "gpt-4.1", "messages": messages }),
            "api.openai.com",
            "POST /v1/chat/completions",
            "authorization: bearer it's a key",
        ),
        (
            "responses",
            "openai",
            json!({ "model": "gpt-4.1", "input": said }),
            "api.openai.com",
            "POST /v1/responses",
            "authorization: bearer it's a key",
        ),
        (
            "messages",
            "anthropic",
            json!({ "model": "claude", "max_tokens": 5, "messages": messages }),
            "api.anthropic.com",
            "POST /v1/messages",
            "x-api-key: it's a key",
        ),
        (
            "generate_content",
            "gemini",
            json!({ "contents": [{ "role": "user", "parts": [{ "text": said }] }] }),
            "generativelanguage.googleapis.com",
            "POST /v1beta/models/gemini-2.5-pro:generateContent",
            "x-goog-api-key: it's a key",
        ),
        (
            "chat",
            "groq",
            json!({ "model": "llama", "messages": messages }),
            "api.groq.com",
            "POST /openai/v1/chat/completions",
            "authorization: bearer it's a key",
        ),
    ];
    let mut trace = Recorder::new("calls", "calls", start(), &json!(null));
    for (at, (name, provider, body, ..)) in cases.iter().enumerate() {
        trace.span(&Span {
            id: &format!("call{at}"),
            kind: "llm",
            name,
            took_us: Some(10),
            raw: json!({ "input": body }),
            model: json!({ "provider": provider, "model": "gemini-2.5-pro" }),
            ..Span::default()
        });
    }
    server.take(&trace.into_events());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (at, (.., body, host, line, key)) in cases.iter().enumerate() {
        let answer = server.get(&format!(
            "/api/v1/traces/calls/spans/{}/curl",
            span_id(&format!("call{at}"))
        ));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.body.contains(&format!("https://{host}/")),
            "{}",
            answer.body
        );
        let command = answer
            .body
            .replace(&format!("https://{host}"), &format!("http://{address}"));
        let (head, sent) = thread::scope(|scope| {
            let taken = scope.spawn(|| echo(&listener));
            let mut shell = Command::new("sh");
            shell
                .args(["-ec", &command])
                .env("NO_PROXY", "*")
                .env("no_proxy", "*");
            for name in ["OPENAI", "ANTHROPIC", "GEMINI", "GROQ"] {
                shell.env(format!("{name}_API_KEY"), "it's a key");
            }
            let ran = shell.output().unwrap();
            assert!(ran.status.success(), "{command}: {ran:?}");
            taken.join().unwrap()
        });
        assert!(head.starts_with(line), "{head}");
        assert!(head.to_ascii_lowercase().contains(key), "{head}");
        assert!(
            head.to_ascii_lowercase()
                .contains("content-type: application/json"),
            "{head}"
        );
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), *body);
    }
}

#[test]
fn a_call_that_is_not_whole_is_not_made_again() {
    let server = TestServer::start();
    let messages = json!([{ "role": "user", "content": "hi" }]);
    let cases = [
        (
            "tool",
            "openai",
            json!({ "model": "m", "messages": messages }),
            json!({}),
            "it is no model call",
        ),
        (
            "llm",
            "openai",
            json!({ "messages": messages }),
            json!({}),
            "names no model",
        ),
        (
            "llm",
            "azure",
            json!({ "model": "m", "messages": messages }),
            json!({}),
            "the address of azure is not recorded",
        ),
        (
            "llm",
            "openai",
            json!({ "model": "m", "messages": messages, "key": "[redacted]" }),
            json!({}),
            "was masked",
        ),
        (
            "llm",
            "openai",
            json!({ "model": "m", "messages": messages }),
            json!({ "rollout.truncated": { "input": 9_000_000 } }),
            "was cut",
        ),
        ("llm", "openai", Value::Null, json!({}), "was not recorded"),
        (
            "llm",
            "gemini",
            json!({ "contents": [] }),
            json!({}),
            "the model, which its address names",
        ),
    ];
    let mut trace = Recorder::new("calls", "calls", start(), &json!(null));
    for (at, (kind, provider, body, attributes, _)) in cases.iter().enumerate() {
        trace.span(&Span {
            id: &format!("call{at}"),
            kind,
            name: "call",
            took_us: Some(10),
            raw: if body.is_null() {
                json!({})
            } else {
                json!({ "input": body })
            },
            model: json!({ "provider": provider }),
            attributes: attributes.clone(),
            ..Span::default()
        });
    }
    server.take(&trace.into_events());
    for (at, (.., why)) in cases.iter().enumerate() {
        let answer = server.get(&format!(
            "/api/v1/traces/calls/spans/{}/curl",
            span_id(&format!("call{at}"))
        ));
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (409, "not_repeatable")
        );
        assert!(answer.body.contains(why), "{why}: {}", answer.body);
    }
    let page = format!("/traces/calls/detail?span={}", span_id("call4"));
    assert!(
        server
            .get(&page)
            .body
            .contains("No curl: its input was cut")
    );
}

#[test]
fn a_long_conversation_is_shown_at_once() {
    let server = TestServer::start();
    let mut trace = Recorder::new("long", "long", start(), &json!(null));
    for at in 0..1_000 {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        trace.push("message", at * 1_000, json!({ "message": { "role": role, "content": format!("message {at} says **much**") } }));
    }
    trace.push(
        "feedback",
        2_000_000,
        json!({ "name": "helpful", "attributes": { "value": true } }),
    );
    trace.push(
        "user.signal",
        2_000_000,
        json!({ "name": "copied", "attributes": { "value": 3 } }),
    );
    trace.end(2_000_000, "ok", &Value::Null, &Value::Null);
    server.take(&trace.into_events());
    let Some(page) = opened(&server, "/traces/long") else {
        return;
    };
    let said = "document.querySelectorAll('#pane .said').length";
    assert_eq!(page.eval(said), 401);
    let pane = page.text("document.getElementById('pane').innerText");
    for part in [
        "600 earlier turns are not shown",
        "message 999 says",
        "helpful",
        "copied",
    ] {
        assert!(pane.contains(part), "{part}");
    }
    page.eval("document.querySelector('#pane .said [data-more]').click()");
    page.wait("earlier ones come", &format!("{said} === 801"));
    page.eval("document.querySelector('#pane .said [data-more]').click()");
    page.wait("all are there", &format!("{said} === 1000"));
    let order = "[...document.querySelectorAll('#pane .said .text')].every((text, at) => text.textContent.startsWith(`message ${at} `))";
    assert_eq!(page.eval(order), true);
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn nothing_moves_when_the_scripts_come() {
    let server = TestServer::start();
    server.take(&fixture::support_agent("trace-a", start()));
    let Some(page) = Page::start() else { return };
    for (width, height) in [(1280, 800), (390, 844)] {
        page.size(width, height);
        page.open(&server.url("/"));
        page.open(&server.url(&format!("/traces/trace-a?span={}", span_id("ask"))));
        page.wait("the page is ready", READY);
        let shift = page.eval(
            "new Promise((done) => { let sum = 0; const seen = new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; });
             seen.observe({ type: 'layout-shift', buffered: true }); requestAnimationFrame(() => requestAnimationFrame(() => done(sum))); })",
        );
        assert!(shift.as_f64().unwrap() < 0.02, "{width}: {shift}");
        page.picture(&format!("span-{width}"));
        assert_eq!(page.eval("document.documentElement.scrollWidth"), width);
    }
    page.dark(true);
    page.picture("span-390-dark");
    page.size(1280, 800);
    page.press("c");
    page.picture("critical-dark");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn what_grows_keeps_the_place_of_the_reader() {
    let server = TestServer::start();
    let began = Timestamp::now() - 10.seconds();
    server.take(&fixture::running("live", began));
    let Some(page) = opened(&server, &format!("/traces/live#span={}", span_id("ask"))) else {
        return;
    };
    in_pane(&page, "chat");
    page.wait(
        "the page follows",
        "document.querySelector('[data-live]').dataset.state === 'on'",
    );
    page.press("+");
    page.press("c");
    let before = page.text(WINDOW);
    server.take(&fixture::rest_of_running("live", began));
    page.wait(
        "it has ended",
        "document.querySelector('#facts .status').textContent === 'ok'",
    );
    assert_eq!(page.text(SELECTED), "chat");
    assert_eq!(
        page.eval("document.querySelector('[data-path]').ariaPressed"),
        "true"
    );
    let after = page.text(WINDOW);
    assert_ne!(before, "0-10000");
    let length = |window: &str| {
        let (from, to) = window.split_once('-').unwrap();
        to.parse::<f64>().unwrap() - from.parse::<f64>().unwrap()
    };
    assert!(length(&after) > 0.0, "{before} {after}");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_hundred_thousand_spans_have_an_overview() {
    let server = TestServer::start();
    server.take(&fixture::large("large", start(), 100_000));
    let Some(page) = opened(&server, "/traces/large") else {
        return;
    };
    let drawn = "(() => { const canvas = document.querySelector('[data-minimap]'); const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let seen = 0; for (let at = 3; at < data.length; at += 4) if (data[at]) seen++; return seen / (canvas.width * canvas.height); })()";
    assert!(page.eval(drawn).as_f64().unwrap() > 0.1);
    page.press("c");
    page.wait(
        "the path is found",
        &format!("{FOUND}.includes('on the critical path')"),
    );
    page.press("End");
    page.press("f");
    assert_ne!(page.text(WINDOW), "0-100000");
    page.picture("large-zoomed");
    page.press("0");
    page.picture("large-overview");
    if std::env::var_os("ROLLOUT_SCREENSHOTS").is_some() {
        let took = "(async () => { const base = document.querySelector('script[src]').src; const from = (file) => import(base.replace('trace.js', file));
            const [{ Outline }, { criticalPath }] = await Promise.all([from('outline.js'), from('path.js')]);
            const data = await (await fetch('/traces/large/outline')).json();
            let at = performance.now(); const outline = new Outline(data); const read = performance.now() - at;
            at = performance.now(); criticalPath(outline); return `outline ${read.toFixed(1)} ms, critical path ${(performance.now() - at).toFixed(1)} ms`; })()";
        eprintln!("{}", page.text(took));
    }
    assert_eq!(page.problems(), [""; 0]);
}
