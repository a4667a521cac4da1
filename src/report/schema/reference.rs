//! The reference of all keys, as a page of Markdown.

use std::fmt::Write;

use super::{known_names, sentence, values};
use crate::catalog::Catalog;
use crate::foundations::Dimension;
use crate::simulation::scenario::SCENARIO;
use crate::simulation::scenario::objectives::TARGETS;
use crate::simulation::scenario::reader::{Key, Kind, LAWS, MODIFIERS, Presence, Schema};

const HEAD: &str = "# What a scenario may say

Written by `tokenfleet schema --reference`; the words are those of the code that reads scenarios. \
Editors that know TOML complete and check a scenario whose first line is `#:schema` with the path of \
`tokenfleet schema`'s output; `tokenfleet check` says all that is wrong.

Quantities carry their unit in the text, `\"2 h\"`; zero needs none. Where a value may be a *law*, a \
quantity stands for a constant, and a table draws it anew each time: see [Laws](#laws). Names in \
capitals are yours to choose.
";

const UNCERTAIN: &str = "
## What is not known

A law says what varies from use to use. What is the same for all but not known, a price or a rate, is \
marked `uncertain`, in place of any number or name outside `[run]` and `[objectives]`: it is drawn once \
for each trial, and trial 3 has the same unknowns in every variant.

```toml
price    = { uncertain = { lognormal = { median = \"$3 /h\", p90 = \"$5 /h\" } } }
replicas = { uncertain = { uniform = [4, 8], round = true } }
cost     = { uncertain = [\"on-demand\", \"reserved\"] }              # one of these, equally likely
latency  = { uncertain = { uniform = [\"1 s\", \"3 s\"] }, as = \"search\" } # moves with all that go by this name
```
";

/// The page, with the names that the catalog knows.
pub fn reference(catalog: &Catalog) -> String {
    let mut page = Page { text: HEAD.to_owned(), catalog, seen: Vec::new() };
    page.section(&SCENARIO, "");
    page.objectives();
    page.laws();
    page.units();
    page.text
}

struct Page<'c> {
    text: String,
    catalog: &'c Catalog,
    /// Sections that stand on the page, with the headings they have there.
    seen: Vec<(*const Schema, String)>,
}

impl Page<'_> {
    /// A section and those below it; a second time only where it stands.
    fn section(&mut self, schema: &'static Schema, path: &str) {
        let place = std::ptr::from_ref(schema);
        let known = self.seen.iter().find(|(known, _)| *known == place);
        let known = known.map(|(_, heading)| heading.clone());
        let heading = if path.is_empty() { "The file".to_owned() } else { format!("`{path}`") };
        if let Some(first) = known {
            self.line(&format!("\n## {heading}\n\nThe keys of {first}."));
            return;
        }
        self.seen.push((place, heading.clone()));
        self.line(&format!("\n## {heading}\n\n{}", schema.doc));
        self.keys(schema.keys);
        let cases = schema.tag.map_or(&[][..], |tag| tag.cases);
        for (word, case) in cases {
            let decider = schema.tag.map_or("", |tag| tag.key);
            self.line(&format!("\n### `{decider} = \"{word}\"`\n\n{}", case.doc));
            self.keys(case.keys);
        }
        let below = cases.iter().flat_map(|(_, case)| case.keys);
        for key in schema.keys.iter().chain(below) {
            self.below(key, path);
        }
    }

    /// The sections that a key holds.
    fn below(&mut self, key: &Key, path: &str) {
        let inner = path.trim_start_matches('[').trim_end_matches(']');
        let name = |key: &str| match inner {
            "" => key.to_owned(),
            inner => format!("{inner}.{key}"),
        };
        let kinds = if let Kind::Either(kinds) = key.kind { kinds } else { &[key.kind] };
        for kind in kinds {
            let (schema, path) = match kind {
                Kind::Section(schema) => (schema, format!("[{}]", name(key.name))),
                Kind::Sections(schema) => (schema, format!("[{}.NAME]", name(key.name))),
                Kind::SectionList(schema) => (schema, format!("[[{}]]", name(key.name))),
                _ => continue,
            };
            let heading = format!("`{path}`");
            if self.seen.iter().all(|(_, known)| *known != heading) {
                self.section(schema, &path);
            }
        }
    }

    fn keys(&mut self, keys: &[Key]) {
        if keys.is_empty() {
            return;
        }
        self.line("\n| key | meaning | value | without it |\n|---|---|---|---|");
        for key in keys {
            let without = match key.presence {
                Presence::Required => "must be given".to_owned(),
                Presence::Optional => String::new(),
                Presence::Default("") => "empty".to_owned(),
                Presence::Default(value) => format!("`{value}`"),
            };
            let example = match key.kind {
                Kind::Section(_) | Kind::Sections(_) | Kind::SectionList(_) => String::new(),
                _ if key.example.is_empty() => String::new(),
                _ => format!("`{}`", key.assignment()),
            };
            let values = match self.known(&key.kind) {
                None => values(&key.kind),
                Some(names) => format!("{}: {names}", values(&key.kind)),
            };
            let value = match (values.is_empty(), example.is_empty()) {
                (false, false) => format!("{}; {example}", sentence(&values).trim_end_matches('.')),
                (true, false) => example,
                (false, true) => sentence(&values),
                (true, true) => String::new(),
            };
            let cells = [sentence(key.doc), value, without].map(|cell| cell.replace('|', "\\|"));
            self.line(&format!("| `{}` | {} |", key.name, cells.join(" | ")));
        }
    }

    /// Where the names of a kind are listed.
    fn known(&self, kind: &Kind) -> Option<String> {
        let (Kind::Name(what) | Kind::Names(what)) = kind else { return None };
        match *what {
            "accelerator" | "model" | "engine" | "region" => {
                Some(format!("`tokenfleet catalog {what}s`"))
            }
            "program" => Some("`tokenfleet catalog agents`".to_owned()),
            _ => {
                let names = known_names(what, self.catalog);
                (!names.is_empty()).then(|| names.join(", "))
            }
        }
    }

    fn objectives(&mut self) {
        self.line(
            "\n## `[objectives]`\n\nBounds on figures: `ttft_p99 = \"3 s\"`. Behind a figure with a \
             distribution stands `_mean`, `_p50`, `_p90`, `_p95` or `_p99`; without, its mean is \
             meant. `[objectives.agents.NAME]`, `[objectives.tenants.NAME]`, \
             `[objectives.pools.NAME]` and `[objectives.endpoints.NAME]` demand it of a part.\n\n\
             | figure | bound | value | percentiles | of the fleet | of agents, of tenants | of pools \
             | of endpoints |\n\
             |---|---|---|---|---|---|---|---|",
        );
        let mark = |yes: bool| if yes { "yes" } else { "" };
        for target in TARGETS {
            self.line(&format!(
                "| `{}` | {} | {} such as `\"{}\"` | {} | {} | {} | {} | {} |",
                target.name,
                if target.at_least { "at least" } else { "at most" },
                target.dimension.noun(),
                target.dimension.examples()[0],
                mark(target.observed),
                mark(target.fleet),
                mark(target.agents),
                mark(target.pools),
                mark(target.endpoints),
            ));
        }
    }

    fn laws(&mut self) {
        self.line(
            "\n## Laws\n\nA table names one law, with its parameters:\n\n| law | what it is | written \
             |\n|---|---|---|",
        );
        for law in LAWS {
            let examples: Vec<_> = law.examples.iter().map(|text| format!("`{text}`")).collect();
            self.line(&format!("| `{}` | {} | {} |", law.name, law.doc, examples.join(", ")));
        }
        self.line(
            "\nBeside it may stand what is done to its values, in this order:\n\n| key | what it does \
             |\n|---|---|",
        );
        for (name, doc) in MODIFIERS {
            self.line(&format!("| `{name}` | {doc} |"));
        }
        self.line(UNCERTAIN);
    }

    fn units(&mut self) {
        self.line("\n## Quantities\n\n| quantity | written | base unit |\n|---|---|---|");
        for of in Dimension::ALL {
            let [one, two] = of.examples();
            let unit = of.base_unit();
            self.line(&format!("| {} | `\"{one}\"`, `\"{two}\"` | {unit} |", of.noun()));
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
