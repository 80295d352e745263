//! Every page of the viewer for everybody: with a screen reader, by keyboard alone, in both themes, on a narrow screen,
//! without motion, without scripts.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use rollout_tests::{
    axe::Axe,
    browser::Page,
    pages::{House, Place},
};
use serde_json::Value;

/// Remembers in each page what tests ask about.
const WATCH: &str = include_str!("viewer_access/watch.js");

/// The widths of a laptop's window and of a telephone.
const SIZES: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// Presses of a key before a page counts as a trap.
const STOPS: usize = 1500;

/// The lines that an expression gives.
fn lines(page: &Page, expression: &str) -> Vec<String> {
    let lines = page.eval(expression);
    let lines = lines.as_array().cloned().unwrap_or_default();
    lines
        .iter()
        .map(|line| {
            line.as_str()
                .map_or_else(|| line.to_string(), str::to_owned)
        })
        .collect()
}

/// Fails with everything that was found, once for each.
#[track_caller]
fn nothing(found: &[String]) {
    let mut found = found.to_vec();
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn checkers_of_accessibility_find_nothing() {
    let Some(page) = Page::start() else { return };
    let Some(axe) = Axe::find() else { return };
    let house = House::open();
    let mut found = Vec::new();
    for (width, height) in SIZES {
        page.size(width, height);
        for scheme in ["light", "dark"] {
            page.prefers(scheme, true);
            for place in house.places() {
                place.open(&page);
                let mut add = |state: &str| {
                    let findings = axe.findings(&page).into_iter();
                    found.extend(
                        findings
                            .map(|line| format!("{} {scheme} {width}{state}: {line}", place.name)),
                    );
                };
                add("");
                // What is folded is of the page too; it is the same in every width.
                if width == SIZES[0].0 {
                    page.eval(
                        "for (const fold of document.querySelectorAll('details:not(.menu)')) fold.open = true;
                         document.getElementById('help')?.showModal(); 1",
                    );
                    add(" unfolded");
                }
                assert_eq!(place.problems(&page), [""; 0], "{}", place.name);
            }
        }
    }
    nothing(&found);
}

/// Goes through a page by `Tab`, asks each link, button and fold whether it hears `Enter`, and comes out at the end.
fn walk(page: &Page, place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    page.eval("look.begin()");
    for count in 0.. {
        page.press("Tab");
        let stop = page.eval("look.stop()");
        if stop.is_null() {
            break;
        }
        if count == STOPS {
            found.push("has no end".to_owned());
            break;
        }
        let name = stop["name"].as_str().unwrap();
        for wrong in stop["wrong"].as_array().unwrap() {
            found.push(format!("{name} {}", wrong.as_str().unwrap()));
        }
        if stop["pressed"] == true {
            page.eval("look.ask()");
            page.press("Enter");
            if page.eval("look.answered()") != Value::Bool(true) {
                found.push(format!("{name} does not hear Enter"));
            }
        }
    }
    let missed = lines(page, "look.missed()").into_iter();
    found.extend(missed.map(|name| format!("{name} is not reached by Tab")));
    let pointed = lines(page, "look.pointerOnly()").into_iter();
    found.extend(pointed.map(|name| format!("{name} listens to pointers alone")));
    found
        .into_iter()
        .map(|line| format!("{}: {line}", place.name))
        .collect()
}

#[test]
fn the_keyboard_reaches_everything() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    page.before_each(WATCH);
    page.prefers("light", true);
    let mut found = Vec::new();
    for (width, height) in SIZES {
        page.size(width, height);
        for place in house.places() {
            place.open(&page);
            found.extend(walk(&page, &place));
            assert_eq!(place.problems(&page), [""; 0], "{}", place.name);
        }
    }
    nothing(&found);
}

#[test]
fn dialogs_give_the_focus_back() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    page.before_each(WATCH);
    for place in house.places() {
        place.open(&page);
        let has_help = "Boolean(document.getElementById('help') && document.querySelector('[data-help]')?.checkVisibility())";
        if page.eval(has_help) != Value::Bool(true) {
            // Pages that are not there say so in the log.
            place.problems(&page);
            page.problems();
            continue;
        }
        let name = place.name;
        // A page that says what is wrong with a filter has the focus there already.
        if page.eval("document.activeElement.matches('input')") == Value::Bool(true) {
            page.press("Escape");
        }
        page.eval("window.before = document.activeElement; 1");
        page.press("?");
        page.wait(&format!("{name}: help opens"), "help.open");
        for _ in 0..12 {
            page.press("Tab");
            let inside =
                "help.contains(document.activeElement) || document.activeElement === document.body";
            assert_eq!(
                page.eval(inside),
                true,
                "{name}: the focus leaves the dialog"
            );
        }
        page.press("j");
        page.press("Escape");
        page.wait(&format!("{name}: help closes"), "!help.open");
        // Where nothing had the focus, none is lost.
        let back = "document.activeElement === before || before === document.body";
        assert_eq!(page.eval(back), true, "{name}: the focus is lost");

        page.eval("document.querySelector('[data-help]').focus()");
        page.press("Enter");
        page.wait(&format!("{name}: help opens by its button"), "help.open");
        page.press("Escape");
        page.wait(&format!("{name}: help closes"), "!help.open");
        let back = "document.activeElement.matches('[data-help]')";
        assert_eq!(
            page.eval(back),
            true,
            "{name}: the button has lost the focus"
        );
        assert_eq!(place.problems(&page), [""; 0], "{name}");
    }
}

#[test]
fn nothing_moves_when_a_page_is_loaded() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    page.before_each(WATCH);
    let mut found = Vec::new();
    for (width, height) in SIZES {
        page.size(width, height);
        for place in house.places() {
            place.open(&page);
            let at = format!("{} {width}", place.name);
            let shifts = lines(&page, "look.shifts").into_iter();
            found.extend(shifts.map(|shift| format!("{at}: shifted by {shift}")));
            let early = lines(&page, "look.waiting").into_iter();
            found.extend(early.map(|what| format!("{at}: says that it waits: {what}")));
        }
    }
    nothing(&found);
}

#[test]
fn nothing_moves_by_itself_for_who_wants_that() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    page.before_each(WATCH);
    let moving = |page: &Page, place: &Place| {
        lines(page, "look.moving()")
            .into_iter()
            .map(|line| format!("{}: {line}", place.name))
            .collect::<Vec<_>>()
    };
    let mut others = 0;
    let mut found = Vec::new();
    for reduced in [false, true] {
        page.prefers("light", reduced);
        for place in house.places() {
            place.open(&page);
            if reduced {
                found.extend(moving(&page, &place));
            } else {
                others += moving(&page, &place).len();
            }
        }
    }
    nothing(&found);
    assert!(others > 0, "what runs is not seen to run by anybody");
}

#[test]
fn pages_say_what_they_are() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    let mut titles = Vec::new();
    for place in house.places() {
        place.open(&page);
        let name = place.name;
        let title = page.text("document.title");
        assert!(title.ends_with(" · rollout"), "{name}: {title:?}");
        if !place.url.contains('#') {
            titles.push((title, place.url.clone()));
        }
        let heads = lines(
            &page,
            "[...document.querySelectorAll('h1')].map((h1) => h1.textContent)",
        );
        assert_eq!(heads.len(), 1, "{name}: {heads:?}");
        assert_eq!(page.eval("document.documentElement.lang"), "en", "{name}");
        let mains = "document.querySelectorAll('main').length";
        assert_eq!(page.eval(mains), 1, "{name}");
    }
}

#[test]
fn no_page_offers_what_needs_scripts_to_who_has_none() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    page.scripts(false);
    for place in house.places() {
        let name = place.name;
        page.open(&place.url);
        assert_eq!(page.count("main h1"), 1, "{name}: nothing to read");
        let dead = "button[type=button]:not([hidden], [hidden] *)";
        assert_eq!(page.count(dead), 0, "{name}: a button that does nothing");
        let dialogs = page.count("dialog[open]");
        assert_eq!(dialogs, 0, "{name}");
        page.picture(&format!("no-scripts-{name}"));
    }
}
