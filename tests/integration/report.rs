//! `report.html`: one file, from which no request leaves, drawn by a real browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::browser::Browser;
use crate::command_line::{Ran, folder, tokenfleet};

fn compared() -> tempfile::TempDir {
    let dir = folder();
    let made = tokenfleet(dir.path(), &["compare", "small.toml", "--out", "first", "--quiet"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    dir
}

#[test]
fn a_report_holds_all_that_it_needs() {
    let dir = compared();
    let page = fs::read_to_string(dir.path().join("first/report.html")).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for tag in ["<link rel=\"stylesheet\"", "src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(tag), "{tag}");
    }
    // What decides can be read without a script.
    let plain = &page[..page.find("<script").unwrap()];
    for words in ["All variants meet all objectives.", "✓ met", "cost per successful task", "two"]
    {
        assert!(plain.contains(words), "{words}");
    }
}

#[test]
fn a_report_made_later_is_the_same() {
    let dir = compared();
    let Ran { code, stdout, stderr } =
        tokenfleet(dir.path(), &["report", "first", "--out", "small.html"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", "written to small.html\n"));
    let first = fs::read_to_string(dir.path().join("first/report.html")).unwrap();
    let later = fs::read_to_string(dir.path().join("small.html")).unwrap();
    // But for its name: the scenario's there, the folder's here.
    let data = |page: &str| page[page.find("\"manifest\"").unwrap()..].to_owned();
    assert!(data(&first) == data(&later).replace("\"name\":\"first\"", "\"name\":\"small\""));
}

#[test]
fn what_is_no_result_is_refused() {
    let dir = folder();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let found = tokenfleet(dir.path(), &["report", "empty"]);
    assert_eq!(found.code, 2);
    assert!(
        found.stderr.contains("summary.json") && found.stderr.contains("--out"),
        "{}",
        found.stderr
    );
    assert!(!dir.path().join("report.html").exists());
}

/// Loads a page and returns what became of it.
fn in_browser(page: &Path, browser: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where there is no browser there is nothing to draw with; `.ci/run` installs one.
#[test]
fn every_chart_is_drawn() {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(browser) = found else { return };
    let dir = compared();
    let page = in_browser(&dir.path().join("first/report.html"), browser);
    assert!(!page.contains("data-errors"), "{}", &page[..400]);
    assert!(page.contains("data-ready=\"10\""), "{}", &page[..400]);
    are_drawn(
        &page,
        &[
            "distribution",
            "series",
            "money",
            "time",
            "spend",
            "task",
            "program",
            "amplification",
            "front",
            "difference",
        ],
    );

    // Experiments over many points have pages of their own.
    let over = ["--over", "pools.main.replicas=1,2", "--quiet"];
    let made = [
        (vec!["sweep", "small.toml", "--out", "sweep"], "points", "points"),
        (vec!["explain", "small.toml", "--to", "two", "--out", "explain"], "waterfall", "times"),
        (vec!["size", "small.toml", "--find", "fleet", "--out", "size"], "fleets", "GPU"),
    ];
    for (mut words, chart, said) in made {
        words.extend(if words[0] == "sweep" { &over[..] } else { &over[2..] });
        let ran = tokenfleet(dir.path(), &words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let page = in_browser(&dir.path().join(words[0]).join("report.html"), browser);
        assert!(page.contains("data-ready=\"1\""), "{}", &page[..400]);
        are_drawn(&page, &[chart]);
        assert!(page[..page.find("<figure").unwrap()].contains(said), "{}", words[0]);
    }
}

fn are_drawn(page: &str, charts: &[&str]) {
    assert!(!page.contains("data-errors"), "{}", &page[..400]);
    for chart in charts {
        let at = page.find(&format!("<figure id=\"{chart}\"")).unwrap();
        let figure = &page[at..at + page[at..].find("</figure>").unwrap()];
        assert!(figure.contains("data-drawn=\"yes\""), "{chart} is not drawn");
        assert!(figure.matches("<path").count() > 2, "{chart} is empty");
    }
}

/// What a person does with it: points, filters, darkens, prints, opens it on a phone.
#[test]
fn a_report_answers_to_eye_and_hand() {
    let dir = compared();
    let url = format!("file://{}", dir.path().join("first/report.html").display());
    let Some(mut browser) = Browser::open(&url, 1280, 900) else { return };
    browser.wait_for("document.documentElement?.dataset.ready === '10'");

    let place = "document.querySelector('#series .chart')";
    let tooltip = format!(
        "[...{place}.querySelectorAll('div')].filter((it) => !it.querySelector('svg')) \
         .map((it) => it.innerText).join()"
    );
    assert!(!browser.value(&tooltip).as_str().unwrap().contains("two"), "before anybody points");
    browser.point(place, false);
    browser.wait_for(&format!("{tooltip}.includes('two')"));

    let place = "document.querySelector('#distribution .chart')";

    let paper = "getComputedStyle(document.body).backgroundColor";
    let ink = format!("{place}.querySelector('text').getAttribute('fill')");
    let (light, light_ink) = (browser.value(paper), browser.value(&ink));
    browser.point("document.getElementById('theme')", true);
    assert_eq!(browser.value("document.getElementById('theme').textContent"), "Light");
    assert_ne!(browser.value(paper), light);
    assert_ne!(browser.value(&ink), light_ink, "charts keep the light theme's ink");
    assert_eq!(browser.inaccessible(), [""; 0]);

    // On paper it is light, without buttons, and no chart is cut.
    browser.value("dispatchEvent(new Event('beforeprint'))");
    browser.on_paper(true);
    assert_eq!(browser.value(paper), light);
    let gone = "[...document.querySelectorAll('header nav, header button, .controls')]\
        .every((it) => getComputedStyle(it).display === 'none')";
    assert_eq!(browser.value(gone), true);
    let whole = "[...document.querySelectorAll('figure')]\
        .every((it) => getComputedStyle(it).breakInside === 'avoid')";
    assert_eq!(browser.value(whole), true);
    assert!(browser.printed().len() > 50_000, "an empty PDF");
    browser.on_paper(false);

    for width in [1280, 820, 390] {
        browser.resize(width, 900);
        let wide = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(wide, true, "wider than {width} pixels");
        assert_eq!(browser.inaccessible(), [""; 0], "{width} pixels");
    }
    assert_eq!(browser.complaints, [""; 0]);
}

/// The address of a report on ten fleets side by side, written below `dir`.
fn ten_variants(dir: &Path) -> String {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/bench/ten-variants.toml");
    let words = ["compare", scenario, "--trials", "3", "--out", "ten", "--quiet"];
    let less = ["--set", "run.horizon=20 min", "--set", "run.warm_up=2 min"];
    let made = tokenfleet(dir, &[&words[..], &less[..]].concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    format!("file://{}", dir.join("ten/report.html").display())
}

/// Ten fleets side by side are drawn within a second, the best of several loads.
#[test]
#[ignore = "a wall time, for a machine that does nothing else"]
#[expect(clippy::print_stderr, reason = "how fast the report is drawn is told")]
fn ten_variants_are_seen_within_a_second() {
    let dir = folder();
    let url = ten_variants(dir.path());
    let Some(mut browser) = Browser::open(&url, 1280, 900) else { return };
    let loads: Vec<f64> = (0..5)
        .map(|_| {
            browser.wait_for("performance.getEntriesByName('seen').length > 0");
            let seen = browser.value("performance.getEntriesByName('seen')[0].startTime");
            browser.load(&url);
            seen.as_f64().unwrap()
        })
        .collect();
    eprintln!("ten variants were seen after {loads:.0?} ms");
    assert!(loads.iter().any(|&ms| ms < 1000.0), "{loads:?} ms");
}

/// Ten fleets side by side: at three widths each chart is filtered by a click on its legend, zoomed, and
/// gives its rows.
#[test]
fn a_report_of_ten_variants_is_at_hand() {
    let dir = folder();
    let url = ten_variants(dir.path());
    let Some(mut browser) = Browser::open(&url, 1280, 900) else { return };
    browser.keep_downloads(dir.path());
    for width in [1280, 820, 390] {
        browser.resize(width, 900);
        browser.load(&url);
        browser.wait_for("document.documentElement?.dataset.ready === '10'");
        let figures = browser
            .value("[...document.querySelectorAll('figure:not([hidden])')].map(({ id }) => id)");
        let figures: Vec<String> = serde_json::from_value(figures).unwrap();
        assert_eq!(figures.len(), 10);
        for id in &figures {
            let place = format!("document.querySelector('#{id} .chart')");
            let chart = format!("echarts.getInstanceByDom({place})");
            // What its legend says first.
            let first = format!(
                "{chart}.getOption().legend?.[0]?.show !== false && {chart}.getModel()\
                .getComponent('legend')?.getData()[0]?.get('name')"
            );
            if let Some(name) = browser.value(&first).as_str().map(str::to_owned) {
                let entry = format!(
                    "[...{place}.querySelectorAll('text')].find((it) => \
                    it.textContent === '{name}')"
                );
                let off = format!("{chart}.getOption().legend[0].selected['{name}'] === false");
                for state in [off.clone(), format!("!({off})")] {
                    // A click while the chart is drawn anew may fall between two of its elements.
                    let clicked = (0..3).any(|_| {
                        browser.point(&entry, true);
                        std::thread::sleep(std::time::Duration::from_millis(300));
                        browser.value(&state) == true
                    });
                    assert!(clicked, "{id} at {width}: {state}");
                }
            }
            if browser.value(&format!("{chart}.getOption().dataZoom?.length > 0")) == true {
                let part = format!(
                    "{chart}.getOption().dataZoom.map(({{ start, end }}) => end - start)[0]"
                );
                assert_eq!(browser.value(&part), 100, "{id}");
                browser.zoom(&place);
                browser.wait_for(&format!("{part} < 100"));
            }
            browser.point(&format!("document.querySelector('#{id} [data-download]')"), true);
            let file = dir.path().join(format!("{id}.csv"));
            let rows = (0..500).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                fs::read_to_string(&file).ok().filter(|text| text.lines().count() > 1)
            });
            assert!(rows.is_some_and(|rows| rows.contains(',')), "{id} gives no rows");
            fs::remove_file(file).unwrap();
        }
    }
    assert_eq!(browser.complaints, [""; 0]);
}
