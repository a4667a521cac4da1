//! Reading accelerators from their data file, and changing one field by field.

use super::{Accelerator, Field};
use crate::catalog::figure::{Confidence, Source};
use crate::catalog::record::{self, FieldError, Sources, Standing};

const KIND: &str = "accelerator";

/// Fields of an entry that are text, not figures.
const TEXTS: [&str; 8] = [
    "name",
    "vendor",
    "generation",
    "release",
    "memory_kind",
    "link_kind",
    "host_link_kind",
    "note",
];

/// Reads the table of an entry.
pub(in crate::catalog) fn read(
    entry: &toml::Table,
    sources: &Sources,
) -> Result<Accelerator, FieldError> {
    let mut accelerator = Accelerator::empty(&record::text(entry, "key"));
    let unstated =
        Standing { source: Source::default().into(), confidence: Confidence::C, assumed: true };
    let standing = unstated
        .with(entry, sources)
        .map_err(|reason| FieldError::bad(KIND, &accelerator.key, "source", reason))?;
    accelerator.confidence = standing.confidence;
    for (name, value) in entry {
        match name.as_str() {
            "key" | "source" | "confidence" | "assumed" => {}
            _ => accelerator.set_with(name, value, sources, &standing)?,
        }
    }
    Ok(accelerator)
}

impl Accelerator {
    /// An accelerator of which nothing is known but its key.
    #[must_use]
    pub fn empty(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            name: key.to_owned(),
            vendor: String::new(),
            generation: String::new(),
            release: String::new(),
            memory_kind: String::new(),
            link_kind: String::new(),
            host_link_kind: String::new(),
            aliases: Vec::new(),
            base: None,
            confidence: Confidence::A,
            note: String::new(),
            figures: [const { None }; Field::COUNT],
        }
    }

    /// Sets one field: a [`Field`] by its name, to a quantity (`"80 GiB"`) or a table with `value`, `low`, `high`, `note`; or a text such as `name`.
    ///
    /// # Errors
    /// [`FieldError`] for an unknown field (with the valid ones) or an unreadable value.
    pub fn set(&mut self, name: &str, value: &toml::Value, by: &str) -> Result<(), FieldError> {
        self.set_with(name, value, &Sources::default(), &Standing::stated(by))
    }

    fn set_with(
        &mut self,
        name: &str,
        value: &toml::Value,
        sources: &Sources,
        standing: &Standing,
    ) -> Result<(), FieldError> {
        if let Some(field) = Field::from_name(name) {
            let figure = record::figure(value, field.dimension(), sources, standing)
                .map_err(|reason| FieldError::bad(KIND, &self.key, name, reason))?;
            self.figures[field as usize] = Some(figure);
            return Ok(());
        }
        if name == "aliases" {
            let list = value.as_array().into_iter().flatten().filter_map(toml::Value::as_str);
            self.aliases = list.map(str::to_owned).collect();
            return Ok(());
        }
        let Some(slot) = self.text_mut(name) else {
            let figures = Field::ALL.into_iter().map(Field::name);
            let valid = figures.chain(TEXTS).chain(["aliases"]).map(str::to_owned).collect();
            return Err(FieldError::unknown(KIND, &self.key, name, valid));
        };
        match value.as_str() {
            Some(text) => text.clone_into(slot),
            None => {
                let reason = format!("expected text, found {}", value.type_str());
                return Err(FieldError::bad(KIND, &self.key, name, reason));
            }
        }
        Ok(())
    }

    fn text_mut(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "name" => &mut self.name,
            "vendor" => &mut self.vendor,
            "generation" => &mut self.generation,
            "release" => &mut self.release,
            "memory_kind" => &mut self.memory_kind,
            "link_kind" => &mut self.link_kind,
            "host_link_kind" => &mut self.host_link_kind,
            "note" => &mut self.note,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn a_bare_figure_stands_on_its_record_and_a_full_one_on_its_own_source() {
        let file = table(
            r#"
            [sources]
            sheet = { text = "vendor sheet", date = "2026-01-02" }
            memory = { text = "from memory", assumed = true }
            [accelerator]
            key = "x1"
            source = "sheet"
            confidence = "A"
            tdp = "700 W"
            spot = { value = "$1 /h", high = "$2 /h", source = "memory", confidence = "C" }
            "#,
        );
        let sources = Sources::read(file.get("sources"));
        let x1 = read(file["accelerator"].as_table().unwrap(), &sources).unwrap();
        let tdp = x1.figure(Field::Tdp).unwrap();
        assert_eq!(
            (tdp.value, tdp.source.date.as_str(), tdp.assumed),
            (700.0, "2026-01-02", false)
        );
        let spot = x1.figure(Field::Spot).unwrap();
        assert_eq!((spot.high, spot.confidence, spot.assumed), (Some(2.0), Confidence::C, true));
    }

    #[test]
    fn a_figure_that_nobody_published_is_named() {
        let error = Accelerator::empty("x1").memory_bandwidth().unwrap_err();
        assert!(error.to_string().contains("memory_bandwidth"), "{error}");
        assert!(error.to_string().contains("x1"), "{error}");
    }

    #[test]
    fn bad_changes_are_refused_with_the_mend() {
        let mut x1 = Accelerator::empty("x1");
        let error = x1.set("memory_bandwith", &"4 TB/s".into(), "scenario").unwrap_err();
        assert!(error.to_string().contains("did you mean `memory_bandwidth`?"), "{error}");
        for value in ["-4 TB/s", "0 B/s", "4 TB", "fast"] {
            assert!(x1.set("memory_bandwidth", &value.into(), "scenario").is_err(), "{value}");
        }
        let outside = toml::toml! { value = "$5 /h"
        low = "$6 /h" };
        assert!(x1.set("spot", &outside.into(), "scenario").is_err());
        x1.set("memory_bandwidth", &"4 TB/s".into(), "scenario").unwrap();
        assert_eq!(x1.memory_bandwidth(), Ok(4e12));
    }
}
