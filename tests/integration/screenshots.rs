//! `docs/screenshots`, drawn anew by `cargo test --test integration screenshots -- --ignored`.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::browser::Browser;
use crate::command_line::tokenfleet;
use crate::serve::Server;

fn save(browser: &mut Browser, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let png = BASE64_STANDARD.decode(browser.seen()).unwrap();
    fs::write(folder.join(name), png).unwrap();
}

#[test]
#[ignore = "writes into docs/screenshots"]
fn screenshots() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/coding-agents.toml");
    let scenario = scenario.to_str().unwrap();
    let made = tokenfleet(
        dir.path(),
        &["compare", scenario, "--trials", "10", "--quiet", "--out", "result"],
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let url = format!("file://{}", dir.path().join("result/report.html").display());
    let mut browser = Browser::open(&url, 1280, 1000).unwrap();
    browser.wait_for("document.documentElement?.dataset.ready === '10'");
    for (width, height) in [(1280, 1000), (820, 1100), (390, 844)] {
        browser.resize(width, height);
        browser.value("dispatchEvent(new Event('resize'))");
        save(&mut browser, &format!("report-{width}.png"));
    }
    browser.resize(1280, 1600);
    browser.value("document.getElementById('charts').scrollIntoView()");
    save(&mut browser, "report-charts.png");
    browser.point("document.getElementById('theme')", true);
    browser.value("document.getElementById('charts').scrollIntoView()");
    save(&mut browser, "report-charts-dark.png");

    let server = Server::start();
    let mut browser = Browser::open(&format!("http://{}/", server.address), 1280, 1000).unwrap();
    browser.resize(1280, 1000);
    browser.wait_for("document.documentElement?.dataset.done === '1'");
    save(&mut browser, "page-1280.png");
}
