//! Faults in input, as values: what is wrong, where it stands and how to mend it.
//!
//! Bad input is reported whole, not one mistake at a time: whatever reads it pushes a [`Fault`] and
//! goes on, and [`Faults`] keeps them in the order of their places, each once. Rendering with
//! source lines and carets is the command line's business; here a fault prints as one line.
//!
//! ```
//! use tokenfleet::foundations::error::{Fault, Faults};
//!
//! let mut faults = Faults::default();
//! faults.push(Fault::unknown("accelerator", "h100-sxn", ["a100-sxm", "h100-sxm"]));
//! let faults = faults.into_result(()).unwrap_err();
//! assert_eq!(faults.to_string(), "unknown accelerator `h100-sxn` (did you mean `h100-sxm`?)");
//! ```

mod source;
mod suggest;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

pub use source::{Source, SourceId, Sources};
pub use suggest::{choices, suggest};

/// Where in the input something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text it stands in.
    pub source: SourceId,
    /// Its bytes in that text; an empty range is a point between two characters.
    pub span: Range<usize>,
    /// The dotted path of the key that it belongs to, `pools.main.accelerator`; empty at the root.
    pub path: String,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |place: &Place| (place.source, place.span.start, place.span.end);
        key(self).cmp(&key(other)).then_with(|| self.path.cmp(&other.path))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One mistake in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where it stands, if it stands in one place.
    pub place: Option<Place>,
    /// How to mend it: suggestions, valid choices, context. One sentence each.
    pub help: Vec<String>,
    /// Whether each part of it is valid by itself and only the whole cannot be built, as where a
    /// model does not fit into memory: an experiment over many candidates passes over it.
    pub unfit: bool,
}

impl Fault {
    /// A fault without a place or help yet.
    pub fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), place: None, help: Vec::new(), unfit: false }
    }

    /// A name that is not among the valid ones, with what was probably meant and the valid names.
    /// `kind` is what the names name, in the singular: `accelerator`.
    pub fn unknown<'a>(
        kind: &str,
        word: &str,
        valid: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let fault = Fault::new(format!("unknown {kind} `{}`", shortened(word)));
        let fault = match suggest(word, valid.clone()) {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault,
        };
        fault.help(format!("choose from: {}", choices(word, valid)))
    }

    /// Says where the fault stands.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Says that its parts are valid, but cannot be together.
    #[must_use]
    pub fn unfit(mut self) -> Self {
        self.unfit = true;
        self
    }

    /// Adds a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Orders by place and then by message; faults without a place come last.
    fn cmp_but_help(&self, other: &Self) -> Ordering {
        let places = match (&self.place, &other.place) {
            (Some(one), Some(two)) => one.cmp(two),
            (one, two) => two.is_some().cmp(&one.is_some()),
        };
        places.then_with(|| self.message.cmp(&other.message))
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault::new(message)
    }
}

impl Ord for Fault {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_but_help(other).then_with(|| self.help.cmp(&other.help))
    }
}

impl PartialOrd for Fault {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place.as_ref().filter(|place| !place.path.is_empty()) {
            write!(f, "{}: ", place.path)?;
        }
        f.write_str(&self.message)?;
        self.help.first().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for Fault {}

/// All mistakes of one input, ordered by place and each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// Adds a fault, unless the same one is there already.
    pub fn push(&mut self, fault: Fault) {
        self.0.insert(fault);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many mistakes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults in the order of their places, those without a place last.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Fault> {
        self.0.iter()
    }

    /// Keeps only the faults of which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Fault) -> bool) {
        self.0.retain(keep);
    }

    /// Adds the faults of `others` that are not known yet, each with a line of help that says under
    /// which circumstance it shows, such as `in variant rubin`. A fault that is known at the same
    /// place without that circumstance is not repeated.
    pub fn extend_with_help(&mut self, others: Faults, help: &str) {
        for fault in others.0 {
            if !self.0.iter().any(|known| known.cmp_but_help(&fault).is_eq()) {
                self.push(fault.help(help));
            }
        }
    }

    /// `value` where nothing is wrong.
    ///
    /// # Errors
    /// All faults, if there is one.
    pub fn into_result<T>(self, value: T) -> Result<T, Faults> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        self.0.extend(faults);
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Faults(faults.into_iter().collect())
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::collections::btree_set::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Faults::from_iter([fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// A word as a message shows it: cut where it is very long.
pub fn shortened(word: &str) -> String {
    const SHOWN: usize = 48;
    match word.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}...", &word[..cut]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(start: usize, message: &str) -> Fault {
        let source = Sources::default().add_file("a.toml", "");
        Fault::new(message).at(Place { source, span: start..start + 1, path: String::new() })
    }

    #[test]
    fn faults_are_ordered_by_place_and_each_once() {
        let mut faults = Faults::default();
        faults.push(Fault::new("without a place"));
        faults.push(fault(30, "late"));
        faults.push(fault(4, "early"));
        faults.push(fault(30, "late"));
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, ["early", "late", "without a place"]);
        assert_eq!(faults.to_string(), "early\nlate\nwithout a place");
    }

    #[test]
    fn a_fault_of_the_base_is_not_repeated_for_its_variants() {
        let mut faults = Faults::from(fault(4, "wrong everywhere"));
        let variant = [fault(4, "wrong everywhere"), fault(9, "wrong there")];
        faults.extend_with_help(variant.into_iter().collect(), "in variant rubin");
        let helps: Vec<_> = faults.iter().map(|fault| fault.help.join("; ")).collect();
        assert_eq!(helps, ["", "in variant rubin"]);
    }

    #[test]
    fn nothing_wrong_is_a_value() {
        assert_eq!(Faults::default().into_result(7), Ok(7));
        assert!(Faults::from(Fault::new("x")).into_result(7).is_err());
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let fault = Fault::unknown("precision", "fp9", ["bf16", "fp8"]);
        assert_eq!(fault.message, "unknown precision `fp9`");
        assert_eq!(fault.help, ["did you mean `fp8`?", "choose from: bf16, fp8"]);
    }
}
