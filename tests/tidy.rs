//! House rules that the compiler does not know: which floor may import which, no cycles between
//! files, how long a file may be, what lies at the top.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test says what it expects")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up: a file imports from its own or a lower one.
const FLOORS: [&str; 9] = [
    "foundations",
    "catalog",
    "performance",
    "workload",
    "serving",
    "simulation",
    "experiment",
    "report",
    "cli",
];

/// A file that is longer must be split.
const LONGEST_FILE: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_under(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Module path of every source file, and its text: `simulation::world` for
/// `src/simulation/world.rs`.
fn modules() -> BTreeMap<String, String> {
    let source = root().join("src");
    let mut files = Vec::new();
    files_under(&source, "rs", &mut files);
    let name = |path: &Path| {
        let inside = path.strip_prefix(&source).unwrap().with_extension("");
        inside.components().map(|c| c.as_os_str().to_str().unwrap()).collect::<Vec<_>>().join("::")
    };
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The part of a file that is not its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// Paths behind `use` in a file, groups taken apart: `use a::{b, c::d};` gives `a::b`, `a::c::d`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in without_tests(text).split(';') {
        let code: Vec<&str> =
            statement.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
        let code = code.join(" ");
        let code = code.trim().trim_start_matches("pub ").trim_start_matches("pub(super) ");
        if let Some(tree) = code.split_once("use ").filter(|(before, _)| before.is_empty()) {
            expand("", tree.1.trim(), &mut found);
        }
    }
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    match tree.split_once('{') {
        None => found.push(format!("{prefix}{}", tree.split(" as ").next().unwrap().trim())),
        Some((before, group)) => {
            let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
            let prefix = format!("{prefix}{}", before.trim());
            let (mut depth, mut start) = (0, 0);
            for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        let part = group[start..at].trim();
                        if !part.is_empty() {
                            expand(&prefix, part, found);
                        }
                        start = at + 1;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The file that an import leads to, if it is one of ours.
fn target(from: &str, import: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut base: Vec<&str> = from.split("::").collect();
    let mut steps: Vec<&str> = import.split("::").map(str::trim).collect();
    match steps[0] {
        "crate" => base.clear(),
        "self" => {}
        "super" => {}
        child if modules.contains_key(&format!("{from}::{child}")) => {}
        _ => return None,
    }
    if steps[0] == "crate" || steps[0] == "self" {
        steps.remove(0);
    }
    while steps.first() == Some(&"super") {
        base.pop();
        steps.remove(0);
    }
    let full: Vec<&str> = base.into_iter().chain(steps).collect();
    (1..=full.len()).rev().map(|n| full[..n].join("::")).find(|path| modules.contains_key(path))
}

fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    let to = |from: &str, text: &str| {
        let targets = imports(text);
        targets.iter().filter_map(|import| target(from, import, &modules)).collect()
    };
    modules.iter().map(|(from, text)| (from.clone(), to(from, text))).collect()
}

fn floor(module: &str) -> Option<usize> {
    let first = module.split("::").next().unwrap_or(module);
    FLOORS.iter().position(|name| *name == first)
}

#[test]
fn nothing_imports_from_a_higher_floor() {
    let mut wrong = Vec::new();
    for (from, targets) in edges() {
        for to in targets {
            if let (Some(low), Some(high)) = (floor(&from), floor(&to))
                && high > low
            {
                wrong.push(format!("{from} imports from {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_is_on_a_floor() {
    for module in modules().keys() {
        let ground = matches!(module.as_str(), "lib" | "main");
        assert!(ground || floor(module).is_some(), "{module} is on no floor");
    }
}

/// A file and what it re-exports from the files below it are one unit: an edge between a file and
/// its own folder is no cycle, two files beside each other that need each other are.
#[test]
fn no_two_files_need_each_other() {
    let edges = edges();
    let related = |a: &str, b: &str| {
        a.strip_prefix(b).is_some_and(|rest| rest.starts_with("::"))
            || b.strip_prefix(a).is_some_and(|rest| rest.starts_with("::"))
    };
    let next = |from: &str| -> Vec<String> {
        let targets = edges.get(from).into_iter().flatten();
        targets.filter(|to| *to != from && !related(from, to)).cloned().collect()
    };
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        let mut path: Vec<(String, Vec<String>)> = vec![(start.clone(), next(start))];
        while let Some((at, ahead)) = path.last_mut() {
            let at = at.clone();
            let Some(to) = ahead.pop() else {
                done.insert(at);
                path.pop();
                continue;
            };
            if let Some(first) = path.iter().position(|(name, _)| *name == to) {
                let cycle: Vec<&str> = path[first..].iter().map(|(name, _)| &**name).collect();
                panic!("these files need each other: {}", cycle.join(" -> "));
            }
            if !done.contains(&to) {
                let ahead = next(&to);
                path.push((to, ahead));
            }
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for (module, text) in modules() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{module} has {lines} lines, {LONGEST_FILE} are allowed");
        assert!(text.starts_with("//!"), "{module} does not open with what it is");
        assert!(!module.ends_with("::mod"), "{module}: a module's file lies beside its folder");
    }
}

#[test]
fn the_top_holds_only_what_has_a_reason() {
    let allowed: BTreeSet<&str> = [
        ".ci",
        ".git",
        ".gitattributes",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "clippy.toml",
        "deny.toml",
        "docs",
        "python",
        "results",
        "rustfmt.toml",
        "scenarios",
        "src",
        "target",
        "tests",
    ]
    .into();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(allowed.contains(name.as_str()), "{name} lies at the top without a reason");
    }
}

#[test]
fn imports_are_taken_apart() {
    let text =
        "use crate::a::{b, c::{D, e}};\npub use super::f as g;\n// use crate::no;\nfn x() {}";
    assert_eq!(imports(text), ["crate::a::b", "crate::a::c::D", "crate::a::c::e", "super::f"]);
}
