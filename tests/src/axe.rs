//! What axe-core finds on a page: the checks of accessibility that browsers and auditors use.

use serde_json::Value;

use crate::browser::Page;
use crate::npm;

/// The version of axe-core, and of the folder that it is kept in.
const VERSION: &str = "4.14.1";

/// The checks, ready to be put into pages.
pub struct Axe {
    script: String,
}

impl Axe {
    /// Finds them, below `ROLLOUT_AXE_DIR` or in the user's folder for caches; fetched from npm once. `None`, after a
    /// word on stderr, where that cannot be done; with `ROLLOUT_REQUIRE_BROWSER` set, that is a failure.
    pub fn find() -> Option<Self> {
        let found = npm::file(
            "ROLLOUT_AXE_DIR",
            "rollout-axe",
            "axe-core",
            VERSION,
            "axe.min.js",
        );
        let read =
            found.and_then(|path| std::fs::read_to_string(path).map_err(|error| error.to_string()));
        match read {
            Ok(script) => Some(Self { script }),
            Err(why) => {
                assert!(
                    std::env::var_os("ROLLOUT_REQUIRE_BROWSER").is_none(),
                    "ROLLOUT_REQUIRE_BROWSER is set, and {why}"
                );
                eprintln!("skipped: this test needs axe-core through npm, and {why}");
                None
            }
        }
    }

    /// What is wrong with the page as it stands, a line for each element: the rule, how grave it is, which element,
    /// and what would mend it.
    pub fn findings(&self, page: &Page) -> Vec<String> {
        // The protocol's evaluation is not bound by the page's policy, so that the page need not allow it.
        if page.eval("typeof axe") != "object" {
            page.eval(&format!("{};1", self.script));
        }
        let found = page.eval(
            "axe.run(document, { resultTypes: ['violations'], preload: false }).then((found) => found.violations
                .flatMap(({ id, impact, nodes }) => nodes.map((node) =>
                    `${impact} ${id}: ${node.target.join(' ')}: ${node.failureSummary.replace(/\\s+/g, ' ')}`)))",
        );
        let lines = found.as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }
}
