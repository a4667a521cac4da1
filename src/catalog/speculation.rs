//! Speculative decoding: how many tokens a step yields in the mean, by the tokens that are drafted.
//!
//! A draft of `k` tokens is checked in one step of the model; the step gives the tokens that agree
//! and one more, its own. The mean of that is the *acceptance length*, from 1 to `k + 1`. It depends
//! on the model, on its draft and on what is written: thinking is easier to guess than answers.
//!
//! ```
//! use tokenfleet::catalog::Catalog;
//!
//! let catalog = Catalog::embedded();
//! let drafted_three = catalog.acceptance().iter().filter(|row| row.tokens == 3);
//! assert!(drafted_three.clone().all(|row| 1.0 < row.length && row.length < 4.0));
//! assert!(drafted_three.count() > 10);
//! ```

use serde::Deserialize;

/// One measured acceptance length.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// File of SemiAnalysisAI/InferenceX, `golden_al_distribution` (Apache-2.0), that it was taken
    /// from; it names the draft: `mtp`, `eagle3`, `dspark`.
    pub source: String,
    /// Model, as the source names it.
    pub model: String,
    /// Whether the model thinks aloud: `thinking_on`, `thinking_off`.
    pub mode: String,
    /// Tokens that are drafted for each step.
    pub tokens: u32,
    /// Tokens that a step yields, its own included, in the mean.
    pub length: f64,
}

/// All of them.
///
/// # Errors
/// The reader's, with the line.
pub(super) fn read_all() -> Result<Vec<Acceptance>, csv::Error> {
    csv::Reader::from_reader(include_str!("speculation.csv").as_bytes()).deserialize().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A draft never yields more than itself and one, and up to four tokens a longer one yields more,
    /// by one at most; where very long drafts were measured to yield less, they stand as measured.
    #[test]
    fn lengths_grow_with_the_draft_and_stay_below_it() {
        let mut drafts: BTreeMap<_, Vec<(u32, f64)>> = BTreeMap::new();
        for row in read_all().unwrap() {
            assert!((1.0..=f64::from(row.tokens) + 1.0).contains(&row.length), "{row:?}");
            drafts.entry((row.source, row.mode)).or_default().push((row.tokens, row.length));
        }
        assert_eq!(drafts.values().map(Vec::len).sum::<usize>(), 112);
        for (draft, mut lengths) in drafts {
            lengths.sort_by_key(|&(tokens, _)| tokens);
            for pair in lengths.windows(2) {
                let ((_, one), (tokens, two)) = (pair[0], pair[1]);
                assert!(two - one <= 1.0 && (two > one || tokens > 4), "{draft:?} at {tokens}");
            }
        }
    }
}
