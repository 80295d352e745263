//! A real browser for tests: headless Chromium, spoken to by the DevTools protocol over the pipe
//! that it offers beside its socket, so that nothing listens and no driver is needed.

use std::{
    cell::{Cell, RefCell},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{DEADLINE, wait_until};

/// Where Chromium is looked for.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// One page in a browser of its own; the browser ends with it.
pub struct Page {
    process: Child,
    requests: RefCell<ChildStdin>,
    answers: Receiver<Value>,
    last_id: Cell<u64>,
    session: String,
    problems: RefCell<Vec<String>>,
    traced: RefCell<Vec<Value>>,
    _profile: TempDir,
}

impl Page {
    /// Starts a browser. `None`, after a word on stderr, where there is none on this machine;
    /// with `ROLLOUT_REQUIRE_BROWSER` set, that is a failure.
    pub fn start() -> Option<Self> {
        let Some(program) = find() else {
            let names = PROGRAMS.join(", ");
            assert!(
                std::env::var_os("ROLLOUT_REQUIRE_BROWSER").is_none(),
                "ROLLOUT_REQUIRE_BROWSER is set and none of {names} is installed"
            );
            eprintln!("skipped: this test needs a browser and none of {names} is installed");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        // Chromium reads commands from descriptor 3 and writes answers to 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args(["--remote-debugging-pipe", "--headless", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--hide-scrollbars"])
            // One process draws all pages of a test: each page would begin with a new one, and some systems are slow
            // to bury so many.
            .args(["--renderer-process-limit=1", "--disable-site-isolation-trials"])
            .args(["--disable-extensions", "--disable-breakpad"])
            .arg("--disable-features=SpareRendererForSitePerProcess,ProcessPerSiteUpToMainFrameThreshold")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let requests = process.stdin.take().expect("its input");
        let output = process.stdout.take().expect("its output");
        let (send, answers) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { return };
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let mut page = Self {
            process,
            requests: RefCell::new(requests),
            answers,
            last_id: Cell::new(0),
            session: String::new(),
            problems: RefCell::default(),
            traced: RefCell::default(),
            _profile: profile,
        };
        let target = page.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = page.call(
            "Target.attachToTarget",
            &json!({ "targetId": target["targetId"], "flatten": true }),
        );
        page.session = text(&attached["sessionId"]);
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.size(1280, 800);
        Some(page)
    }

    /// Calls a method of the protocol and waits for its answer.
    #[track_caller]
    pub fn call(&self, method: &str, params: &Value) -> Value {
        match self.try_call(method, params) {
            Ok(result) => result,
            Err(error) => panic!("{method}: {error}"),
        }
    }

    /// The same, where the browser may refuse it.
    #[track_caller]
    fn try_call(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let mut request = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests
            .borrow_mut()
            .write_all(&bytes)
            .expect("the browser is there");
        loop {
            let answer = self
                .answers
                .recv_timeout(DEADLINE)
                .unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if answer["id"] == json!(id) {
                return match &answer["error"] {
                    Value::Null => Ok(answer["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            self.note(&answer);
        }
    }

    /// Does something while the browser traces itself, and returns the events of these categories, commas between.
    pub fn traced(&self, categories: &str, action: impl FnOnce()) -> Vec<Value> {
        let options = json!({ "categories": categories, "transferMode": "ReportEvents" });
        self.call("Tracing.start", &options);
        action();
        self.call("Tracing.end", &json!({}));
        loop {
            let event = self.answers.recv_timeout(DEADLINE);
            let event = event.unwrap_or_else(|error| panic!("the trace does not come: {error}"));
            if event["method"] == "Tracing.tracingComplete" {
                return self.traced.take();
            }
            self.note(&event);
        }
    }

    /// Keeps what a page must never say, and what a trace of the browser does.
    fn note(&self, event: &Value) {
        let params = &event["params"];
        if event["method"] == "Tracing.dataCollected" {
            let events = params["value"].as_array().cloned().unwrap_or_default();
            self.traced.borrow_mut().extend(events);
            return;
        }
        let problem = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"].to_string(),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                params["entry"].to_string()
            }
            Some("Page.javascriptDialogOpening") => format!("a dialog opened: {params}"),
            _ => return,
        };
        self.problems.borrow_mut().push(problem);
    }

    /// Script errors, violations of the content security policy, failed requests and dialogs
    /// since the last time this was asked.
    pub fn problems(&self) -> Vec<String> {
        self.eval("1");
        self.problems.take()
    }

    /// Opens an address and waits until its document is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.wait(
            &format!("{url} is loaded"),
            "document.readyState === 'complete'",
        );
    }

    /// The value of an expression in the page; of a promise, what it resolves to.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> Value {
        match self.try_eval(expression) {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    #[track_caller]
    fn try_eval(&self, expression: &str) -> Result<Value, Value> {
        let answer = self.try_call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "awaitPromise": true, "returnByValue": true }),
        )?;
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        Ok(answer["result"]["value"].clone())
    }

    /// The value of an expression that gives a string.
    #[track_caller]
    pub fn text(&self, expression: &str) -> String {
        text(&self.eval(expression))
    }

    /// Waits until an expression is true. A page that is being left in the middle of the question is asked again.
    #[track_caller]
    pub fn wait(&self, what: &str, expression: &str) {
        let expression = format!("Boolean({expression})");
        wait_until(what, || {
            (self.try_eval(&expression) == Ok(Value::Bool(true))).then_some(())
        });
    }

    /// Presses a key: one character, or a name such as `ArrowDown`.
    pub fn press(&self, key: &str) {
        self.press_with(key, false);
    }

    /// Presses a key while the shift key is held, as it is for `Tab` to go back.
    pub fn press_shifted(&self, key: &str) {
        self.press_with(key, true);
    }

    fn press_with(&self, key: &str, shifted: bool) {
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let down = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        // What the browser itself does with a key goes by its number.
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            " " => 32,
            "PageUp" => 33,
            "PageDown" => 34,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        for kind in [down, "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                &json!({
                    "type": kind, "key": key, "text": if kind == "keyUp" { "" } else { text },
                    "windowsVirtualKeyCode": code, "modifiers": if shifted { 8 } else { 0 },
                }),
            );
        }
    }

    /// Runs a script in every page opened from now on, before any of its own.
    pub fn before_each(&self, script: &str) {
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": script }),
        );
    }

    /// Presses the keys of a text one after the other.
    pub fn write(&self, text: &str) {
        for c in text.chars() {
            self.press(&c.to_string());
        }
    }

    /// Sets the size of the page in CSS pixels.
    pub fn size(&self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Switches the reader's preference to a dark or a light page.
    pub fn dark(&self, dark: bool) {
        self.prefers(if dark { "dark" } else { "light" }, false);
    }

    /// Sets the reader's preferences: a colour scheme, `dark` or `light`, and whether things should rather not move.
    pub fn prefers(&self, scheme: &str, reduced_motion: bool) {
        let motion = if reduced_motion {
            "reduce"
        } else {
            "no-preference"
        };
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [
                { "name": "prefers-color-scheme", "value": scheme },
                { "name": "prefers-reduced-motion", "value": motion },
            ] }),
        );
    }

    /// Switches scripts off or on again for the pages opened from now on.
    pub fn scripts(&self, on: bool) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            &json!({ "value": !on }),
        );
    }

    /// The number of elements that a selector finds, without a script in the page.
    pub fn count(&self, selector: &str) -> usize {
        let root = self.call("DOM.getDocument", &json!({ "depth": 0 }));
        let found = self.call(
            "DOM.querySelectorAll",
            &json!({ "nodeId": root["root"]["nodeId"], "selector": selector }),
        );
        found["nodeIds"].as_array().map_or(0, Vec::len)
    }

    /// Keeps a picture of the page in the folder that `ROLLOUT_SCREENSHOTS` names, if any.
    pub fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("ROLLOUT_SCREENSHOTS") {
            self.picture_at(&Path::new(&folder).join(format!("{name}.png")));
        }
    }

    /// Keeps a picture of the page in a file; its folder is made.
    pub fn picture_at(&self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let image = BASE64_STANDARD
            .decode(text(&shot["data"]))
            .expect("the picture is base64");
        let folder = path.parent().expect("a file in a folder");
        std::fs::create_dir_all(folder).expect("the folder for pictures");
        std::fs::write(path, image).expect("the picture is written");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Its own children go when it does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().map(str::to_owned).unwrap_or_default()
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| PROGRAMS.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}
