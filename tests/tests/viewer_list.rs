//! Lists, their filters and charts, and the pages of sessions, conversations and users, as a person uses them, in a
//! real browser.

#![expect(
    clippy::float_cmp,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use jiff::{Timestamp, ToSpan};
use rollout::event::Message;
use rollout::run::{Phase, RunMeta, Score, Status, trace_run};
use rollout::testing;
use rollout_tests::{browser::Page, fixture, server::TestServer};
use serde_json::{Value, json};

/// Whose trace it is, and how it went.
#[derive(Clone, Copy)]
struct Of<'a> {
    name: &'a str,
    user: &'a str,
    session: &'a str,
    conversation: &'a str,
    tag: &'a str,
    status: &'a str,
    question: &'a str,
    answer: &'a str,
    took_ms: i64,
    /// None is unpriced.
    cost_usd: Option<f64>,
}

const OF: Of<'_> = Of {
    name: "support_agent",
    user: "cus_1",
    session: "chat_1",
    conversation: "thread_1",
    tag: "shop",
    status: "ok",
    question: "Where is my order?",
    answer: "It has shipped.",
    took_ms: 1200,
    cost_usd: Some(0.0042),
};

fn trace(id: &str, start: Timestamp, of: Of<'_>) -> Vec<Value> {
    let mut recorder = fixture::Recorder::new(id, of.name, start, &json!(of.question));
    let failed = of.status == "error";
    // One that no table of prices knows.
    let model = if of.cost_usd.is_some() {
        "gpt-4.1-mini"
    } else {
        "of-the-house"
    };
    let refused = json!({ "type": "RefundError", "message_preview": "the refund was refused" });
    recorder.span(&fixture::Span {
        id: "root",
        kind: "agent",
        name: of.name,
        took_us: Some(of.took_ms * 1000),
        status: of.status,
        raw: json!({ "input": of.question, "output": of.answer }),
        error: if failed { refused.clone() } else { Value::Null },
        ..fixture::Span::default()
    });
    recorder.span(&fixture::Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name: "chat",
        at_us: 100,
        took_us: Some(of.took_ms * 900),
        raw: json!({ "input": of.question, "output": of.answer }),
        model: json!({ "provider": "openai", "model": model }),
        usage: json!({ "input_tokens": 900, "output_tokens": 100, "total_tokens": 1000, "cost_usd": of.cost_usd }),
        ..fixture::Span::default()
    });
    let failure = if failed { refused } else { Value::Null };
    recorder.end(of.took_ms * 1000, of.status, &json!(of.answer), &failure);
    let mut events = recorder.into_events();
    events[0]["context"] = json!({
        "user_id": of.user, "session_id": of.session, "conversation_id": of.conversation,
    });
    events[0]["attributes"] = json!({ "tags": [of.tag] });
    events
}

/// Some minutes ago, so that nothing lies in the future.
fn ago(minutes: i64) -> Timestamp {
    Timestamp::now() - minutes.minutes()
}

/// A week of a small shop.
fn week(server: &TestServer) {
    let names = ["support_agent", "research_team", "invoice_reader", "router"];
    let questions = [
        "Where is my order A-1? It was due on Tuesday.",
        "Πού είναι η παραγγελία μου;",
        "Compare these three heat pumps for a house of 1962, with sources.",
        "请把这张发票的金额读出来",
        "Cancel it. I want a refund 😡",
    ];
    let mut events = Vec::new();
    for at in 0..180_i64 {
        let user = format!("cus_{}", at % 7);
        let session = format!("chat_{}", at / 3);
        let conversation = format!("thread_{}", at / 6);
        let of = Of {
            name: names[(at % 4) as usize],
            user: &user,
            session: &session,
            conversation: &conversation,
            tag: ["shop", "beta", "nightly"][(at % 3) as usize],
            status: if at % 11 == 3 { "error" } else { "ok" },
            question: questions[(at % 5) as usize],
            took_ms: 300 + (at * 7919) % 5200,
            cost_usd: (at % 9 != 0).then_some(0.0008 + 0.0003 * (at % 13) as f64),
            ..OF
        };
        let minutes = 3 + at * 56 + (at * at) % 37 - 40 * i64::from(at % 8 == 2);
        events.extend(trace(&format!("trace-{at}"), ago(minutes.max(1)), of));
    }
    server.take(&events);
}

const ROWS: &str = "document.querySelectorAll('tbody[data-rows] tr').length";
const READY: &str = "document.querySelector('main')?.dataset.ready";
const FILTER: &str = "(new URLSearchParams(location.search).get('filter') ?? '')";
const BOX: &str = "document.querySelector('[data-filter]').value";
const FOLLOWS: &str = "document.querySelector('[data-live]').dataset.state === 'on'";

#[track_caller]
fn open(page: &Page, server: &TestServer, path: &str) {
    page.open(&server.url(path));
    page.wait("the page is ready", READY);
}

#[track_caller]
fn follow(page: &Page, server: &TestServer, path: &str) {
    open(page, server, path);
    page.wait("the page follows", FOLLOWS);
}

/// Presses a key while Shift is held.
fn shifted(page: &Page, key: &str) {
    for kind in ["rawKeyDown", "keyUp"] {
        page.call(
            "Input.dispatchKeyEvent",
            &json!({ "type": kind, "key": key, "modifiers": 8 }),
        );
    }
}

fn mouse(page: &Page, kind: &str, x: f64, y: f64) {
    page.call(
        "Input.dispatchMouseEvent",
        &json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 }),
    );
}

fn number(page: &Page, expression: &str) -> f64 {
    page.eval(expression).as_f64().unwrap()
}

#[test]
fn a_filter_is_completed_by_keys() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace("a", ago(5), OF));
    server.take(&trace(
        "b",
        ago(4),
        Of {
            status: "error",
            ..OF
        },
    ));
    open(&page, &server, "/");
    page.press("/");
    page.write("sta");
    let labels = "[...document.querySelectorAll('#completions [role=option]')].map((o) => o.querySelector('.label').textContent).join('|')";
    page.wait(
        "completions open",
        &format!("{labels}.startsWith('status')"),
    );
    let state = |name: &str| {
        page.eval(&format!(
            "document.querySelector('[data-filter]').getAttribute('{name}')"
        ))
    };
    assert_eq!(state("aria-expanded"), "true");
    assert_eq!(state("aria-activedescendant"), Value::Null);
    page.press("ArrowDown");
    assert_eq!(state("aria-activedescendant"), "completion-0");
    assert_eq!(
        page.eval("document.getElementById('completion-0').ariaSelected"),
        "true"
    );
    page.press("Enter");
    assert_eq!(page.text(BOX), "status:");
    page.wait("values come", &format!("{labels}.includes('error')"));
    page.picture("completions");
    page.write("e");
    page.wait("they narrow down", &format!("{labels} === 'error'"));
    page.press("Tab");
    assert_eq!(page.text(BOX).trim(), "status:error");
    assert_eq!(state("aria-expanded"), "false");
    page.write(" mod");
    page.wait("they are open again", &format!("{labels} === 'model'"));
    page.press("Escape");
    assert_eq!(
        page.eval("document.activeElement === document.querySelector('[data-filter]')"),
        true,
        "the first Esc closes the list alone"
    );
    page.press("Escape");
    page.wait(
        "the second leaves the box",
        "document.activeElement === document.body",
    );

    page.press("/");
    page.write("status:error");
    page.press("Enter");
    page.wait(
        "it is filtered",
        &format!("{FILTER} === 'status:error' && {READY} && {ROWS} === 1"),
    );
    page.eval("history.back()");
    page.wait("back to all", &format!("{FILTER} === '' && {ROWS} === 2"));
    // What was used before is offered.
    open(&page, &server, "/");
    page.press("/");
    page.wait(
        "recent filters",
        &format!("{labels}.split('|')[0] === 'status:error'"),
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn the_place_of_a_mistake_is_shown() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace("a", ago(5), OF));
    open(
        &page,
        &server,
        "/?filter=status%3Aok%20cost%3Eμuch%20refund",
    );
    assert_eq!(
        page.text("document.querySelector('.problem mark').textContent"),
        "μuch"
    );
    let problem = page.text("document.querySelector('[role=alert]').innerText");
    assert!(problem.contains("`μuch` is no number"), "{problem}");
    assert_eq!(
        page.text("(() => { const box = document.activeElement; return box.value.slice(box.selectionStart, box.selectionEnd); })()"),
        "μuch",
        "the caret is there"
    );
    assert_eq!(
        page.text("document.getElementById(document.activeElement.getAttribute('aria-describedby')).getAttribute('role')"),
        "alert"
    );
    // The place is right below the same place in the box.
    let text = number(
        &page,
        "document.querySelector('.problem pre').getBoundingClientRect().left",
    );
    let inside = number(
        &page,
        "(() => { const box = document.querySelector('[data-filter]'); const style = getComputedStyle(box); return box.getBoundingClientRect().left + parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth); })()",
    );
    assert!((text - inside).abs() < 1.0, "{text} and {inside}");
    page.picture("mistake");
    page.size(390, 844);
    page.picture("mistake-390");
    page.size(1280, 800);
    page.write("0.001");
    page.press("Enter");
    page.wait(
        "corrected",
        &format!("{FILTER} === 'status:ok cost>0.001 refund'"),
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_range_of_time_is_part_of_the_filter() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace("now", ago(5), OF));
    server.take(&trace("hours", ago(5 * 60), OF));
    server.take(&trace("days", ago(4 * 24 * 60), OF));
    open(&page, &server, "/?filter=user:cus_1");
    let choose = |words: &str, rows: usize| {
        page.eval(&format!(
            "[...document.querySelectorAll('.ranges nav a')].find((a) => a.textContent === '{words}').click()"
        ));
        page.wait(
            words,
            &format!("{READY} && document.querySelector('.ranges nav [aria-current]')?.textContent === '{words}' && {ROWS} === {rows}"),
        );
    };
    choose("1h", 1);
    assert_eq!(page.text(BOX), "user:cus_1 since:1h");
    choose("24h", 2);
    assert_eq!(page.text(BOX), "user:cus_1 since:24h");
    choose("7d", 3);
    choose("All", 3);
    assert_eq!(page.text(BOX), "user:cus_1");

    page.eval("document.querySelector('.ranges summary').click()");
    page.eval("const from = new Date(Date.now() - 10 * 3600e3); const two = (n) => String(n).padStart(2, '0');
        document.querySelector('[name=from]').value = `${from.getFullYear()}-${two(from.getMonth() + 1)}-${two(from.getDate())}T${two(from.getHours())}:${two(from.getMinutes())}`;
        document.querySelector('[name=to]').value = '';");
    page.picture("range-custom");
    page.eval("document.querySelector('[data-custom] button').click()");
    page.wait("the range is set", &format!("{READY} && {ROWS} === 2"));
    let filter = page.text(BOX);
    assert!(filter.starts_with("user:cus_1 since:20"), "{filter}");
    assert_eq!(
        page.text("document.querySelector('.ranges summary').getAttribute('aria-current')"),
        "true"
    );
    // Nothing passes: the way out is offered.
    open(&page, &server, "/?filter=user%3Anobody%20since%3A1h");
    let words = page.text("document.querySelector('main').innerText");
    assert!(
        words.contains("No trace matches") && words.contains("Search all times"),
        "{words}"
    );
    page.picture("no-match");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn charts_tell_their_numbers_and_choose_a_range() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    week(&server);
    follow(&page, &server, "/?filter=since:7d");
    page.picture("list");
    for dark in [true, false] {
        page.dark(dark);
        page.picture(if dark { "list-dark" } else { "list" });
    }
    let labels = page.text("[...document.querySelectorAll('.plot svg[role=img]')].map((svg) => svg.getAttribute('aria-label')).join('\\n')");
    for part in [
        "Traces over time: 180, of which 17 failed",
        "Latency over time: half",
        "Tokens over time",
        "Cost over time: $",
    ] {
        assert!(labels.contains(part), "{part} is not in {labels}");
    }
    let sum = number(
        &page,
        "[...document.querySelectorAll('[data-numbers] tr')].reduce((sum, row) => sum + Number(row.cells[1].textContent), 0)",
    );
    let all = page.text("document.querySelector('[data-total] td').textContent");
    assert_eq!(sum.to_string(), all, "the table has all of them");

    // By mouse: a bucket's numbers, then a range.
    let value = "document.querySelector('[data-plot=traces] [data-value]').textContent";
    let area = |part: &str| {
        number(
            &page,
            &format!(
                "document.querySelector('[data-plot=cost] .area').getBoundingClientRect().{part}"
            ),
        )
    };
    let (left, width, y) = (area("left"), area("width"), area("top") + 10.0);
    mouse(&page, "mouseMoved", left + width * 0.5, y);
    page.wait(
        "the bucket is shown",
        "document.querySelector('.chart-axis [data-at]').textContent",
    );
    let bucket = page
        .text("document.querySelector('[data-numbers] tr[data-at=\"30\"] td')?.textContent ?? '0'");
    assert_eq!(page.text(value), bucket);
    page.picture("chart-hover");
    mouse(&page, "mousePressed", left + width * 0.5, y);
    mouse(&page, "mouseMoved", left + width * 0.75, y);
    page.wait("a range is chosen", "Number(document.querySelector('[data-plot=traces] rect.span').getAttribute('width')) === 160");
    page.picture("chart-brush");
    mouse(&page, "mouseReleased", left + width * 0.75, y);
    page.wait(
        "the range is shown",
        &format!("{FILTER}.includes('until:') && {READY}"),
    );
    let filter = page.text(FILTER);
    assert!(
        filter.starts_with("since:20") && !filter.contains("7d"),
        "{filter}"
    );
    let rows = number(&page, ROWS);
    assert!(rows > 10.0 && rows < 90.0, "{rows}");

    // By keys.
    open(&page, &server, "/?filter=tag:shop");
    page.press("c");
    let valuetext = "document.activeElement.getAttribute('aria-valuetext')";
    assert_eq!(
        page.text("document.activeElement.getAttribute('role')"),
        "slider"
    );
    assert!(
        page.text(valuetext).contains("traces"),
        "{}",
        page.text(valuetext)
    );
    page.press("Home");
    assert_eq!(
        page.text("document.activeElement.getAttribute('aria-valuenow')"),
        "0"
    );
    for _ in 0..9 {
        shifted(&page, "ArrowRight");
    }
    page.press("Enter");
    page.wait(
        "the range is shown",
        &format!("{FILTER}.startsWith('tag:shop since:20') && {READY}"),
    );

    // What comes is drawn.
    follow(&page, &server, "/?filter=tag:new");
    assert_eq!(page.text(value), "0");
    let height = number(
        &page,
        "document.querySelector('[data-charts]').getBoundingClientRect().bottom",
    );
    server.take(&trace("new", ago(1), Of { tag: "new", ..OF }));
    page.wait("it is drawn", &format!("{value} === '1' && {ROWS} === 1"));
    assert_eq!(
        number(
            &page,
            "document.querySelector('[data-charts]').getBoundingClientRect().bottom"
        ),
        height,
        "nothing moves"
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn cells_lead_to_those_that_have_the_same() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace("a", ago(5), OF));
    server.take(&trace(
        "b",
        ago(4),
        Of {
            user: "Ada L.",
            tag: "vip",
            cost_usd: None,
            ..OF
        },
    ));
    open(&page, &server, "/?filter=support");
    let cost = "document.querySelector('tr[data-trace=\"b\"] .c-cost').textContent";
    assert_eq!(page.text(cost), "–", "what has no price is not free");
    page.eval("document.querySelector('tr[data-trace=\"b\"] .c-user a').click()");
    page.wait(
        "the user's",
        &format!("{READY} && {FILTER} === 'support user:\"Ada L.\"' && {ROWS} === 1"),
    );
    assert_eq!(
        page.text("document.querySelector('.listbar .of').getAttribute('href')"),
        "/users/Ada%20L."
    );
    page.press("j");
    page.press("f");
    page.press("t");
    page.wait(
        "the tag's",
        &format!("{READY} && {FILTER} === 'support user:\"Ada L.\" tag:vip'"),
    );
    page.press("j");
    page.press("f");
    page.press("s");
    page.wait(
        "the status's",
        &format!("{READY} && {FILTER}.endsWith('status:ok')"),
    );
    assert_eq!(number(&page, ROWS), 1.0);

    // Columns are put away, and stay so.
    page.eval("document.querySelector('[data-columns] summary').click()");
    page.picture("columns");
    page.eval("document.querySelector('[data-columns] [name=user]').click()");
    let shown = "getComputedStyle(document.querySelector('td.c-user')).display !== 'none'";
    assert_eq!(page.eval(shown), false);
    page.press("Escape");
    page.wait(
        "the menu closes",
        "!document.querySelector('[data-columns]').open",
    );
    page.scripts(false);
    page.open(&server.url("/"));
    assert_eq!(page.count("table.no-user"), 1, "the server knows");
    page.scripts(true);
    open(&page, &server, "/");
    page.eval("document.querySelector('[data-columns] [name=user]').click()");
    assert_eq!(page.eval(shown), true);
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn what_is_new_does_not_move_what_is_read() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let mut events = Vec::new();
    for at in 0..130 {
        events.extend(trace(&format!("old-{at}"), ago(10 + at), OF));
    }
    server.take(&events);
    follow(&page, &server, "/");
    page.eval("scrollTo(0, 900)");
    let place = "Math.round(document.querySelector('tr[data-trace=\"old-40\"]').getBoundingClientRect().top)";
    let before = page.eval(place);
    let news = "document.querySelector('[data-news]')?.textContent ?? ''";
    server.take(&trace("new-1", ago(1), OF));
    page.wait("it is said", &format!("({news}) === '1 new'"));
    server.take(&trace("new-2", ago(1), OF));
    page.wait("and counted", &format!("({news}) === '2 new'"));
    assert_eq!(page.eval(place), before, "what is read has moved");
    page.picture("news");
    page.press(".");
    page.wait(
        "up to them",
        "scrollY === 0 && !document.querySelector('[data-news]')",
    );

    open(&page, &server, "/");
    page.press("]");
    page.wait(
        "the second page",
        &format!("location.search.includes('cursor') && {READY} && {ROWS} === 32 && {FOLLOWS}"),
    );
    server.take(&trace("new-3", Timestamp::now(), OF));
    page.wait("it is said there", &format!("({news}) === '1 new'"));
    assert_eq!(number(&page, ROWS), 32.0);
    page.press(".");
    page.wait(
        "the first page",
        &format!(
            "!location.search && {READY} && document.querySelector('tr[data-trace=\"new-3\"]')"
        ),
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_text_is_found_and_marked() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace(
        "a",
        ago(5),
        Of {
            answer: "The Refund of 12,99 € is on its way.",
            ..OF
        },
    ));
    server.take(&trace("b", ago(4), OF));
    open(&page, &server, "/?filter=refund");
    page.wait("one is found", &format!("{ROWS} === 1"));
    assert_eq!(
        page.text("document.querySelector('a.found mark').textContent"),
        "Refund"
    );
    page.picture("found");
    page.size(390, 844);
    page.picture("found-390");
    page.size(1280, 800);
    page.eval("document.querySelector('a.found').click()");
    page.wait("the trace opens", "location.pathname === '/traces/a'");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn sessions_and_conversations_show_their_turns() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    follow(&page, &server, "/sessions");
    let words = page.text("document.querySelector('main').innerText");
    assert!(
        words.contains("No sessions yet") && words.contains(&server.url("")),
        "{words}"
    );
    page.picture("sessions-empty");
    server.take(&fixture::support_agent("first", ago(20)));
    page.wait("it fills by itself", &format!("{ROWS} === 1"));
    server.take(&trace(
        "second",
        ago(10),
        Of {
            session: "sess_9",
            question: "And now?",
            answer: "It has arrived.",
            ..OF
        },
    ));
    page.wait(
        "the row changes",
        "document.querySelector('tbody .c-spans').textContent === '2'",
    );
    page.press("j");
    page.press("Enter");
    page.wait(
        "the session opens",
        &format!("location.pathname === '/sessions/sess_9' && {READY} && {FOLLOWS}"),
    );
    let words = page.text("document.querySelector('main').innerText");
    let at = |part: &str| {
        words
            .find(part)
            .unwrap_or_else(|| panic!("{part} is not in {words}"))
    };
    assert!(at("It is delayed.") < at("And now?"), "{words}");
    assert!(at("And now?") < at("It has arrived."), "{words}");
    for part in [
        "RefundError",
        "helpful",
        "false",
        "4.21 s",
        "$0.0042",
        "2450",
        "all 2 turns",
    ] {
        at(part);
    }
    page.picture("session");
    page.dark(true);
    page.picture("session-dark");
    page.dark(false);
    let running = fixture::running("third", ago(1));
    server.take(
        &running
            .into_iter()
            .map(|mut event| {
                if let Some(context) = event.get_mut("context") {
                    context["session_id"] = json!("sess_9");
                }
                event
            })
            .collect::<Vec<_>>(),
    );
    page.wait("a turn comes", "document.querySelectorAll('.turn').length === 3 && document.querySelector('.turn:last-child .status.running')");

    // Many turns: bounded, and what is left out is said.
    let mut events = Vec::new();
    for turn in 0..60 {
        events.extend(trace(
            &format!("t{turn}"),
            ago(500 - turn),
            Of {
                conversation: "long",
                ..OF
            },
        ));
    }
    server.take(&events);
    open(&page, &server, "/conversations/long");
    let turns = "document.querySelectorAll('.turn').length";
    let note = "document.querySelector('[data-pager]').innerText";
    assert_eq!(number(&page, turns), 25.0);
    assert!(
        page.text(note).contains("the first 25 of 60 turns"),
        "{}",
        page.text(note)
    );
    page.press("]");
    page.wait(
        "later ones",
        &format!("location.search.includes('after') && {READY}"),
    );
    page.eval("[...document.querySelectorAll('[data-pager] a')].find((a) => a.textContent === 'Last turns').click()");
    page.wait(
        "the last ones",
        &format!("location.search.includes('last') && {READY}"),
    );
    assert_eq!(
        page.text("document.querySelector('.turn:last-child').dataset.trace"),
        "t59"
    );
    assert!(page.text(note).contains("the last 25 of 60 turns"));

    page.open(&server.url("/sessions/nowhere"));
    assert!(
        page.text("document.body.innerText")
            .contains("No such session")
    );
    let problems = page.problems();
    assert!(
        problems.iter().all(|problem| problem.contains("404")),
        "{problems:?}"
    );
}

#[test]
fn a_user_has_a_page() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    week(&server);
    let mut events = fixture::support_agent("judged", ago(2));
    events[0]["context"] = json!({
        "user_id": "cus_1", "session_id": "chat_1", "user_traits": { "plan": "gold" }, "account_id": "acc_7",
    });
    server.take(&events);
    open(&page, &server, "/users");
    assert_eq!(number(&page, ROWS), 7.0);
    page.picture("users");
    page.press("j");
    page.press("Enter");
    page.wait(
        "the user's page",
        &format!("location.pathname === '/users/cus_1' && {READY}"),
    );
    let words = page.text("document.querySelector('main').innerText");
    for part in [
        "gold",
        "acc_7",
        "The last 20 of",
        "Sessions",
        "Conversations",
        "helpful",
        "Feedback and signals",
    ] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    page.picture("user");
    // The trace leads back.
    open(&page, &server, "/traces/judged");
    assert_eq!(
        number(
            &page,
            "document.querySelectorAll('#facts a[href=\"/users/cus_1\"], #facts a[href=\"/sessions/chat_1\"]').length"
        ),
        2.0
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn two_keys_lead_to_every_place() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&trace("a", ago(5), OF));
    open(&page, &server, "/traces/a");
    let current =
        "[...document.querySelectorAll('.places [aria-current]')].map((a) => a.textContent).join()";
    assert_eq!(page.text(current), "Traces");
    for (key, path, name) in [
        ("s", "/sessions", "Sessions"),
        ("u", "/users", "Users"),
        ("r", "/runs", "Runs"),
        ("t", "/", "Traces"),
    ] {
        page.press("g");
        page.press(key);
        page.wait(path, &format!("location.pathname === '{path}' && {READY}"));
        assert_eq!(page.text(current), name);
        page.press("?");
        page.wait("help opens", "document.getElementById('help').open");
        let help = page.text("document.getElementById('help').innerText");
        assert!(
            help.contains("go to traces, sessions, users, runs"),
            "{help}"
        );
        page.press("Escape");
        page.wait("help closes", "!document.getElementById('help').open");
    }
    page.press("?");
    let help = page.text("document.getElementById('help').innerText");
    for part in ["conversation", "how long it took", "grader", "completion"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    page.picture("help");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn runs_follow_too() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let json = [("content-type", "application/json")];
    follow(&page, &server, "/runs");
    page.picture("runs-empty");
    assert_eq!(
        server
            .put("/v1/runs/run_7", r#"{"phase":"train"}"#, &json)
            .status,
        204
    );
    page.wait("the run comes", &format!("{ROWS} === 1"));
    page.press("j");
    page.press("Enter");
    page.wait(
        "the run opens",
        &format!("location.pathname === '/runs/run_7' && {READY} && {FOLLOWS}"),
    );
    assert_eq!(
        server.put("/v1/runs/run_7/steps/3", "{}", &json).status,
        204
    );
    page.wait("its step comes", &format!("{ROWS} === 1"));
    let ((), captured) = testing::capture(|| {
        for step in 0..4_u32 {
            for (at, datapoint) in ["gsm8k/117", "gsm8k/12", "gsm8k/9"].iter().enumerate() {
                let meta = RunMeta::new(*datapoint, Phase::Train)
                    .run_id("run_7")
                    .step_number(u64::from(step))
                    .env_name("maths")
                    .grader_name("exact");
                trace_run(meta).unwrap().in_scope(|rollout| {
                    rollout.log(Message::user("What is 17 times 23?"));
                    rollout.log(Message::assistant("391"));
                    rollout.score(Score::new((at as f64 + f64::from(step)) / 6.0));
                    if at == 2 && step % 2 == 0 {
                        rollout.set_status(Status::Truncated, "too long");
                    }
                });
            }
        }
    });
    server.take(&captured.events);
    let facts = "document.querySelector('.run-facts').innerText";
    page.wait(
        "its rollouts come",
        &format!("{ROWS} === 4 && {facts}.includes('12')"),
    );
    let paths = [
        ("runs", "/runs"),
        ("run", "/runs/run_7"),
        ("datapoints", "/runs/run_7/datapoints?step=2"),
    ];
    for (name, path) in paths {
        for (width, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
            page.size(width, 800);
            page.dark(dark);
            open(&page, &server, path);
            let wide = number(&page, "document.documentElement.scrollWidth");
            assert!((wide - f64::from(width)).abs() < 0.5, "{path}: {wide}");
            let shade = if dark { "-dark" } else { "" };
            page.picture(&format!("{name}-{width}{shade}"));
        }
    }
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn captured_markup_stays_text_in_lists() {
    const MARKUP: &str = "\"'><img src=x onerror=window.broken=1>";
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let of = Of {
        name: MARKUP,
        user: MARKUP,
        session: MARKUP,
        conversation: MARKUP,
        tag: MARKUP,
        question: MARKUP,
        answer: MARKUP,
        ..OF
    };
    server.take(&trace("a", ago(5), of));
    let id = "%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.broken%3D1%3E";
    let (user, session, thread) = (
        format!("/users/{id}"),
        format!("/sessions/{id}"),
        format!("/conversations/{id}"),
    );
    let wrong = format!("/?filter=colour:{id}");
    let found = "/?filter=onerror%3Dwindow";
    for path in [
        "/",
        "/sessions",
        "/conversations",
        "/users",
        &user,
        &session,
        &thread,
        &wrong,
        found,
    ] {
        open(&page, &server, path);
        if path != found {
            assert!(
                page.text("document.querySelector('main').innerHTML")
                    .contains("&lt;img"),
                "{path}"
            );
        }
        assert_eq!(page.eval("window.broken ?? null"), Value::Null, "{path}");
        assert_eq!(
            page.eval("document.querySelectorAll('main img, main [onerror]').length"),
            0,
            "{path}"
        );
        assert_eq!(page.problems(), [""; 0], "{path}");
    }
    // Completions are text as well.
    open(&page, &server, "/");
    page.press("/");
    page.write("user:");
    page.wait(
        "values come",
        "document.querySelector('#completions').textContent.includes('<img')",
    );
    assert_eq!(page.eval("document.querySelectorAll('main img').length"), 0);
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn lists_are_read_without_scripts_and_on_narrow_screens() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    week(&server);
    page.size(390, 844);
    let paths = [
        ("list", "/"),
        ("list-wrong", "/?filter=colour%3Ared"),
        ("sessions", "/sessions"),
        ("conversations", "/conversations"),
        ("users", "/users"),
        ("session", "/sessions/chat_1"),
        ("conversation", "/conversations/thread_2"),
        ("user", "/users/cus_1"),
        ("runs", "/runs"),
    ];
    for (name, path) in paths {
        open(&page, &server, path);
        assert_eq!(
            number(&page, "document.documentElement.scrollWidth"),
            390.0,
            "{path} is wider than the screen"
        );
        page.picture(&format!("{name}-390"));
        page.dark(true);
        page.picture(&format!("{name}-390-dark"));
        page.dark(false);
    }
    page.size(1280, 800);
    page.scripts(false);
    page.open(&server.url("/?filter=since:7d"));
    assert_eq!(page.count("tbody[data-rows] tr"), 100);
    assert_eq!(page.count(".plot svg[role=img] path:not(.most)"), 7);
    page.picture("no-scripts");
    // The form of a range is answered by the list of that range.
    let answer = server.get("/?filter=tag%3Ashop+since%3A7d&from=2026-01-01T00%3A00&to=");
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.headers["location"],
        "/?filter=tag%3Ashop%20since%3A2026-01-01T00%3A00%3A00Z"
    );
    for (_, path) in paths {
        page.open(&server.url(path));
        assert_eq!(page.count("main"), 1, "{path}");
    }
}

#[test]
fn extreme_content_stays_in_its_place() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let (name, long) = ("n".repeat(200), "x".repeat(10_000));
    let id = "i".repeat(190);
    let of = Of {
        name: &name,
        user: &id,
        session: &id,
        conversation: &id,
        tag: &id,
        question: "أين طلبي؟ كان من المفترض أن يصل يوم الثلاثاء 你好 😡👩‍👩‍👧 Ω",
        answer: &"line\n".repeat(200_000),
        ..OF
    };
    server.take(&trace("a", ago(5), of));
    server.take(&trace(
        "b",
        ago(4),
        Of {
            answer: &long,
            status: "error",
            ..of
        },
    ));
    for width in [1280, 390] {
        page.size(width, 844);
        for path in [
            "/".to_owned(),
            format!("/?filter=user:{id}"),
            "/sessions".to_owned(),
            "/users".to_owned(),
            format!("/sessions/{id}"),
            format!("/users/{id}"),
        ] {
            open(&page, &server, &path);
            let wide = number(&page, "document.documentElement.scrollWidth");
            assert!((wide - f64::from(width)).abs() < 0.5, "{path}: {wide}");
            page.picture(&format!("extreme-{width}-{}", path.len()));
        }
    }
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_row_has_room_for_one_tag_and_says_how_many_more_there_are() {
    let server = TestServer::start();
    let mut events = trace("tagged", ago(1), OF);
    events[0]["attributes"] = json!({ "tags": ["shop", "vip", "beta"] });
    server.take(&events);
    server.take(&trace("plain", ago(2), OF));
    let list = server.get("/").body;
    let row = |id: &str| {
        let row = list.split_once(&format!("data-trace=\"{id}\"")).unwrap().1;
        row.split_once("</tr>").unwrap().0.to_owned()
    };
    let tagged = row("tagged");
    assert!(
        tagged.contains(">shop</a>") && !tagged.contains(">vip<"),
        "{tagged}"
    );
    assert!(tagged.contains("title=\"vip, beta\">+2<"), "{tagged}");
    let plain = row("plain");
    assert!(
        plain.contains(">shop</a>") && !plain.contains(">+"),
        "{plain}"
    );
}
