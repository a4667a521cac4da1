//! Names of catalog entries: matching without regard to case or separators, and errors that help.
//!
//! `H100 SXM`, `h100_sxm` and `h100-sxm` are one name. A name that is not there is answered by the
//! one that was probably meant and by the valid ones.

use crate::foundations::error::{Fault, choices, suggest};

/// A name that the catalog does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown {kind} `{name}`{}; choose from: {}",
    did_you_mean(meant.as_deref()),
    choices(name, valid.iter().map(String::as_str))
)]
pub struct UnknownName {
    /// What was looked for: `accelerator`, `model`, `engine`, ...
    pub kind: &'static str,
    /// The name as it was written.
    pub name: String,
    /// The name that was probably meant.
    pub meant: Option<String>,
    /// Every valid name.
    pub valid: Vec<String>,
}

impl UnknownName {
    /// An error for `name` among the `valid` names.
    #[must_use]
    pub fn new(kind: &'static str, name: &str, valid: Vec<String>) -> Self {
        let meant = suggest(name, valid.iter().map(String::as_str)).map(str::to_owned);
        Self { kind, name: name.to_owned(), meant, valid }
    }

    /// The same as a fault, to be reported beside others at its place.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(format!("unknown {} `{}`", self.kind, self.name));
        let fault = match &self.meant {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault,
        };
        let choices = choices(&self.name, self.valid.iter().map(String::as_str));
        fault.help(format!("choose from: {choices}"))
    }
}

/// ` (did you mean ...?)`, or nothing.
pub(super) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default()
}

/// A name without regard to case and to how its words are joined.
pub(super) fn normal(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// An entry that is found by its key, its name or one of its aliases.
pub trait Named {
    /// The entry's stable key.
    fn key(&self) -> &str;
    /// Its name in prose, by which it is found too.
    fn name(&self) -> &str;
    /// Its other names.
    fn aliases(&self) -> &[String];
}
