//! The JSON Schema of scenario files.
//!
//! It uses what drafts 7 and 2020-12 share but for the place of definitions, as editors differ in
//! what they know. A reference stands alone inside `allOf`: older readers ignore its neighbours.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{known_names, sentence, sentences};
use crate::catalog::Catalog;
use crate::foundations::Dimension;
use crate::simulation::scenario::SCENARIO;
use crate::simulation::scenario::objectives::{TARGETS, Target};
use crate::simulation::scenario::reader::{
    Bounds, Form, Key, Kind, LAWS, LawSyntax, MODIFIERS, Of, Parameters, Presence, Schema,
};

/// What a scenario may say, with the names that the catalog knows.
pub fn json(catalog: &Catalog) -> Value {
    let quantities = Dimension::ALL.into_iter();
    let quantities =
        quantities.map(|of| (of.noun().replace(' ', "_"), any_quantity(of, Bounds::ALL)));
    let quantities = quantities.chain([("uncertain".to_owned(), uncertain())]);
    let mut writer =
        Writer { catalog, lenient: Vec::new(), names: Vec::new(), defs: quantities.collect() };
    inheriting(&SCENARIO, false, &mut writer.lenient, &mut Vec::new());
    let Value::Object(mut root) = writer.section(&SCENARIO, "") else { return Value::Null };
    root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".into(), "tokenfleet scenario".into());
    root.insert("$defs".into(), Value::Object(writer.defs.into_iter().collect()));
    Value::Object(root)
}

/// Collects the schemas whose missing keys may come from elsewhere.
fn inheriting(
    schema: &'static Schema,
    below: bool,
    found: &mut Vec<*const Schema>,
    seen: &mut Vec<(*const Schema, bool)>,
) {
    let (place, below) = (std::ptr::from_ref(schema), below || schema.inherits);
    if seen.contains(&(place, below)) {
        return;
    }
    seen.push((place, below));
    if below {
        found.push(place);
    }
    let cases = schema.tag.map_or(&[][..], |tag| tag.cases);
    cases.iter().for_each(|(_, case)| inheriting(case, below, found, seen));
    for key in schema.keys {
        let kinds = if let Kind::Either(kinds) = key.kind { kinds } else { &[key.kind] };
        for kind in kinds {
            if let Kind::Section(next) | Kind::Sections(next) | Kind::SectionList(next) = kind {
                inheriting(next, below, found, seen);
            }
        }
    }
}

struct Writer<'c> {
    catalog: &'c Catalog,
    /// Schemas whose missing keys may come from elsewhere: nothing is required in them.
    lenient: Vec<*const Schema>,
    /// Names of the definitions of schemas.
    names: Vec<(*const Schema, String)>,
    defs: BTreeMap<String, Value>,
}

impl Writer<'_> {
    /// A reference to the definition of a section, which is written when first asked for.
    fn reference(&mut self, schema: &'static Schema, path: &str) -> Value {
        let place = std::ptr::from_ref(schema);
        let name = match self.names.iter().find(|(known, _)| *known == place) {
            Some((_, name)) => name.clone(),
            None => {
                self.names.push((place, path.to_owned()));
                let section = self.section(schema, path);
                self.defs.insert(path.to_owned(), section);
                path.to_owned()
            }
        };
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn section(&mut self, schema: &'static Schema, path: &str) -> Value {
        let Some(tag) = schema.tag else {
            return self.table(schema, &[], None, path);
        };
        let cases = tag.cases.iter().map(|&(word, case)| {
            let path = format!("{path}.{word}");
            self.table(schema, case.keys, Some((tag.key, word, case.doc)), &path)
        });
        let cases: Vec<Value> = cases.collect();
        json!({ "description": schema.doc, "anyOf": cases })
    }

    /// A table of a schema's keys and of those that a word of its tag brings.
    fn table(
        &mut self,
        schema: &'static Schema,
        case: &'static [Key],
        tag: Option<(&str, &str, &str)>,
        path: &str,
    ) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        let lenient = self.lenient.contains(&std::ptr::from_ref(schema));
        for key in schema.keys.iter().chain(case) {
            let path =
                if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            let value = match tag {
                Some((decider, word, doc)) if decider == key.name => {
                    json!({ "const": word, "description": sentence(doc) })
                }
                _ => self.key(key, &path),
            };
            properties.insert(key.name.to_owned(), value);
            if key.presence == Presence::Required && !lenient {
                required.push(key.name);
            }
        }
        let mut table = json!({
            "type": "object",
            "description": tag.map_or(schema.doc, |(.., doc)| doc),
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            table["required"] = json!(required);
        }
        table
    }

    fn key(&mut self, key: &Key, path: &str) -> Value {
        let value = |text: &str| toml_value(&key.written(text));
        let mut found = described(self.kind(&key.kind, path), sentences(key));
        if let Presence::Default(text) = key.presence {
            found["default"] = value(text);
        }
        if !key.example.is_empty() {
            found["examples"] = json!([value(key.example)]);
        }
        found
    }

    fn kind(&mut self, kind: &Kind, path: &str) -> Value {
        match *kind {
            Kind::Any => json!({}),
            Kind::Text => or_uncertain(json!({ "type": "string" })),
            Kind::Boolean => or_uncertain(json!({ "type": "boolean" })),
            Kind::Integer(low, high) => {
                or_uncertain(json!({ "type": "integer", "minimum": low, "maximum": high }))
            }
            Kind::Quantity(of, bounds) => quantity(of, bounds),
            Kind::Law(of, _) => self.law(of),
            Kind::Choice(words) => or_uncertain(json!({ "enum": words })),
            Kind::Name(what) => self.name(what),
            Kind::Names(what) => json!({ "type": "array", "items": self.name(what) }),
            Kind::NamedNames(what) => {
                json!({ "type": "object", "additionalProperties": self.name(what) })
            }
            Kind::Quantities(of, bounds) => {
                json!({ "type": "array", "items": quantity(of, bounds) })
            }
            Kind::NamedQuantities(of, bounds) => {
                json!({ "type": "object", "additionalProperties": quantity(of, bounds) })
            }
            Kind::Section(schema) => self.reference(schema, path),
            Kind::Sections(schema) => {
                json!({ "type": "object", "additionalProperties": self.reference(schema, path) })
            }
            Kind::SectionList(schema) => {
                json!({ "type": "array", "items": self.reference(schema, path) })
            }
            Kind::Tables => {
                json!({ "type": "object", "additionalProperties": { "type": "object" } })
            }
            Kind::Objectives => objectives(),
            Kind::Either(kinds) => {
                let kinds: Vec<Value> = kinds.iter().map(|kind| self.kind(kind, path)).collect();
                json!({ "anyOf": kinds })
            }
        }
    }

    /// A name: the known ones, for completion, or one that the scenario defines.
    fn name(&self, what: &str) -> Value {
        match known_names(what, self.catalog) {
            names if names.is_empty() => json!({ "type": "string" }),
            names if what == "number format" => json!({ "enum": names }),
            names => json!({
                "anyOf": [{ "enum": names }, { "type": "string" }, reference_to_uncertain()],
            }),
        }
    }

    /// A reference to the laws of a dimension.
    fn law(&mut self, of: Dimension) -> Value {
        let name = format!("law of {}", of.noun()).replace(' ', "_");
        if !self.defs.contains_key(&name) {
            let part = format!("part_of_{name}");
            // The part of a mixture is a law with a weight; a mixture may hold mixtures.
            let mixture = json!({ "$ref": format!("#/$defs/{part}") });
            let weight = json!({ "type": "number", "minimum": 0, "description": "Its share." });
            self.defs.insert(part, law_table(of, &mixture, Some(weight)));
            let law = json!({
                "anyOf": [quantity(of, Bounds::ALL), law_table(of, &mixture, None)],
            });
            self.defs.insert(name.clone(), law);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

/// A value with a line about it.
fn described(value: Value, line: String) -> Value {
    let mut value = match value.get("$ref") {
        Some(_) => json!({ "allOf": [value] }),
        None => value,
    };
    value["description"] = line.into();
    value
}

/// A quantity, by reference where no number without a unit can be out of bounds.
fn quantity(of: Dimension, bounds: Bounds) -> Value {
    if bounds == Bounds::ALL || !of.is_unitless() {
        return json!({ "$ref": format!("#/$defs/{}", of.noun().replace(' ', "_")) });
    }
    any_quantity(of, bounds)
}

fn any_quantity(of: Dimension, bounds: Bounds) -> Value {
    let mut number = match of.is_unitless() {
        true => json!({ "type": "number" }),
        // Zero needs no unit.
        false => json!({ "const": 0 }),
    };
    if of.is_unitless() && bounds.low.is_finite() {
        number[if bounds.above { "exclusiveMinimum" } else { "minimum" }] = json!(bounds.low);
    }
    if of.is_unitless() && bounds.high.is_finite() {
        number["maximum"] = json!(bounds.high);
    }
    let text = json!({ "type": "string", "pattern": "[0-9]", "examples": of.examples() });
    json!({ "anyOf": [text, number, reference_to_uncertain()] })
}

/// A value, or what is not known of it.
fn or_uncertain(value: Value) -> Value {
    json!({ "anyOf": [value, reference_to_uncertain()] })
}

fn reference_to_uncertain() -> Value {
    json!({ "$ref": "#/$defs/uncertain" })
}

/// What stands in place of a value that is not known.
fn uncertain() -> Value {
    let laws =
        LAWS.iter().map(|law| (law.name.to_owned(), described(json!({}), sentence(law.doc))));
    let modifiers =
        MODIFIERS.iter().map(|&(name, doc)| (name.to_owned(), described(json!({}), sentence(doc))));
    let law = json!({
        "type": "object",
        "properties": Map::from_iter(laws.chain(modifiers)),
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "What is not known: drawn once for each trial.",
        "properties": {
            "uncertain": {
                "anyOf": [law, { "type": "array", "minItems": 2 }],
                "description": "A law of what it could be, or a list of what it is one of.",
            },
            "as": {
                "type": "string",
                "description": "A name by which several values move together; by default its path.",
            },
        },
        "required": ["uncertain"],
        "additionalProperties": false,
    })
}

/// A table that names one law, with what may stand beside it.
fn law_table(of: Dimension, mixture: &Value, weight: Option<Value>) -> Value {
    let one_law = LAWS.iter().map(|law| json!({ "required": [law.name] }));
    let one_law: Vec<Value> = one_law.collect();
    let mut properties = Map::new();
    for law in LAWS {
        properties.insert(law.name.to_owned(), parameters(law, of, mixture));
    }
    for &(name, doc) in MODIFIERS {
        let value = match name {
            "round" => json!({ "type": "boolean" }),
            "times" => quantity(Dimension::Number, Bounds::ALL),
            "truncate" => pair(of),
            _ => quantity(of, Bounds::ALL),
        };
        properties.insert(name.to_owned(), described(value, sentence(doc)));
    }
    let required: &[&str] = if weight.is_some() { &["weight"] } else { &[] };
    properties.extend(weight.map(|weight| ("weight".to_owned(), weight)));
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required,
        "oneOf": one_law,
    })
}

fn pair(of: Dimension) -> Value {
    let items = quantity(of, Bounds::ALL);
    json!({ "type": "array", "items": items, "minItems": 2, "maxItems": 2 })
}

fn parameters(law: &LawSyntax, of: Dimension, mixture: &Value) -> Value {
    let list = |of| json!({ "type": "array", "items": quantity(of, Bounds::ALL) });
    let value = match law.parameters {
        Parameters::Value => quantity(of, Bounds::ALL),
        Parameters::Pair => pair(of),
        Parameters::Forms(forms) => {
            let forms: Vec<Value> = forms.iter().map(|form| parameter_table(form, of)).collect();
            json!({ "anyOf": forms })
        }
        Parameters::Quantiles => json!({
            "type": "object",
            "properties": { "p": list(Dimension::Fraction), "values": list(of) },
            "additionalProperties": false,
            "required": ["p", "values"],
        }),
        Parameters::Mixture => json!({ "type": "array", "items": mixture }),
    };
    described(value, sentence(law.doc))
}

fn parameter_table(form: &Form, of: Dimension) -> Value {
    let (mut properties, mut patterns, mut required) = (Map::new(), Map::new(), Vec::new());
    for &(name, parameter) in form.keys {
        let dimension = match parameter {
            Of::Same | Of::Percentile => of,
            Of::Fraction => Dimension::Fraction,
            Of::Number | Of::Whole => Dimension::Number,
        };
        let value = quantity(dimension, Bounds::ALL);
        if matches!(parameter, Of::Percentile) {
            // Any percentile will do, so that the named one is only to be completed.
            patterns.insert("^p[0-9]+$".to_owned(), value.clone());
        } else {
            required.push(name);
        }
        properties.insert(name.to_owned(), value);
    }
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
        "required": required,
        "minProperties": form.keys.len(),
    })
}

/// Objectives of the fleet, and of its parts.
fn objectives() -> Value {
    let of = |applies: &dyn Fn(&Target) -> bool| {
        let targets = TARGETS.iter().filter(|target| applies(target));
        let keys = targets.flat_map(|target| {
            let bound = if target.at_least { "At least" } else { "At most" };
            let line = format!("{bound} {}.", target.dimension.noun());
            let value = described(quantity(target.dimension, target.bounds()), line);
            target.keys().map(move |key| (key, value.clone()))
        });
        Map::from_iter(keys)
    };
    let parts = |applies: &dyn Fn(&Target) -> bool| {
        let properties = of(applies);
        json!({ "type": "object", "additionalProperties": {
            "type": "object", "properties": properties, "additionalProperties": false,
        } })
    };
    let mut properties = of(&|target| target.fleet);
    properties.insert("agents".to_owned(), parts(&|target| target.agents));
    properties.insert("tenants".to_owned(), parts(&|target| target.agents));
    properties.insert("pools".to_owned(), parts(&|target| target.pools));
    properties.insert("endpoints".to_owned(), parts(&|target| target.endpoints));
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// A value that is written in TOML.
fn toml_value(text: &str) -> Value {
    let table: Result<toml::Table, _> = format!("value = {text}").parse();
    let value = table.ok().and_then(|mut table| table.remove("value"));
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_else(|| text.into())
}
