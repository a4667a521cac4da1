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

#[test]
fn every_command_of_the_documents_works() {
    let dir = folder();
    fs::copy(dir.path().join("small.toml"), dir.path().join("scenario.toml")).unwrap();
    std::os::unix::fs::symlink(root().join("scenarios"), dir.path().join("scenarios")).unwrap();
    let binary = cargo_bin("tokenfleet");
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut run = 0;
    for page in ["guide.md", "methods.md", "glossary.md", "scale.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        for block in blocks(&text).into_iter().filter(|block| !needs_a_cluster(block)) {
            let script = block.lines().map(shortened).collect::<Vec<_>>().join("\n");
            let done = Command::new("sh")
                .args(["-ec", &script])
                .current_dir(dir.path())
                .env("PATH", &path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{page}:\n{script}\n{said}");
            run += 1;
        }
    }
    assert!(run >= 15, "{run} blocks");
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
