//! Every page of the viewer in every state that people see it in: what tests of all pages go over. A new page is a line
//! in [`House::places`].

use tempfile::TempDir;

use crate::browser::Page;
use crate::fixture::span_id;
use crate::gallery;
use crate::server::TestServer;

/// A page in one state.
#[derive(Debug, Clone)]
pub struct Place {
    /// A short name, for messages and pictures.
    pub name: &'static str,
    /// Its address.
    pub url: String,
    /// What is true in the page when its scripts have done their work.
    ready: &'static str,
    /// Its status is an error: browsers say so in their log.
    fails: bool,
}

/// Servers with something to show.
pub struct House {
    full: TestServer,
    empty: TestServer,
    locked: TestServer,
    _dir: TempDir,
}

const LOADED: &str = "true";
const FOLLOWS: &str = "document.querySelector('[data-live]')?.dataset.state === 'on' && (!document.querySelector('.list-page') || document.querySelector('main').dataset.ready)";
const DONE: &str = "document.querySelector('main')?.dataset.ready";
const OUTLINED: &str = "document.querySelector('main')?.dataset.ready && document.querySelector('[data-live]')?.dataset.state === 'on'";
/// The pane shows a span.
const SELECTED: &str = "document.querySelector('main')?.dataset.ready && document.querySelector('#pane .name')?.textContent !== 'The whole trace'";

impl House {
    /// Starts them: one with the [`gallery`], an empty one, and one that asks for a key.
    pub fn open() -> Self {
        let full = TestServer::start();
        gallery::fill(&full);
        Self::of(full)
    }

    /// The same with the first server as the test has filled it.
    pub fn of(full: TestServer) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self {
            full,
            empty: TestServer::start(),
            locked: TestServer::start_in(dir.path(), &["read=a-key-of-the-gallery"]),
            _dir: dir,
        }
    }

    /// The server that has something to show.
    pub fn server(&self) -> &TestServer {
        &self.full
    }

    /// Every page, in the states that it has.
    pub fn places(&self) -> Vec<Place> {
        let span = |trace: &str, name: &str| format!("/traces/{trace}#span={}", span_id(name));
        let run = gallery::RUN;
        let mut places = Vec::new();
        let mut of = |server: &TestServer, ready, fails, rows: Vec<(&'static str, String)>| {
            places.extend(rows.into_iter().map(|(name, path)| Place {
                name,
                url: server.url(&path),
                ready,
                fails,
            }));
        };
        of(
            &self.full,
            FOLLOWS,
            false,
            vec![
                ("list", "/".to_owned()),
                ("list-filtered", "/?filter=status%3Aerror".to_owned()),
                ("list-without-match", "/?filter=user%3Anobody".to_owned()),
                ("sessions", "/sessions".to_owned()),
                ("session", format!("/sessions/{}", gallery::SESSION)),
                ("conversations", "/conversations".to_owned()),
                (
                    "conversation",
                    format!("/conversations/{}", gallery::CONVERSATION),
                ),
                ("users", "/users".to_owned()),
                ("user", format!("/users/{}", gallery::USER)),
                ("runs", "/runs".to_owned()),
            ],
        );
        of(
            &self.full,
            LOADED,
            false,
            vec![
                ("list-with-error", "/?filter=colour%3Ared".to_owned()),
                ("run", format!("/runs/{run}")),
                ("datapoints", format!("/runs/{run}/datapoints")),
            ],
        );
        let (a, b) = (gallery::FAILED, gallery::MENDED);
        of(
            &self.full,
            DONE,
            false,
            vec![
                ("compare", format!("/compare?a={a}&b={b}")),
                ("compare-step", format!("/compare?a={a}&b={b}&row=3")),
                ("compare-same", format!("/compare?a={a}&b={a}")),
            ],
        );
        of(
            &self.full,
            LOADED,
            false,
            vec![("compare-choose", format!("/compare?a={a}"))],
        );
        of(
            &self.full,
            OUTLINED,
            false,
            vec![
                ("trace", format!("/traces/{}", gallery::FAILED)),
                ("trace-coding", format!("/traces/{}", gallery::CODING)),
                ("trace-running", format!("/traces/{}", gallery::RUNNING)),
            ],
        );
        of(
            &self.full,
            SELECTED,
            false,
            vec![
                ("span-agent", span(gallery::FAILED, "root")),
                ("span-llm", span(gallery::FAILED, "ask")),
                ("span-tool", span(gallery::FAILED, "order")),
                ("span-error", span(gallery::FAILED, "refund")),
                ("span-retrieval", span(gallery::FAILED, "policy")),
                ("span-cancelled", span(gallery::FAILED, "retry")),
                ("span-long-chat", span(gallery::CODING, "a23")),
            ],
        );
        of(
            &self.full,
            LOADED,
            true,
            vec![
                ("no-such-page", "/nowhere".to_owned()),
                ("no-such-trace", "/traces/nowhere".to_owned()),
                ("no-such-run", "/runs/nowhere".to_owned()),
                ("no-such-user", "/users/nowhere".to_owned()),
            ],
        );
        of(
            &self.empty,
            LOADED,
            false,
            vec![
                ("empty", "/".to_owned()),
                ("sessions-empty", "/sessions".to_owned()),
                ("users-empty", "/users".to_owned()),
                ("runs-empty", "/runs".to_owned()),
            ],
        );
        of(&self.locked, LOADED, true, vec![("login", "/".to_owned())]);
        places
    }
}

impl Place {
    /// A page without scripts of its own, or of which they need not be done.
    pub fn plain(server: &TestServer, name: &'static str, path: &str) -> Self {
        Self::of(server, name, path, LOADED)
    }

    /// The page of a trace.
    pub fn trace(server: &TestServer, name: &'static str, trace_id: &str) -> Self {
        Self::of(server, name, &format!("/traces/{trace_id}"), OUTLINED)
    }

    /// The page of a trace with a span in its pane, by the name that its id is made of.
    pub fn span(server: &TestServer, name: &'static str, trace_id: &str, span: &str) -> Self {
        let path = format!("/traces/{trace_id}#span={}", span_id(span));
        Self::of(server, name, &path, SELECTED)
    }

    fn of(server: &TestServer, name: &'static str, path: &str, ready: &'static str) -> Self {
        Self {
            name,
            url: server.url(path),
            ready,
            fails: false,
        }
    }

    /// Opens it and waits until its scripts have done their work. An address with a fragment is opened anew.
    #[track_caller]
    pub fn open(&self, page: &Page) {
        page.open("about:blank");
        page.open(&self.url);
        page.wait(&format!("{} is ready", self.name), self.ready);
        page.eval("document.fonts.ready.then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(1)))))");
    }

    /// The script errors, violations of the policy and failed requests since the last time, but for what a page of an
    /// error is.
    pub fn problems(&self, page: &Page) -> Vec<String> {
        let mut problems = page.problems();
        if self.fails {
            problems.retain(|problem| {
                !problem.contains("Failed to load resource") || !problem.contains(&self.url)
            });
        }
        problems
    }
}
