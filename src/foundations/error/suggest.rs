//! The word that was meant, and the words that would have been right.

use std::cmp::Reverse;

/// Lists up to this long are shown whole.
const WHOLE: usize = 16;
/// From longer lists, this many of the nearest names are shown.
const NEAREST: usize = 5;

/// The candidate that `word` was most likely meant to be: the same but for case and separators,
/// within a third of its letters by edit distance, or the first that begins with it or contains it.
///
/// ```
/// use tokenfleet::foundations::error::suggest;
///
/// assert_eq!(suggest("acelerator", ["model", "accelerator"]), Some("accelerator"));
/// assert_eq!(suggest("h100", ["a100-sxm", "h100-sxm"]), Some("h100-sxm"));
/// assert_eq!(suggest("zebra", ["model", "accelerator"]), None);
/// ```
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(word);
    candidates
        .into_iter()
        .filter_map(|name| Some((distance(&plain, &self::plain(name))?, name)))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// A sentence part that lists the valid names: all of a short list, of a long one the nearest to
/// `word` and how many there are.
///
/// ```
/// use tokenfleet::foundations::error::choices;
///
/// assert_eq!(choices("x", ["fp8", "bf16"]), "fp8, bf16");
/// ```
pub fn choices<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = candidates.into_iter().collect();
    let count = names.len();
    if count == 0 {
        return "none is defined".to_owned();
    }
    if count <= WHOLE {
        return names.join(", ");
    }
    let plain = plain(&word.chars().take(64).collect::<String>());
    let likeness = |name: &str| (strsim::jaro_winkler(&plain, &self::plain(name)) * 1e9) as u64;
    names.sort_by_cached_key(|name| Reverse(likeness(name)));
    format!("{}, ... ({count} in all)", names[..NEAREST].join(", "))
}

/// Case and separators are what people get wrong most: they do not count.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// How far apart two words are, or `None` where neither can be meant by the other.
fn distance(word: &str, name: &str) -> Option<usize> {
    let (letters, name_letters) = (word.chars().count(), name.chars().count());
    let allowed = (letters.min(name_letters) / 3).max(usize::from(letters > 1));
    // The difference in length is a lower bound: very long words cost nothing.
    if letters.abs_diff(name_letters) <= allowed {
        let edits = strsim::osa_distance(word, name);
        if edits <= allowed {
            return Some(edits);
        }
    }
    // A part of the name counts as worse than any typing error, its beginning as the better part.
    match () {
        _ if letters < 3 => None,
        _ if name.starts_with(word) => Some(1000 + name_letters - letters),
        _ if name.contains(word) => Some(2000 + name_letters - letters),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meant_words_are_found() {
        let keys = ["model", "accelerator", "engine", "tensor_parallel", "replicas", "precision"];
        for (typed, meant) in [
            ("acelerator", Some("accelerator")),
            ("Tensor-Parallel", Some("tensor_parallel")),
            ("tensorparallel", Some("tensor_parallel")),
            ("tensor_paralell", Some("tensor_parallel")),
            ("replica", Some("replicas")),
            ("modle", Some("model")),
            ("parallel", Some("tensor_parallel")),
            ("banana", None),
            ("", None),
            ("m", None),
        ] {
            assert_eq!(suggest(typed, keys), meant, "{typed}");
        }
    }

    #[test]
    fn nearest_wins_and_ties_go_to_the_first() {
        assert_eq!(suggest("b300", ["h100", "b200", "b300"]), Some("b300"));
        assert_eq!(suggest("h100", ["h100-nvl", "h100-sxm"]), Some("h100-nvl"));
    }

    #[test]
    fn a_huge_word_is_cheap() {
        let word = "a".repeat(10_000_000);
        assert_eq!(suggest(&word, ["accelerator"]), None);
        assert!(choices(&word, std::iter::repeat_n("name", 1000)).ends_with("(1000 in all)"));
    }
}
