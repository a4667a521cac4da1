//! What the command prints.

use serde_json::Value;

use super::*;

fn shown(subject: Subject, name: Option<&str>, format: Format) -> String {
    let name = name.map(str::to_owned);
    let arguments = CatalogArguments { subject, name, format };
    let mut out = Vec::new();
    run(&arguments, &Catalog::embedded(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_subject_is_listed_in_every_format_with_a_row_per_entry() {
    let catalog = Catalog::embedded();
    for (subject, count) in [
        (Subject::Accelerators, catalog.accelerators().count()),
        (Subject::Models, catalog.models().count()),
        (Subject::Engines, catalog.engines().count()),
        (Subject::Agents, catalog.agents().count()),
        (Subject::Regions, catalog.regions().count()),
        (Subject::Assumptions, catalog.assumptions().len()),
    ] {
        let table = shown(subject, None, Format::Table);
        assert_eq!(table.lines().count(), count + 1, "{subject:?}: one line per row, unwrapped");
        let json: Value = serde_json::from_str(&shown(subject, None, Format::Json)).unwrap();
        assert_eq!(json.as_array().map(Vec::len), Some(count), "{subject:?}");
        let csv = shown(subject, None, Format::Csv);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.records().map(Result::unwrap).count(), count, "{subject:?}");
    }
}

#[test]
fn programs_get_base_units_and_numbers() {
    let json: Value =
        serde_json::from_str(&shown(Subject::Accelerators, None, Format::Json)).unwrap();
    let h100 = json.as_array().unwrap().iter().find(|row| row["key"] == "h100-sxm").unwrap();
    assert_eq!(h100["memory_bandwidth"], 3.35e12);
    assert_eq!(h100["fp8"], 1.979e15);
    assert!(h100.get("fp4").is_none());
}

#[test]
fn every_entry_has_a_page() {
    let catalog = Catalog::embedded();
    let pages = [
        (Subject::Accelerators, catalog.accelerators().map(|e| e.key.clone()).collect()),
        (Subject::Models, catalog.models().map(|e| e.key.clone()).collect()),
        (Subject::Engines, catalog.engines().map(|e| e.key.clone()).collect()),
        (Subject::Agents, catalog.agents().map(|e| e.key.clone()).collect()),
        (Subject::Regions, catalog.regions().map(|e| e.key.clone()).collect()),
        (Subject::Prices, catalog.prices().names()),
    ];
    for (subject, names) in pages {
        let names: Vec<String> = names;
        for name in names {
            let page = entry::page(subject, &catalog, &name).unwrap().unwrap();
            assert!(!page.sections.is_empty(), "{subject:?} {name}");
        }
    }
}

#[test]
fn an_unknown_name_is_answered_by_the_one_that_was_meant() {
    let arguments = CatalogArguments {
        subject: Subject::Models,
        name: Some("llama-3.3-70".to_owned()),
        format: Format::Table,
    };
    let error = run(&arguments, &Catalog::embedded(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("did you mean `llama-3.3-70b`?"), "{error}");
}

/// A reader that has gone away is an error to the caller, not a panic.
#[test]
fn a_closed_pipe_is_an_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Table, Format::Json, Format::Csv] {
        let arguments = CatalogArguments { subject: Subject::Models, name: None, format };
        let error = run(&arguments, &Catalog::embedded(), &mut Closed).unwrap_err();
        let CatalogCommandError::Write(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{format:?}");
    }
}

#[test]
fn a_model_is_shown_with_its_cache_weights_and_sources() {
    insta::assert_snapshot!(shown(Subject::Models, Some("Kimi-K2.5"), Format::Table));
}

#[test]
fn an_accelerator_is_shown_with_its_sources() {
    insta::assert_snapshot!(shown(Subject::Accelerators, Some("GB200"), Format::Table));
}

#[test]
fn an_agent_is_shown_with_its_steps_and_what_they_take() {
    insta::assert_snapshot!(shown(Subject::Agents, Some("lats"), Format::Table));
}
