//! What a section may hold: its keys with their kinds, ranges, defaults and one line on each.
//!
//! A schema is a `static` table beside the code that reads it, and the only place where a key is
//! declared: the reader takes ranges and defaults from it, suggestions for a mistyped key come from
//! it, and so do the JSON Schema and the reference that `tokenfleet schema` prints.

use crate::foundations::Dimension;

/// The keys of a section.
#[derive(Debug)]
pub struct Schema {
    /// What the section is about, in one line.
    pub doc: &'static str,
    /// Its keys, in the order in which a reference lists them.
    pub keys: &'static [Key],
    /// Further keys that depend on the value of one.
    pub tag: Option<Tag>,
    /// Whether what is missing here, and below, may come from another section that it builds on.
    pub inherits: bool,
}

/// A key whose value decides which further keys a section has, as the `kind` of a step does.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    /// The deciding key, a [`Kind::Choice`] of the section.
    pub key: &'static str,
    /// The further keys by its value.
    pub cases: &'static [(&'static str, &'static Schema)],
}

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it may be left out.
    pub presence: Presence,
    /// A value that one would give, as in [`Presence::Default`].
    pub example: &'static str,
}

/// Whether a key may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must be given.
    Required,
    /// It may be left out, which has a meaning of its own.
    Optional,
    /// Left out, it has this value: TOML, or a bare text.
    Default(&'static str),
}

/// What a key's value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number of a range, both ends included.
    Integer(i64, i64),
    /// A quantity.
    Quantity(Dimension, Bounds),
    /// A quantity or a probability law of one.
    Law(Dimension, Bounds),
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// The name of something that is defined elsewhere; what, in the singular.
    Name(&'static str),
    /// A list of names; of what, in the singular.
    Names(&'static str),
    /// A list of quantities.
    Quantities(Dimension, Bounds),
    /// A table of quantities under free names.
    NamedQuantities(Dimension, Bounds),
    /// A section.
    Section(&'static Schema),
    /// Sections under free names.
    Sections(&'static Schema),
    /// A list of sections.
    SectionList(&'static Schema),
    /// A table of names under free names; of what, in the singular.
    NamedNames(&'static str),
    /// Objectives: bounds by figure and statistic, and by agent and pool.
    Objectives,
    /// Tables under free names, whose keys other code knows.
    Tables,
    /// A value of one of several kinds, such as a word or a section.
    Either(&'static [Kind]),
    /// Any value: the code that reads it knows more.
    Any,
}

/// The values that are allowed, in the base unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest.
    pub low: f64,
    /// Whether `low` itself is excluded.
    pub above: bool,
    /// The largest.
    pub high: f64,
}

impl Schema {
    /// The keys of a section.
    pub const fn new(doc: &'static str, keys: &'static [Key]) -> Self {
        Schema { doc, keys, tag: None, inherits: false }
    }

    /// Adds the keys that depend on the value of `key`, one of [`Schema::keys`].
    #[must_use]
    pub const fn by(
        mut self,
        key: &'static str,
        cases: &'static [(&'static str, &'static Schema)],
    ) -> Self {
        self.tag = Some(Tag { key, cases });
        self
    }

    /// Says that keys which are missing here, and below, may come from what it builds on.
    #[must_use]
    pub const fn inherits(mut self) -> Self {
        self.inherits = true;
        self
    }

    /// The key of a name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    const fn new(name: &'static str, doc: &'static str, kind: Kind) -> Self {
        Key { name, doc, kind, presence: Presence::Required, example: "" }
    }

    /// A text.
    pub const fn text(name: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Text)
    }

    /// `true` or `false`.
    pub const fn boolean(name: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Boolean)
    }

    /// A whole number from `low` to `high`.
    pub const fn integer(name: &'static str, low: i64, high: i64, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Integer(low, high))
    }

    /// A quantity.
    pub const fn quantity(name: &'static str, of: Dimension, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Quantity(of, Bounds::ALL))
    }

    /// A quantity or a probability law of one.
    pub const fn law(name: &'static str, of: Dimension, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Law(of, Bounds::ALL))
    }

    /// One of a few words.
    pub const fn choice(
        name: &'static str,
        words: &'static [&'static str],
        doc: &'static str,
    ) -> Self {
        Key::new(name, doc, Kind::Choice(words))
    }

    /// The name of `what` is defined elsewhere, such as an `accelerator`.
    pub const fn name(name: &'static str, what: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Name(what))
    }

    /// A list of names of `what` is defined elsewhere.
    pub const fn names(name: &'static str, what: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Names(what))
    }

    /// A list of quantities.
    pub const fn quantities(name: &'static str, of: Dimension, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Quantities(of, Bounds::ALL))
    }

    /// A table of quantities under free names.
    pub const fn named_quantities(name: &'static str, of: Dimension, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::NamedQuantities(of, Bounds::ALL))
    }

    /// A section.
    pub const fn section(name: &'static str, schema: &'static Schema) -> Self {
        Key::new(name, schema.doc, Kind::Section(schema))
    }

    /// Sections under free names, `[pools.main]`.
    pub const fn sections(name: &'static str, schema: &'static Schema) -> Self {
        Key::new(name, schema.doc, Kind::Sections(schema))
    }

    /// A list of sections, `[[steps]]`.
    pub const fn section_list(name: &'static str, schema: &'static Schema) -> Self {
        Key::new(name, schema.doc, Kind::SectionList(schema))
    }

    /// A table of names under free names, of `what` is defined elsewhere.
    pub const fn named_names(name: &'static str, what: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::NamedNames(what))
    }

    /// A value of one of several kinds.
    pub const fn either(name: &'static str, kinds: &'static [Kind], doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Either(kinds))
    }

    /// Objectives.
    pub const fn objectives(name: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Objectives)
    }

    /// Tables under free names, whose keys other code knows.
    pub const fn tables(name: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Tables)
    }

    /// Any value.
    pub const fn any(name: &'static str, doc: &'static str) -> Self {
        Key::new(name, doc, Kind::Any)
    }

    /// Allows to leave the key out.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    /// Allows to leave the key out, which then has this value.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.presence = Presence::Default(value);
        self
    }

    /// A value that one would give. A key with a default needs none.
    #[must_use]
    pub const fn example(mut self, value: &'static str) -> Self {
        self.example = value;
        self
    }

    /// Allows only values above `low`.
    #[must_use]
    pub const fn above(self, low: f64) -> Self {
        self.bounds(Bounds { low, above: true, high: f64::INFINITY })
    }

    /// Allows only `low` and more.
    #[must_use]
    pub const fn at_least(self, low: f64) -> Self {
        self.bounds(Bounds { low, above: false, high: f64::INFINITY })
    }

    /// Allows only values from `low` to `high`, both included.
    #[must_use]
    pub const fn between(self, low: f64, high: f64) -> Self {
        self.bounds(Bounds { low, above: false, high })
    }

    /// Allows only values within bounds. Has no effect on a key that is not a quantity.
    #[must_use]
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.kind = match self.kind {
            Kind::Quantity(of, _) => Kind::Quantity(of, bounds),
            Kind::Law(of, _) => Kind::Law(of, bounds),
            Kind::Quantities(of, _) => Kind::Quantities(of, bounds),
            Kind::NamedQuantities(of, _) => Kind::NamedQuantities(of, bounds),
            kind => kind,
        };
        self
    }

    /// The value that stands in for one that is missing or wrong, so that the rest can be read.
    pub const fn stand_in(&self) -> &'static str {
        match self.presence {
            Presence::Default(value) => value,
            _ => self.example,
        }
    }

    /// The key with its example as one would write them: `horizon = "2 h"`; the header of a section.
    pub fn assignment(&self) -> String {
        let example = if self.example.is_empty() { self.stand_in() } else { self.example };
        match self.kind {
            Kind::Section(_) => return format!("[{}]", self.name),
            Kind::Sections(_) => return format!("[{}.main]", self.name),
            Kind::SectionList(_) => return format!("[[{}]]", self.name),
            _ => {}
        }
        format!("{} = {}", self.name, self.written(example))
    }

    /// A default or an example of this key as TOML.
    pub fn written(&self, value: &str) -> String {
        let bare = match self.kind {
            Kind::Boolean | Kind::Integer(..) => true,
            Kind::Text | Kind::Choice(_) | Kind::Name(_) => false,
            _ => value.starts_with(['[', '{']) || value.parse::<f64>().is_ok(),
        };
        if bare { value.to_owned() } else { format!("\"{value}\"") }
    }
}

impl Bounds {
    /// Every finite value.
    pub const ALL: Bounds = Bounds { low: f64::NEG_INFINITY, above: false, high: f64::INFINITY };

    /// Whether a value is allowed.
    pub fn contain(&self, value: f64) -> bool {
        let low = if self.above { value > self.low } else { value >= self.low };
        low && value <= self.high
    }

    /// What is allowed, for a message: `between 0 % and 100 %`, `above 0 s`.
    pub fn describe(&self, of: Dimension) -> String {
        // A bound is meant exactly: where three digits don't say it, all do.
        let print = |value: f64| match of.format(value) {
            text if of
                .parse(&text)
                .is_ok_and(|read| (read - value).abs() <= 1e-12 * value.abs()) =>
            {
                text
            }
            _ => format!("{value} {}", of.base_unit()).trim_end().to_owned(),
        };
        let (low, high) = (print(self.low), print(self.high));
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) if self.above => format!("above {low} and at most {high}"),
            (true, true) => format!("between {low} and {high}"),
            (true, false) if self.above => format!("above {low}"),
            (true, false) => format!("at least {low}"),
            (false, true) => format!("at most {high}"),
            (false, false) => "a finite number".to_owned(),
        }
    }
}
