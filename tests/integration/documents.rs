//! What the documents tell people to type works: every command in `docs` is run.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use tokenfleet::experiment::METRICS;

use crate::command_line::folder;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The blocks of a page that a shell is to run.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// Whether a block asks for what only a cluster has, or what is to be installed first.
fn needs_a_cluster(block: &str) -> bool {
    ["python -m ", "pip ", "ray ", "kubectl "].iter().any(|word| block.contains(word))
}

/// The same with few trials; one shard stands for all of them where the page says so.
fn shortened(line: &str) -> String {
    if let Some((first, rest)) = line.split_once("--index 0 --out shard-0")
        && rest.contains("to 7")
    {
        return format!("for i in 0 1 2 3 4 5 6 7; do {first}--index $i --out shard-$i; done");
    }
    let few = [
        ("tokenfleet run ", "--trials 2"),
        ("tokenfleet compare ", "--trials 2"),
        ("tokenfleet sweep ", "--trials 1"),
        ("tokenfleet explain ", "--trials 2"),
        ("tokenfleet size ", "--trials 2 --max-trials 4"),
    ];
    assert!(!line.contains("--trials"), "{line}");
    match few.iter().find(|(command, _)| line.starts_with(command)) {
        Some((command, flags)) => line.replacen(command, &format!("{command}{flags} "), 1),
        None => line.to_owned(),
    }
}

/// Runs a block in a folder that stands for a person's own.
fn try_out(page: &str, script: &str, binary: &Path, dir: &Path) {
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let done = Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir)
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{page}:\n{script}\n{said}");
}

/// A folder with a scenario of one's own and the shipped ones.
fn place() -> tempfile::TempDir {
    let dir = folder();
    fs::copy(dir.path().join("small.toml"), dir.path().join("scenario.toml")).unwrap();
    std::os::unix::fs::symlink(root().join("scenarios"), dir.path().join("scenarios")).unwrap();
    dir
}

#[test]
fn every_command_of_the_documents_works() {
    let dir = place();
    let mut run = 0;
    for page in ["guide.md", "methods.md", "glossary.md", "scale.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        for block in blocks(&text).into_iter().filter(|block| !needs_a_cluster(block)) {
            let script = block.lines().map(shortened).collect::<Vec<_>>().join("\n");
            try_out(page, &script, &cargo_bin("tokenfleet"), dir.path());
            run += 1;
        }
    }
    assert!(run >= 15, "{run} blocks");
}

/// Forty short conversations as OpenTelemetry spans.
fn spans() -> String {
    let conversation = |i: u64| {
        let at = |ms: u64| format!("\"{}\"", (i * 20_000 + ms) * 1_000_000);
        let text = |key: &str, value: &str| {
            format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
        };
        let count = |key: &str, value: u64| {
            format!(r#"{{"key":"gen_ai.usage.{key}","value":{{"intValue":"{value}"}}}}"#)
        };
        let span = |name: &str, parent: &str, from: String, to: String, attributes: &[String]| {
            format!(
                r#"{{"traceId":"t{i}","spanId":"{name}","parentSpanId":"{parent}","name":"{name}","startTimeUnixNano":{from},"endTimeUnixNano":{to},"attributes":[{}]}}"#,
                attributes.join(",")
            )
        };
        let chat = |name: &str, from, input, output| {
            let said = [
                text("gen_ai.operation.name", "chat"),
                count("input_tokens", input),
                count("output_tokens", output),
            ];
            span(name, "a", at(from), at(from + 2_000 + 10 * output), &said)
        };
        let root = [
            text("gen_ai.operation.name", "invoke_agent"),
            text("gen_ai.conversation.id", &format!("talk {i}")),
        ];
        let spans = [
            span("a", "", at(0), at(15_000), &root),
            chat("b", 0, 900 + 37 * (i % 11), 40 + 7 * (i % 13)),
            chat("c", 9_000, 1_200 + 53 * (i % 7), 30 + 5 * (i % 9)),
        ];
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","))
    };
    (0..40).map(|i| conversation(i) + "\n").collect()
}

/// The README's `tokenfleet` commands, with few trials. What it says of cargo is for `.ci/run`, what
/// takes a cluster for the tests of the Python package.
#[test]
#[ignore = "simulates for minutes: .ci/run does it with the release build"]
fn every_command_of_the_readme_works() {
    let binary = root().join("target/release/tokenfleet");
    let dir = place();
    for name in ["my.toml", "my-scenario.toml"] {
        fs::copy(dir.path().join("small.toml"), dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("spans.jsonl"), spans()).unwrap();
    for (clients, tpot_ms) in [(4, 17.7), (16, 19.8), (64, 29.3)] {
        let file = dir.path().join(format!("bench-{clients}.json"));
        fs::write(file, crate::calibration::bench(clients, tpot_ms)).unwrap();
    }
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut run = 0;
    for line in blocks(&text).iter().flat_map(|block| block.lines()) {
        if !line.starts_with("tokenfleet ") {
            continue;
        }
        let script = if line.starts_with("tokenfleet serve") {
            "timeout 2 tokenfleet serve || test $? = 124".to_owned()
        } else if let Some((first, _)) = line.split_once("--index 0 --out shard-0") {
            format!("for i in 0 1 2 3; do {first}--index $i --out shard-$i; done")
        } else if line.contains("--resume") {
            format!("{line} --trials 2")
        } else {
            let line = line.replace(" --trials 50", "").replace(" --until 2%", "");
            let out = line.find(" --out results/coding-agents");
            let clear = out.map_or("", |_| "rm -rf results/coding-agents\n");
            format!("{clear}{}", shortened(&line))
        };
        try_out("README.md", &script, &binary, dir.path());
        run += 1;
    }
    assert!(run >= 35, "{run} commands");
}

/// Links between the documents lead somewhere.
#[test]
fn links_lead_somewhere() {
    for page in
        ["README.md", "docs/guide.md", "docs/methods.md", "docs/glossary.md", "python/README.md"]
    {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            let outside = link.starts_with("http") || file.is_empty();
            assert!(outside || folder.join(file).exists(), "{page}: {link}");
        }
    }
}

/// The glossary says of every figure what results say of it.
#[test]
fn the_glossary_has_every_figure() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let row = |metric: &tokenfleet::experiment::Metric| {
        format!("| `{}` | {} | {} |", metric.key, metric.unit.text(), metric.meaning)
    };
    let rows: Vec<String> = METRICS.iter().map(row).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !glossary.contains(*row)).collect();
    assert!(missing.is_empty(), "add to docs/glossary.md:\n{missing:#?}");
}
