//! Where cases come from.

use std::fs;
use std::path::{Path, PathBuf};

use tokenfleet::foundations::random::{Purpose, Streams};

use crate::mutate::Mutator;
use crate::targets::Target;

/// Files longer than this are cut: what is hostile in them is not their length.
const LONGEST: usize = 60_000;

/// The files that cases of a target are made of.
pub(crate) struct Corpus {
    files: Vec<Vec<u8>>,
    mutator: Mutator,
}

impl Corpus {
    /// The shipped files of this target, and what was found before.
    pub(crate) fn of(target: &Target) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = Vec::new();
        let folders = target.seeds.iter().map(|seeds| root.join(seeds));
        for folder in folders.chain([root.join("tests/fuzz/corpus").join(target.name)]) {
            files_below(&folder, target.ending, &mut paths);
        }
        paths.sort();
        let mut files: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        files.iter_mut().for_each(|file| file.truncate(LONGEST));
        assert!(!files.is_empty(), "{}: no corpus", target.name);
        let mutator = Mutator::new(&files);
        Self { files, mutator }
    }

    /// How many files there are; each is a case as it stands.
    pub(crate) fn len(&self) -> u64 {
        self.files.len() as u64
    }

    /// Case number `case`.
    pub(crate) fn input(&self, seed: u64, case: u64) -> Vec<u8> {
        if let Some(file) = self.files.get(case as usize) {
            return file.clone();
        }
        let mut random = Streams::new(seed, case).stream(Purpose::Design, 0);
        let mut text = self.files[random.below(self.len()) as usize].clone();
        for _ in 0..1 + random.below(6) * random.below(3) {
            self.mutator.mutate(&mut text, &self.files, &mut random);
        }
        text
    }
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files_below(&path, ending, found);
        } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
            found.push(path);
        }
    }
}
