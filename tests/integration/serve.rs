//! `tokenfleet serve`: a page that answers at once, refuses strangers, and stops when nobody waits.

#![allow(clippy::print_stdout, reason = "how fast the page follows is told")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::command_line::{folder, tokenfleet};

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut command = Command::cargo_bin("tokenfleet").unwrap();
        command.args(["serve", "--port", "0", "--quiet"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        Self { child, address }
    }

    /// Sends a request and leaves the answer to be read.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let host =
            if headers.contains("Host:") { "" } else { &format!("Host: {}\r\n", self.address) };
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        stream
    }

    /// Status line with headers, and body.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (String, String) {
        let mut text = String::new();
        self.send(method, path, headers, body).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn status(&self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let (head, _) = self.ask(method, path, headers, body);
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> (String, String) {
        self.ask("POST", path, "", &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The JSON objects of a chunked answer.
fn objects(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect()
}

fn small() -> String {
    std::fs::read_to_string(folder().path().join("small.toml")).unwrap()
}

#[test]
fn strangers_are_refused() {
    let server = Server::start();
    assert_eq!(server.status("GET", "/", "", ""), 200);
    assert_eq!(server.status("GET", "/", "Host: evil.example\r\n", ""), 403);
    assert_eq!(server.status("GET", "/api/schema", "Origin: http://evil.example\r\n", ""), 403);
    assert_eq!(server.status("POST", "/api/run", "Origin: null\r\n", "{}"), 403);
    assert_eq!(server.status("GET", "/nothing", "", ""), 404);
    assert_eq!(server.status("POST", "/api/check", "", "{"), 400);
    let long = json!({ "name": "x", "text": "#".repeat(300_000) }).to_string();
    assert_eq!(server.status("POST", "/api/check", "", &long), 413);
    let (head, page) = server.ask("GET", "/", "", "");
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
        "{head}"
    );
    for inline in ["<style", "style=", "onclick", "http://", "https://"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[test]
fn a_scenario_is_checked_with_lines_and_knobs() {
    let server = Server::start();
    let text = small().replace("trials  = 3", "trials  = 0");
    let (_, body) = server.post("/api/check", &json!({ "name": "small", "text": text }));
    let found: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(found["faults"][0]["line"], 6, "{body}");
    let (start, length) = (&found["faults"][0]["start"], &found["faults"][0]["length"]);
    let (start, length) = (start.as_u64().unwrap() as usize, length.as_u64().unwrap() as usize);
    assert_eq!(&text[start..start + length], "0");
    assert!(found["text"].as_str().unwrap().contains("6 | trials  = 0"), "{body}");

    let (_, body) = server.post("/api/check", &json!({ "name": "small", "text": small() }));
    let found: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(found["faults"], json!([]));
    assert_eq!(found["knobs"]["loads"][0]["path"], "agents.reader.arrivals.poisson");
    assert_eq!(found["knobs"]["pools"][0]["gpus"], 4);

    // No file of this machine is read for a text that has none.
    let spy = small()
        .replace("replicas", "x")
        .replace("tensor_parallel = 4", "tensor_parallel = 4\ncalibration = \"/etc/passwd\"");
    let (_, body) = server.post("/api/check", &json!({ "name": "small", "text": spy }));
    assert!(body.contains("no folder"), "{body}");
}

/// What the page shows in the end is what `run` says.
#[test]
fn endpoints_have_knobs() {
    let server = Server::start();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/features/endpoint.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let knobs = |text: &str| -> Value {
        let (_, body) = server.post("/api/check", &json!({ "name": "endpoint", "text": text }));
        serde_json::from_str::<Value>(&body).unwrap()["knobs"]["endpoints"].clone()
    };
    let found = knobs(&text.replace("[variants", "[x_variants"));
    assert!(found.is_null(), "a scenario with faults has no knobs: {found}");
    let found = knobs(&text);
    assert_eq!((&found[0]["name"], &found[0]["model"]), (&json!("api"), &json!("gpt-4o-mini")));
    let others = found[0]["others"].as_array().unwrap();
    assert!(others.contains(&json!("gpt-4o-mini")) && others.len() > 5, "{others:?}");
    // Each of them, and the limits, can be turned to.
    for set in [format!("endpoints.api.model={}", others[0]), "endpoints.api.concurrency=3".into()]
    {
        let asked = json!({ "name": "endpoint", "text": text, "set": [set], "trials": 1 });
        let (head, body) = server.post("/api/run", &asked);
        assert!(head.contains(" 200 "), "{head}: {body}");
    }
}

#[test]
fn trials_come_in_and_end_as_the_command_says() {
    let server = Server::start();
    let set = ["pools.main.replicas=2", "agents.reader.arrivals.poisson=3 /s"];
    let asked = json!({ "name": "small", "text": small(), "set": set, "trials": 5 });
    let (head, body) = server.post("/api/run", &asked);
    assert!(head.contains("application/x-ndjson"), "{head}");
    let lines = objects(&body);
    let trials: Vec<u64> = lines.iter().map(|line| line["trials"].as_u64().unwrap()).collect();
    assert_eq!(trials, [1, 2, 3, 5]);

    let dir = folder();
    let words = ["run", "small.toml", "--trials", "5", "--variant", "base", "--format", "json"];
    let words = words.into_iter().chain(set.iter().flat_map(|set| ["--set", set]));
    let ran = tokenfleet(dir.path(), &words.collect::<Vec<_>>());
    let run: Value = serde_json::from_str(&ran.stdout).unwrap();
    let (page, run) = (&lines[3]["metrics"], &run["variants"][0]["metrics"]);
    for key in ["usd_per_task", "task_latency_s", "ttft_s", "tokens_per_task"] {
        assert_eq!(page[key], run[key], "{key}");
    }
    // The median of the drawn distribution is that of the table.
    let p = lines[3]["p"].as_array().unwrap().iter().position(|p| *p == 0.5).unwrap();
    let drawn = lines[3]["distributions"]["task_latency_s"][p].as_f64().unwrap();
    let told = run["task_latency_s"]["p50"].as_f64().unwrap();
    assert!((drawn / told - 1.0).abs() < 0.01, "{drawn} {told}");

    let wrong = json!({ "name": "small", "text": small(), "set": ["pools.main.replicas=none"] });
    let (head, body) = server.post("/api/run", &wrong);
    assert!(head.contains(" 422 ") && body.contains("expected a whole number"), "{head} {body}");
}

/// Long simulations that were left do not keep others waiting.
#[test]
fn what_nobody_waits_for_ends() {
    let server = Server::start();
    let endless = small().replace("horizon = \"60 s\"", "horizon = \"200 days\"");
    let asked = json!({ "name": "small", "text": endless, "trials": 400 }).to_string();
    for _ in 0..4 {
        let mut stream = server.send("POST", "/api/run", "", &asked);
        let mut first = [0; 400];
        stream.read_exact(&mut first).unwrap();
        assert!(first.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first));
    }
    for _ in 0..4 {
        let stream = server.send("POST", "/api/report", "", &asked);
        std::thread::sleep(Duration::from_millis(300));
        drop(stream);
    }
    let asked = json!({ "name": "small", "text": small(), "trials": 1 });
    let (head, body) = server.post("/api/run", &asked);
    assert!(head.contains(" 200 "), "{head}");
    assert_eq!(objects(&body).len(), 1);
}

#[test]
fn the_report_can_be_downloaded() {
    let server = Server::start();
    let asked = json!({ "name": "small", "text": small(), "trials": 2 });
    let (head, body) = server.post("/api/report", &asked);
    assert!(head.contains("filename=\"report.html\""), "{head}");
    assert!(body.contains("All variants meet all objectives."));
}

/// The slider loop in a real browser, with its latency.
#[test]
fn a_slider_is_followed() {
    let server = Server::start();
    let url = format!("http://{}/", server.address);
    for (width, height) in [(1400, 900), (820, 1100), (390, 844)] {
        let Some(mut browser) = Browser::open(&url, width, height) else { return };
        let data = "(document.documentElement?.dataset ?? {})";
        browser.wait_for(&format!("{data}.done === '1'"));
        let words = "document.getElementById('words').textContent";
        let before = browser.value(words);
        browser.value("document.querySelector('input[name=load]').focus()");
        (0..6).for_each(|_| browser.press("ArrowRight", 39));
        browser.wait_for(&format!("Number({data}.done) > 1"));
        println!("{width} pixels: followed after {} ms", browser.value(&format!("{data}.latency")));
        assert_ne!(browser.value(words), before, "twice the load changes nothing");
        for chart in ["cost", "other"] {
            let drawn = format!("document.querySelector('#{chart} canvas') !== null");
            assert_eq!(browser.value(&drawn), true, "{chart}");
        }
        browser.value("document.getElementById('keep').click()");
        assert_eq!(browser.value("document.querySelectorAll('#kept tbody tr').length"), 1);

        // A fault is shown at its line, and the key that fits is offered.
        browser.value(
            "(() => { const text = document.getElementById('text'); text.value = \
             text.value.replace('replicas ', 'replicaz '); text.dispatchEvent(new Event('input')); \
             })()",
        );
        browser.wait_for("document.querySelector('#faults pre') !== null");
        let said = browser.value("document.querySelector('#faults pre').textContent");
        assert!(said.as_str().unwrap().contains("did you mean `replicas`?"), "{said}");
        let wide = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(wide, true, "wider than {width} pixels");
        assert_eq!(browser.value(&format!("{data}.errors ?? ''")), "");
        assert_eq!(browser.complaints, [""; 0]);
        assert_eq!(browser.inaccessible(), [""; 0]);
    }
}
