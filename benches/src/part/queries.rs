//! The server: how soon it is ready, what it takes when it has nothing to do, and how fast it answers.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rollout_server::open_store;

use crate::events::{bodies, read, span_id, store_all, trace_id, user};
use crate::measure::{median, peak_memory, resident_memory};
use crate::server::{Server, build_server};
use crate::table::{Table, at_most, count, figure};

const TRACES: usize = 2_000;

/// Spans of each of them.
const SPANS: usize = 100;

/// Spans of one more trace.
const LARGE: usize = 100_000;

/// Starts of a server.
const STARTS: usize = 15;

/// Times that each question is asked.
const ASKED: usize = 21;

/// Bytes of a mebibyte.
const MIB: f64 = (1 << 20) as f64;

/// Starts servers, and asks them.
pub fn tables() -> Vec<Table> {
    let program = build_server();
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).unwrap();
    for (traces, spans) in [(0..TRACES, SPANS), (TRACES..TRACES + 1, LARGE)] {
        let bodies = bodies(traces, spans);
        store_all(&store, bodies.iter().map(|body| read(body)));
    }
    let size = store.size() as f64 / MIB;
    drop(store);
    vec![
        process(&program, dir.path()),
        questions(&program, dir.path(), size),
    ]
}

fn process(program: &Path, filled: &Path) -> Table {
    let mut table = Table::new(
        "The server as a process",
        "`rollout serve`, from the start of the process to its first answer that it is ready: the median of 15 starts, \
         each over a folder of its own or over the store of the next table. Memory is what stays resident of an idle \
         process.",
        &["", "empty store", "filled store"],
    );
    let mut starts = [Vec::new(), Vec::new()];
    let mut idle = [f64::NAN; 2];
    for _ in 0..STARTS {
        let empty = tempfile::tempdir().unwrap();
        for (index, dir) in [empty.path(), filled].into_iter().enumerate() {
            let server = Server::start(program, dir);
            starts[index].push(server.ready_after().as_secs_f64() * 1e3);
            idle[index] = resident_memory(&server.id());
        }
    }
    let starts = starts.map(|starts| at_most(median(&starts), 100.0, 1));
    table.row(std::iter::once("ms until it is ready".to_owned()).chain(starts));
    let idle = idle.map(|idle| at_most(idle, 30.0, 1));
    table.row(std::iter::once("idle memory, MiB".to_owned()).chain(idle));
    let bytes = std::fs::metadata(program).unwrap().len() as f64 / MIB;
    let stripped = stripped(program).map_or(f64::NAN, |bytes| bytes / MIB);
    for (what, size) in [
        ("the binary, with line tables, MiB", bytes),
        ("the binary, stripped, MiB", stripped),
    ] {
        table.row([what.to_owned(), figure(size), String::new()]);
    }
    table
}

/// Bytes without symbols and debug information, where there is a program that takes them out.
fn stripped(program: &Path) -> Option<f64> {
    let dir = tempfile::tempdir().ok()?;
    let out = dir.path().join("rollout");
    let mut strip = Command::new("strip");
    let status = strip.arg("-o").arg(&out).arg(program).status();
    status.ok().filter(ExitStatus::success)?;
    Some(std::fs::metadata(out).ok()?.len() as f64)
}

fn questions(program: &Path, dir: &Path, size: f64) -> Table {
    let mut table = Table::new(
        "The server's answers",
        &format!(
            "A store of {} traces of {SPANS} spans and one of {} ({size:.0} MiB), asked over loopback: milliseconds until the \
             whole answer is there, the first time that a fresh process is asked and the median of {ASKED}.",
            count(TRACES as u64),
            count(LARGE as u64),
        ),
        &["", "first, ms", "median, ms", "KiB"],
    );
    let (one, large) = (trace_id(TRACES / 2), trace_id(TRACES));
    let mut peak: f64 = 0.0;
    let api = "/api/v1/traces";
    let of_one_user = format!("{api}?filter=user:{}", user(7));
    let span = span_id(7);
    for (what, path, bar) in [
        ("the 50 newest traces", api.to_owned(), None),
        ("those of one user", of_one_user, None),
        (
            "a word in their names",
            format!("{api}?filter=refund"),
            None,
        ),
        (
            "failed ones (there are none)",
            format!("{api}?filter=status:error"),
            None,
        ),
        ("one trace", format!("{api}/{one}"), None),
        ("its spans", format!("{api}/{one}/spans"), None),
        (
            "one of these with its values",
            format!("{api}/{one}/spans/{span}"),
            None,
        ),
        (
            "1,000 spans of the large trace",
            format!("{api}/{large}/spans?offset=50000"),
            None,
        ),
        ("the page of the list", "/".to_owned(), None),
        ("the page of a trace", format!("/traces/{one}"), None),
        (
            "the page of the large trace",
            format!("/traces/{large}"),
            Some(200.0),
        ),
    ] {
        // Answers of the large trace are kept in memory, so each question is asked of a process that has heard none.
        let server = Server::start(program, dir);
        let (first, bytes) = ask(&server, &path);
        let times: Vec<f64> = (0..ASKED).map(|_| ask(&server, &path).0).collect();
        peak = peak.max(peak_memory(&server.id()));
        let first = match bar {
            Some(bar) => at_most(first, bar, 1),
            None => figure(first),
        };
        let kib = figure(bytes as f64 / 1024.0);
        table.row([what.to_owned(), first, figure(median(&times)), kib]);
    }
    let peak = figure(peak);
    table.row([
        "peak memory of the server, MiB".to_owned(),
        String::new(),
        peak,
        String::new(),
    ]);
    table
}

/// Milliseconds until an answer is there, and its bytes.
fn ask(server: &Server, path: &str) -> (f64, usize) {
    let began = Instant::now();
    let answer = server.get(path);
    (began.elapsed().as_secs_f64() * 1e3, answer.len())
}
