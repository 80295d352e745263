//! How fast the page of a trace of 100,000 spans is, by the browser's own measure: `cargo run --release -p rollout-tests
//! --bin viewer_speed`, and behind `--` how many spans. Prints a table.
//!
//! The server is a process of its own, so that its memory can be told. Times are from the request of the page. Frames
//! are those of the compositor, by the browser's trace of itself, while the tree is scrolled by a wheel, flown through,
//! and walked by a key that is held down.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use jiff::{Timestamp, ToSpan as _};
use rollout_tests::browser::Page;
use rollout_tests::fixture;
use rollout_tests::server::TestServer;
use serde_json::{Value, json};

/// Views of the page, for times and for memory.
const VIEWS: usize = 60;

/// When the first row of the tree has been painted, in milliseconds from the start of the navigation.
const WATCH: &str = "new MutationObserver((_, watcher) => {
    if (!document.querySelector('#tree .row')) return;
    watcher.disconnect();
    requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { window.painted = performance.now(); }; port2.postMessage(0); });
}).observe(document, { subtree: true, childList: true });";

const READY: &str = "document.querySelector('main')?.dataset.ready && window.painted";

const CATEGORIES: &str = "cc,benchmark,viz,toplevel,devtools.timeline,disabled-by-default-devtools.timeline,disabled-by-default-devtools.timeline.frame";

/// The server, a process that ends when its input does.
struct Server {
    child: Child,
    url: String,
    _input: ChildStdin,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--serve")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let input = child.stdin.take().unwrap();
        let url = url.trim().to_owned();
        Self {
            child,
            url,
            _input: input,
        }
    }

    /// MiB that it holds in memory.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process of the server does.
fn serve(dir: &Path) {
    let server = TestServer::start_in(dir, &[]);
    println!("{}", server.url(""));
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The value below which that share of the values is.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = ((values.len() - 1) as f64 * share).round() as usize;
    values[at]
}

/// What became of the frames of a scroll.
#[derive(Default)]
struct Frames {
    presented: usize,
    dropped: usize,
    /// Seconds from the first to the last.
    seconds: f64,
    /// Tasks of the page's main thread over 50 ms, and the longest of all, in milliseconds.
    long: usize,
    longest: f64,
    /// Milliseconds between two frames in a row that the page has drawn.
    gaps: Vec<f64>,
}

impl Frames {
    fn read(events: &[Value]) -> Self {
        let mut frames = Self::default();
        let main: Vec<_> = events
            .iter()
            .filter(|event| event["args"]["name"] == "CrRendererMain")
            .map(|event| (event["pid"].clone(), event["tid"].clone()))
            .collect();
        let (mut first, mut last) = (f64::MAX, 0.0_f64);
        let mut shown = HashSet::new();
        for event in events {
            let at = event["ts"].as_f64().unwrap_or_default();
            if event["name"] == "PipelineReporter" {
                let reporter = &event["args"]["chrome_frame_reporter"];
                let reporter = if reporter.is_null() {
                    &event["args"]["frame_reporter"]
                } else {
                    reporter
                };
                match reporter["state"].as_str() {
                    // The page's part of a frame and the compositor's are told of apart.
                    Some("STATE_PRESENTED_ALL" | "STATE_PRESENTED_PARTIAL") => {
                        let number = &reporter["frame_sequence"];
                        let number = number
                            .as_u64()
                            .or_else(|| number.as_str().and_then(|text| text.parse().ok()));
                        shown.extend(number);
                    }
                    Some("STATE_DROPPED") if reporter["affects_smoothness"] == true => {
                        frames.dropped += 1;
                    }
                    _ => continue,
                }
                (first, last) = (first.min(at), last.max(at));
            }
            let of_page = main.contains(&(event["pid"].clone(), event["tid"].clone()));
            if of_page
                && (event["name"] == "RunTask" || event["name"] == "ThreadControllerImpl::RunTask")
            {
                let took = event["dur"].as_f64().unwrap_or_default() / 1000.0;
                frames.longest = frames.longest.max(took);
                frames.long += usize::from(took > 50.0);
            }
        }
        frames.presented = shown.len();
        frames.seconds = (last - first).max(0.0) / 1e6;
        frames
    }
}

/// Starts to note when the page draws.
const NOTE: &str = "window.drawn = []; window.noting = true; (function note(at) { drawn.push(at); if (noting) requestAnimationFrame(note); })(performance.now()); 1";
/// The times between two drawings.
const NOTED: &str = "window.noting = false, drawn.slice(2).map((at, nth) => at - drawn[nth + 1])";

/// Does something in the page and says what became of the frames.
fn frames(page: &Page, action: impl FnOnce()) -> Frames {
    page.eval(NOTE);
    let events = page.traced(CATEGORIES, action);
    let gaps = page.eval(NOTED);
    Frames {
        gaps: gaps
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect(),
        ..Frames::read(&events)
    }
}

fn wheel(page: &Page, distance: i64, speed: i64) {
    page.call(
        "Input.synthesizeScrollGesture",
        &json!({ "x": 300, "y": 500, "yDistance": -distance, "speed": speed, "gestureSourceType": "mouse" }),
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [serve_word, dir] = words.as_slice()
        && serve_word == "--serve"
    {
        return serve(Path::new(dir));
    }
    let spans: usize = words
        .first()
        .map_or(100_000, |spans| spans.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    eprintln!("making a trace of {spans} spans …");
    let filled = TestServer::start_in(dir.path(), &[]);
    let began = Timestamp::now() - 10.minutes();
    filled.take(&fixture::large("large", began, spans));
    drop(filled);
    let server = Server::start(dir.path());
    let Some(page) = Page::start() else { return };
    page.before_each(WATCH);
    let url = format!("{}/traces/large", server.url);

    let view = || {
        page.open("about:blank");
        page.open(&url);
        page.wait("the page is ready", READY);
    };
    // What the first view makes, caches and threads, is not of every view.
    view();
    let before = server.memory();
    let (mut painted, mut first, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    let mut held = Vec::new();
    for number in 0..VIEWS {
        view();
        let times = page.eval(
            "(() => { const { requestStart } = performance.getEntriesByType('navigation')[0];
                const paint = performance.getEntriesByName('first-contentful-paint')[0];
                return [painted - requestStart, (paint?.startTime ?? painted) - requestStart, performance.now() - requestStart]; })()",
        );
        let times: Vec<f64> = times
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        painted.push(times[0].max(times[1]));
        first.push(times[1]);
        ready.push(times[2]);
        page.eval("document.getElementById('tree').scrollTop = 1e9; 1");
        if (number + 1) % 10 == 0 {
            held.push(server.memory());
        }
    }
    let after = server.memory();

    println!(
        "Page of a trace of {spans} spans, {} cores.\n",
        std::thread::available_parallelism().unwrap()
    );
    println!("| from the request | median | 95th percentile |\n|---|---:|---:|");
    for (what, times) in [
        ("first contentful paint", &first),
        ("rows painted", &painted),
        ("all spans at hand (fold, filter, jump)", &ready),
    ] {
        println!(
            "| {what} | {:.0} ms | {:.0} ms |",
            quantile(times, 0.5),
            quantile(times, 0.95)
        );
    }
    let held: Vec<_> = held.iter().map(|mib| format!("{mib:.0}")).collect();
    println!(
        "\nServer memory: {before:.0} MiB after the first view, then {} MiB after each ten, {after:.0} MiB after {VIEWS}.\n",
        held.join(", ")
    );

    println!(
        "| scrolling | frames | dropped | per second | longest gap, median gap | tasks over 50 ms | longest task |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    let length = "document.getElementById('tree').scrollHeight";
    for (what, action) in [
        (
            "by wheel, 1,500 px/s",
            Box::new(|| wheel(&page, 9_000, 1_500)) as Box<dyn Fn()>,
        ),
        (
            "by wheel, 12,000 px/s",
            Box::new(|| wheel(&page, 60_000, 12_000)),
        ),
        (
            "from top to end in 5 s",
            Box::new(|| {
                page.eval(&format!(
                    "new Promise((done) => {{ const tree = document.getElementById('tree'), all = {length}, began = performance.now();
                        (function step(at) {{ const part = Math.min(1, (at - began) / 5000); tree.scrollTop = part * all; if (part < 1) requestAnimationFrame(step); else done(1); }})(began); }})"
                ));
            }),
        ),
        (
            "`j` held for 200 rows",
            Box::new(|| {
                for _ in 0..200 {
                    page.press("j");
                }
            }),
        ),
    ] {
        view();
        let frames = frames(&page, action);
        println!(
            "| {what} | {} | {} | {:.1} | {:.0} ms, {:.1} ms | {} | {:.0} ms |",
            frames.presented,
            frames.dropped,
            frames.presented as f64 / frames.seconds.max(0.001),
            quantile(&frames.gaps, 1.0),
            quantile(&frames.gaps, 0.5),
            frames.long,
            frames.longest,
        );
    }
    assert_eq!(page.problems(), [""; 0]);
}
