//! The page of two traces as a person uses it, in a real browser.

use jiff::{Timestamp, ToSpan};
use rollout_tests::{browser::Page, compare::support_runs, fixture, server::TestServer};
use serde_json::{Value, json};

const READY: &str = "document.querySelector('main')?.dataset.ready";
const PANE: &str = "(document.querySelector('#pane .name')?.textContent ?? '')";
/// What is selected.
const SELECTED: &str = "(document.querySelector('[data-step][aria-current]')?.textContent ?? '')";

fn start() -> Timestamp {
    Timestamp::now() - 5.minutes()
}

fn served() -> TestServer {
    let server = TestServer::start();
    let (a, b) = support_runs("run-a", "run-b", start());
    server.take(&a);
    server.take(&b);
    server
}

/// Every row that is shown: its mark in words, its name and what differs.
const ROWS: &str = "[...document.querySelectorAll('tr[data-row]')].map((row) =>
    [row.className.split(' ')[0], row.querySelector('.label').textContent, row.querySelector('.what').textContent]
        .filter(Boolean).join(' ')).join('|')";

#[test]
fn two_runs_are_compared_by_keyboard() {
    let Some(page) = Page::start() else { return };
    let server = served();
    page.open(&server.url("/compare?a=run-a&b=run-b"));
    page.wait("the page is ready", READY);
    assert_eq!(
        page.text(ROWS),
        "changed The whole trace output, status, error|changed support_agent output, status, error|unchanged plan|\
         unchanged chat|changed lookup_order output|changed chat input, output|removed issue_refund only in A|\
         added reship_order only in B"
    );
    // Whoever comes sees where they part.
    assert_eq!(page.text(SELECTED), "lookup_order");
    let words = page.text("document.getElementById('pane').innerText");
    for part in ["delayed", "lost", "in Leipzig", "95 ms"] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    assert_eq!(
        page.text("[...document.querySelectorAll('.halves del')].map((mark) => mark.textContent).join('|')"),
        "delayed|\", \"in Leipzig"
    );
    let head = page.text("document.querySelector('.sides').innerText");
    for part in ["2.16 s", "2.04 s", "error", "ok"] {
        assert!(head.contains(part), "{part} is not in {head}");
    }
    page.picture("compare");
    page.dark(true);
    page.picture("compare-dark");
    page.dark(false);

    page.press("n");
    page.wait(
        "the next difference",
        &format!("{PANE} === 'chat' && {SELECTED} === 'chat'"),
    );
    let words = page.text("document.getElementById('pane').innerText");
    for part in ["input", "and 2 more, the same", "tool", "The order is"] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    page.picture("compare-conversation");
    page.press("n");
    page.wait("what was removed", &format!("{PANE} === 'issue_refund'"));
    assert!(
        page.text("document.getElementById('pane').innerText")
            .contains("Only A has this step")
    );
    page.press("n");
    page.wait("what was added", &format!("{PANE} === 'reship_order'"));
    page.press("p");
    page.press("p");
    page.press("p");
    page.wait("back", &format!("{PANE} === 'lookup_order'"));
    assert!(page.text("location.search").contains("row=3"));
    page.press("k");
    page.wait("a step that is the same", &format!("{PANE} === 'chat'"));
    assert!(
        page.text("document.getElementById('pane').innerText")
            .contains("Nothing differs")
    );
    page.press("d");
    page.wait(
        "the first divergence",
        &format!("{PANE} === 'lookup_order'"),
    );
    page.press("Enter");
    assert_eq!(page.text("document.activeElement.id"), "pane");
    page.press("Escape");
    assert_eq!(
        page.text("document.activeElement.textContent"),
        "lookup_order"
    );

    page.press("f");
    page.wait(
        "only differences",
        &format!("location.search.includes('only=differences') && {READY}"),
    );
    assert!(!page.text(ROWS).contains("plan"), "{}", page.text(ROWS));
    assert!(
        page.text("document.querySelector('.gap').textContent")
            .contains("2 unchanged steps")
    );
    page.picture("compare-only");
    page.press("f");
    page.wait(
        "all of them",
        &format!("!location.search.includes('only') && {READY}"),
    );
    page.press("s");
    page.wait(
        "swapped",
        &format!("location.search.startsWith('?a=run-b') && {READY}"),
    );
    assert!(page.text(ROWS).contains("removed reship_order"));
    page.press("?");
    page.wait("help opens", "document.getElementById('help').open");
    page.press("Escape");
    page.press("u");
    page.wait("back to the list", "location.pathname === '/'");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn the_second_trace_is_chosen_from_those_of_the_same_name() {
    let Some(page) = Page::start() else { return };
    let server = served();
    server.take(&fixture::large("other", start(), 3));
    page.open(&server.url("/traces/run-a"));
    page.wait("the page is ready", READY);
    page.eval("document.querySelector('[data-compare]').click()");
    page.wait("the choice", "location.pathname === '/compare'");
    let links = "[...document.querySelectorAll('.choose td a')].map((link) => link.getAttribute('href')).join('|')";
    assert_eq!(page.text(links), "/compare?a=run-a&b=run-b");
    page.picture("compare-choose");
    page.eval("document.querySelector('.choose td a').click()");
    page.wait("the comparison", READY);
    assert!(page.text(ROWS).contains("reship_order"));

    page.open(&server.url("/compare"));
    page.eval("document.querySelector('[name=a]').focus()");
    page.write("run-b");
    page.eval("document.querySelector('[name=b]').focus()");
    page.write("run-b");
    page.press("Enter");
    page.wait("the comparison", READY);
    assert!(
        page.text("document.querySelector('.counts').innerText")
            .contains("No difference that counts")
    );
    page.picture("compare-same");
    assert_eq!(page.problems(), [""; 0]);
    page.open(&server.url("/compare?a=run-a&b=nowhere"));
    assert!(
        page.text("document.body.innerText")
            .contains("no trace nowhere")
    );
}

#[test]
fn two_traces_are_picked_in_the_list() {
    let Some(page) = Page::start() else { return };
    let server = served();
    page.open(&server.url("/"));
    page.wait(
        "the list is drawn",
        "document.querySelectorAll('tr[data-trace]').length === 2",
    );
    let focused = "document.activeElement.closest('tr')?.dataset.trace ?? ''";
    page.press("j");
    page.press("x");
    let a = page.text(focused);
    page.press("j");
    let b = page.text(focused);
    assert_ne!(a, b);
    let bar = "(document.querySelector('[data-picked]')?.innerText ?? '')";
    assert!(page.text(bar).contains("A is picked"), "{}", page.text(bar));
    page.press("x");
    let picked = "[...document.querySelectorAll('tr[data-pick]')].map((row) => row.dataset.trace + row.dataset.pick).join('|')";
    assert_eq!(page.text(picked), format!("{a}A|{b}B"));
    page.picture("compare-picked");
    page.press("x");
    assert_eq!(page.text(picked), format!("{a}A"));
    page.press("x");
    page.press("v");
    page.wait(
        "the comparison",
        &format!("location.pathname === '/compare' && {READY}"),
    );
    assert_eq!(
        page.text("location.search")
            .split('&')
            .take(2)
            .collect::<Vec<_>>(),
        [format!("?a={a}"), format!("b={b}")]
    );
    page.open(&server.url("/"));
    page.wait(
        "the list is drawn",
        "document.querySelectorAll('tr[data-trace]').length === 2",
    );
    assert_eq!(
        page.text(bar),
        "",
        "what was compared is not picked any more"
    );
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn a_narrow_screen_has_one_column_of_text() {
    let Some(page) = Page::start() else { return };
    let server = served();
    page.size(390, 844);
    for (name, path) in [
        ("compare-390", "/compare?a=run-a&b=run-b"),
        ("compare-choose-390", "/compare?a=run-a"),
        ("compare-ids-390", "/compare"),
    ] {
        page.open(&server.url(path));
        page.picture(name);
        let wide = page.eval("document.documentElement.scrollWidth");
        assert_eq!(wide, 390, "{path} is wider than the screen");
    }
    page.open(&server.url("/compare?a=run-a&b=run-b"));
    let name = page.eval("document.querySelector('td.name').offsetWidth");
    assert!(name.as_u64() > Some(200), "{name} pixels for names");
    page.open(&server.url("/compare?a=run-a&b=run-b&row=4"));
    let shown = |table: &str| {
        page.eval(&format!(
            "document.querySelector('{table}').offsetHeight > 0"
        ))
    };
    assert_eq!(
        (shown(".lines.single"), shown(".lines.halves")),
        (json!(true), json!(false))
    );
    page.eval("document.getElementById('pane').scrollIntoView()");
    page.picture("compare-390-pane");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn comparisons_are_read_without_scripts() {
    let Some(page) = Page::start() else { return };
    let server = served();
    page.scripts(false);
    page.open(&server.url("/compare?a=run-a&b=run-b"));
    assert_eq!(page.count("tr[data-row]"), 8);
    assert_eq!(page.count("#pane del"), 4, "twice, of which one is shown");
    page.open(&server.url("/compare?a=run-a&b=run-b&row=whole&only=differences"));
    assert_eq!(page.count("tr.whole [aria-current]"), 1);
    assert_eq!(page.count("tr[data-row]"), 6);
}

#[test]
fn large_traces_are_compared_page_by_page() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::large("large-a", start(), 20_000));
    let mut other = fixture::large("large-b", start(), 20_000);
    for event in &mut other {
        let changed = ["s3303", "s3306", "s17003"].map(fixture::span_id);
        let of = event["span_id"].as_str().unwrap_or_default().to_owned();
        if changed.contains(&of) && event["event_type"] == "tool.result" {
            event["raw"] = json!({ "result": "something else" });
        }
    }
    server.take(&other);
    page.open(&server.url("/compare?a=large-a&b=large-b"));
    page.wait("the page is ready", READY);
    assert_eq!(page.text(SELECTED), "search");
    assert_eq!(page.count("tr[data-row]"), 401);
    let row = "(document.querySelector('tr:has([aria-current])')?.dataset.row ?? '')";
    let first = page.text(row);
    page.press("n");
    page.wait("the next one", &format!("{row} !== '{first}'"));
    page.press("n");
    page.wait(
        "on another page",
        &format!("Number({row}) > 16000 && {READY}"),
    );
    page.picture("compare-large");
    page.press("p");
    page.wait(
        "back on the first one",
        &format!("Number({row}) < 4000 && {READY}"),
    );
    page.press("f");
    page.wait(
        "only differences",
        &format!("location.search.includes('only') && {READY}"),
    );
    assert_eq!(page.count("tr[data-row]"), 7);
    page.picture("compare-large-only");
    assert_eq!(page.problems(), [""; 0]);
}

#[test]
fn captured_markup_stays_text() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&fixture::hostile("hostile-a", start()));
    let mut other = fixture::hostile("hostile-b", start());
    for event in &mut other {
        for part in ["input", "output"] {
            if event["raw"].get(part).is_some() {
                event["raw"][part] = json!(format!("{}\n{}", fixture::MARKUP, event["raw"][part]));
            }
        }
        if event["error"].is_object() {
            event["error"]["message_preview"] = json!(format!("other {}", fixture::MARKUP));
        }
    }
    server.take(&other);
    for row in ["whole", "0", "1"] {
        page.open(&server.url(&format!("/compare?a=hostile-a&b=hostile-b&row={row}")));
        page.wait("the page is ready", READY);
        assert!(
            page.text("document.body.innerText")
                .contains(fixture::MARKUP)
        );
        assert_eq!(page.eval("window.broken ?? null"), Value::Null, "{row}");
        let injected = "document.querySelectorAll('main img, main script, main [onload]').length";
        assert_eq!(page.eval(injected), 0, "{row}");
    }
    page.open(&server.url("/compare?a=hostile-a"));
    assert_eq!(page.eval("document.querySelectorAll('main img').length"), 0);
    assert_eq!(page.problems(), [""; 0]);
}
