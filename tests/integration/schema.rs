//! `tokenfleet schema`: what editors and readers are told of scenarios is what the reader takes.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};
use tokenfleet::catalog::Catalog;
use tokenfleet::report::schema;
use tokenfleet::simulation::scenario::SCENARIO;
use tokenfleet::simulation::scenario::reader::problems;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema::json(&Catalog::embedded())).unwrap()
}

/// TOML files in a folder and those below it.
fn toml_files(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

fn value(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

/// What the schema has against a document, with the place of each.
fn complaints(validator: &Validator, document: &Value) -> Vec<String> {
    let complaints = validator.iter_errors(document);
    complaints.map(|error| format!("{}: {error}", error.instance_path)).collect()
}

#[test]
fn the_declarations_are_sound() {
    assert_eq!(problems(&SCENARIO), [""; 0]);
}

#[test]
fn every_shipped_scenario_is_one_by_the_schema() {
    let validator = validator();
    for path in toml_files("scenarios") {
        let text = fs::read_to_string(&path).unwrap();
        let found = complaints(&validator, &value(&text));
        assert_eq!(found, [""; 0], "{}", path.display());
        // An editor finds the schema by its first line.
        let named = text.strip_prefix("#:schema ").and_then(|rest| rest.lines().next());
        let named = named.unwrap_or_else(|| panic!("{} names no schema", path.display()));
        let schema = path.parent().unwrap().join(named);
        let found = fs::canonicalize(&schema);
        assert_eq!(found.unwrap(), root().join("scenarios/scenario.schema.json"));
    }
}

/// Archetypes are programs as scenarios write them.
#[test]
fn every_archetype_is_a_program_by_the_schema() {
    let validator = validator();
    for path in toml_files("src/catalog/agents") {
        let mut program = value(&fs::read_to_string(&path).unwrap());
        let table = program.as_object_mut().unwrap();
        for key in ["name", "description", "aliases", "evidence"] {
            table.remove(key);
        }
        let scenario = json!({ "agents": {}, "pools": {}, "programs": { "archetype": program } });
        assert_eq!(complaints(&validator, &scenario), [""; 0], "{}", path.display());
    }
}

#[test]
fn nonsense_is_underlined_where_it_stands() {
    let validator = validator();
    let sound = fs::read_to_string(root().join("scenarios/quickstart.toml")).unwrap();
    let sound = value(&sound);
    assert_eq!(complaints(&validator, &sound), [""; 0]);
    let nonsense = [
        ("/run/horizont", json!("2 h")),
        ("/run/trials", json!(0)),
        ("/run/horizon", json!(7200)),
        ("/run/ending", json!("stop")),
        ("/pools/main/replicas", json!(1.5)),
        ("/pools/main/precision", json!({ "weight": "fp8" })),
        ("/objectives/ttft_p42", json!("3 s")),
        ("/tools", json!({ "shell": { "latency": { "lognormal": { "median": "8 s" } } } })),
        ("/tools", json!({ "shell": { "latency": { "exponential": { "mean": 3 } }, "slot": 2 } })),
        ("/pool", json!({})),
    ];
    for (path, wrong) in nonsense {
        let mut document = sound.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = match parent {
            "" => Some(&mut document),
            _ => document.pointer_mut(parent),
        };
        parent.unwrap_or_else(|| panic!("{path}"))[key] = wrong.clone();
        assert!(!complaints(&validator, &document).is_empty(), "{path} = {wrong} passes");
    }
}

/// The files that are shipped are what the command prints now.
#[test]
fn what_is_shipped_is_current() {
    let catalog = Catalog::embedded();
    let json = serde_json::to_string_pretty(&schema::json(&catalog)).unwrap() + "\n";
    let files = [
        ("scenarios/scenario.schema.json", json, "tokenfleet schema"),
        (
            "docs/scenario-reference.md",
            schema::reference(&catalog),
            "tokenfleet schema --reference",
        ),
    ];
    for (path, current, command) in files {
        let shipped = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(shipped == current, "write it again: {command} > {path}");
    }
}
