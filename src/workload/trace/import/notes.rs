//! What was not taken as it stands, counted.

/// Counts by what they count, in the order in which they first came up.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<(&'static str, u64)>);

impl Notes {
    /// Counts one more.
    pub(super) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts one more if it is so.
    pub(super) fn count_if(&mut self, is_so: bool, what: &'static str) {
        self.add(what, u64::from(is_so));
    }

    /// Counts `more`.
    pub(super) fn add(&mut self, what: &'static str, more: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += more,
            None => self.0.push((what, more)),
        }
    }

    /// The counts that are not zero, in words.
    pub(super) fn into_lines(self) -> Vec<String> {
        let counted = self.0.into_iter().filter(|&(_, count)| count > 0);
        counted.map(|(what, count)| format!("{count} {what}")).collect()
    }
}

/// An answer of no tokens cannot be replayed.
pub(super) const NO_OUTPUT: &str = "calls had no output: replayed with one token";
/// Nor can a prompt of none.
pub(super) const NO_INPUT: &str = "calls without a prompt left out";
/// Where the recording holds sizes only.
pub(super) const NO_SHARING: &str =
    "requests were recorded without what they share: each prompt is taken as new";
/// Where the recording holds sizes only, of calls that follow each other.
pub(super) const ASSUMED_SHARING: &str =
    "prompts are taken to go on from one before them: what they share was not recorded";
