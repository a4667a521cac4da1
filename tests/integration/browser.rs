//! A real browser, spoken to in its own protocol over a pipe (Chrome DevTools Protocol).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// What is waited for comes within this, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether it came.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Value,
    last: u64,
    /// What the page complained of: errors, and what its own policy forbade.
    pub(crate) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A page of so many pixels; none where there is no browser (`.ci/run` installs one).
    pub(crate) fn open(url: &str, width: u32, height: u32) -> Option<Self> {
        let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
        let browser = known.into_iter().find(|path| Path::new(path).exists())?;
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from descriptor 3 and answers on descriptor 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null 2>&1", browser])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-sync", "--remote-debugging-pipe"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            to,
            from: BufReader::new(from),
            session: Value::Null,
            last: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.load(url);
        Some(browser)
    }

    /// Loads a page, the present one anew where it is that.
    pub(crate) fn load(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The answer to a command; what the page says meanwhile is noted.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        write!(self.to, "{message}\0").unwrap();
        self.to.flush().unwrap();
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "the browser has gone");
            let said: Value = serde_json::from_slice(&bytes).unwrap();
            let details = &said["params"];
            match said["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(details.to_string()),
                Some("Log.entryAdded") if details["entry"]["level"] == "error" => {
                    self.complaints.push(details.to_string());
                }
                _ => {}
            }
            if said["id"] == self.last {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// The value of an expression on the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let found = self.call("Runtime.evaluate", asked);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let mut left = PATIENCE.as_millis() / PAUSE.as_millis();
        while self.value(expression) != true {
            let state = self.value("document.documentElement?.outerHTML.slice(0, 300)");
            assert!(left > 0, "{expression} does not come: {state}");
            left -= 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// Presses a key, as a person does.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Moves the pointer over the middle of an element, and presses it there where asked.
    pub(crate) fn point(&mut self, element: &str, press: bool) {
        let at = self.value(&format!(
            "(async () => {{ const it = {element}; it.scrollIntoView({{ block: 'center' }}); \
             const frame = () => new Promise(requestAnimationFrame); await frame(); await frame(); \
             const box = it.getBoundingClientRect(); \
             return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()"
        ));
        let kinds: &[&str] = match press {
            true => &["mouseMoved", "mousePressed", "mouseReleased"],
            false => &["mouseMoved"],
        };
        for kind in kinds {
            let button = if *kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({
                "type": kind, "x": at["x"], "y": at["y"], "button": button, "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Turns the wheel over the middle of an element, with the control key held.
    pub(crate) fn zoom(&mut self, element: &str) {
        self.point(element, false);
        let at = self.value(&format!(
            "(() => {{ const box = {element}.getBoundingClientRect(); \
             return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()"
        ));
        let event = json!({
            "type": "mouseWheel", "x": at["x"], "y": at["y"], "deltaX": 0, "deltaY": -240,
            "modifiers": 2,
        });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Where downloads go from now on.
    pub(crate) fn keep_downloads(&mut self, folder: &Path) {
        let kept = json!({ "behavior": "allow", "downloadPath": folder });
        self.call("Browser.setDownloadBehavior", kept);
    }

    /// A screen of so many pixels from now on, as on a phone.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let screen = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", screen);
    }

    /// As on paper, or on a screen again.
    pub(crate) fn on_paper(&mut self, paper: bool) {
        let media = if paper { "print" } else { "screen" };
        self.call("Emulation.setEmulatedMedia", json!({ "media": media }));
    }

    /// A PDF of the page, in base64.
    pub(crate) fn printed(&mut self) -> String {
        self.call("Page.printToPDF", json!({}))["data"].as_str().unwrap().to_owned()
    }

    /// What is seen, a PNG in base64.
    pub(crate) fn seen(&mut self) -> String {
        let format = json!({ "format": "png" });
        self.call("Page.captureScreenshot", format)["data"].as_str().unwrap().to_owned()
    }

    /// Serious findings of axe, the checker of accessibility.
    pub(crate) fn inaccessible(&mut self) -> Vec<String> {
        let axe = std::fs::read_to_string("tests/data/axe.min.js").unwrap();
        self.value(&format!("{axe}; 0"));
        let found = self.value(
            "axe.run().then(({ violations }) => violations.filter(({ impact }) => \
             ['serious', 'critical'].includes(impact)).map(({ id, nodes }) => id + ': ' + \
             nodes[0].html))",
        );
        serde_json::from_value(found).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
