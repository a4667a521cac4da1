//! The folder of a result: written whole or not at all.
//!
//! Files are written into a temporary neighbour, which then takes the folder's place in one rename.
//! An earlier result is exchanged for the new one where the file system can do that; a folder that
//! holds anything else is left alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The files of a result, and no others.
pub const FILES: &[&str] = &[
    "manifest.json",
    "summary.json",
    "comparison.json",
    "comparison.csv",
    "sweep.json",
    "points.csv",
    "size.json",
    "candidates.csv",
    "explanation.json",
    "explanation.csv",
    "sensitivity.json",
    "sensitivity.csv",
    "forecast.json",
    "forecast.csv",
    "answer.txt",
    "example.json",
    "trials.csv",
    "tasks.csv",
    "distributions.csv",
    "timeseries.csv",
    "stats.json",
    "report.html",
];

/// What kept a result from being written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The place is taken by something that is no result.
    #[error("{path} is not a result of tokenfleet: {reason}; choose another folder or remove it")]
    Foreign {
        /// The place.
        path: String,
        /// Why it is none.
        reason: String,
    },
    /// The file system said no.
    #[error("cannot write {path}: {source}")]
    Io {
        /// What was written.
        path: String,
        /// What it said.
        source: io::Error,
    },
}

/// A result in the making; gone when dropped before [`Folder::commit`].
#[derive(Debug)]
pub struct Folder {
    target: PathBuf,
    staging: PathBuf,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FolderError + '_ {
    move |source| FolderError::Io { path: path.display().to_string(), source }
}

impl Folder {
    /// Begins a result at `target`, which is checked before any work is done.
    ///
    /// # Errors
    /// When something else is there, or nothing can be written beside it.
    pub fn begin(target: &Path) -> Result<Self, FolderError> {
        check_vacant(target)?;
        // A link, or `.`, stands for what it leads to.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let Some(name) = target.file_name() else {
            let reason = "it has no name".to_owned();
            return Err(FolderError::Foreign { path: target.display().to_string(), reason });
        };
        let mut neighbour = name.to_owned();
        neighbour.push(format!(".tmp-{}", std::process::id()));
        let staging = target.with_file_name(neighbour);
        fs::create_dir_all(&staging).map_err(failed(&target))?;
        Ok(Self { target, staging })
    }

    /// Writes one of the [`FILES`].
    ///
    /// # Errors
    /// When writing fails.
    pub fn file<E: Into<io::Error>>(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), FolderError> {
        debug_assert!(FILES.contains(&name), "{name}");
        let path = self.staging.join(name);
        let put = || {
            let mut out = BufWriter::new(File::create(&path)?);
            write(&mut out).map_err(Into::into)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        put().map_err(failed(&self.target.join(name)))
    }

    /// Removes what processes that were killed left beside it: to be called by whoever knows that no
    /// other process works on the same result.
    pub fn remove_abandoned(&self) {
        let Some((parent, name)) = self.target.parent().zip(self.target.file_name()) else {
            return;
        };
        let begun = format!("{}.tmp-", name.to_string_lossy());
        let parent = if parent == Path::new("") { Path::new(".") } else { parent };
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let is_other = Some(entry.file_name().as_os_str()) != self.staging.file_name();
            if is_other && entry.file_name().to_string_lossy().starts_with(&begun) {
                // What cannot be removed is in nobody's way.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Where the files written so far lie, to be read again.
    pub fn files(&self) -> &Path {
        &self.staging
    }

    /// Puts the result in its place.
    ///
    /// # Errors
    /// When renaming fails, or something else has taken the place meanwhile.
    pub fn commit(self) -> Result<(), FolderError> {
        check_vacant(&self.target)?;
        let put = || match self.target.exists() {
            false => fs::rename(&self.staging, &self.target),
            // What stood there is in the neighbour afterwards, removed when `self` is dropped.
            true => exchange(&self.staging, &self.target),
        };
        let parent = self.target.parent().filter(|parent| *parent != Path::new(""));
        put().map_err(failed(&self.target))?;
        // So that the rename, too, outlives a loss of power; not every file system can.
        let _ = File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all());
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a neighbour that cannot be removed.
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// Exchanges two folders at once, or one after the other where the file system cannot.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    let mut aside = new.as_os_str().to_owned();
    aside.push(".old");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::remove_dir_all(&aside)
}

/// Whether a result may be put at `path`: nothing is there, or an empty folder, or a result.
fn check_vacant(path: &Path) -> Result<(), FolderError> {
    let foreign =
        |reason: String| Err(FolderError::Foreign { path: path.display().to_string(), reason });
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return foreign("it is a file".to_owned());
        }
        Err(error) => return Err(failed(path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed(path))?.file_name().to_string_lossy().into_owned();
        names.push(name);
    }
    names.sort();
    if let Some(name) = names.iter().find(|name| !FILES.contains(&name.as_str())) {
        return foreign(format!("it contains {name}"));
    }
    let is_ours = || {
        let text = fs::read_to_string(path.join("manifest.json")).ok()?;
        let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
        manifest.get("tokenfleet").map(|_| ())
    };
    if names.is_empty() || is_ours().is_some() {
        return Ok(());
    }
    foreign("it has no manifest.json of tokenfleet".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Folder, name: &str, text: &str) {
        folder.file::<io::Error>(name, |out| out.write_all(text.as_bytes())).unwrap();
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_result_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("deep/result");
        let folder = Folder::begin(&target).unwrap();
        put(&folder, "manifest.json", r#"{"tokenfleet": "1"}"#);
        assert!(!target.exists());
        let failing = folder.file("trials.csv", |_| Err(io::Error::other("disk full")));
        assert!(failing.unwrap_err().to_string().contains("disk full"));
        drop(folder);
        assert!(names(&dir.path().join("deep")).is_empty());

        let folder = Folder::begin(&target).unwrap();
        put(&folder, "manifest.json", r#"{"tokenfleet": "1"}"#);
        put(&folder, "summary.json", "first");
        folder.commit().unwrap();
        assert_eq!(names(&target), ["manifest.json", "summary.json"]);
    }

    #[test]
    fn an_earlier_result_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("result");
        for (file, text) in [("stats.json", "first"), ("trials.csv", "second")] {
            let folder = Folder::begin(&target).unwrap();
            put(&folder, "manifest.json", r#"{"tokenfleet": "1"}"#);
            put(&folder, file, text);
            folder.commit().unwrap();
        }
        assert_eq!(names(&target), ["manifest.json", "trials.csv"]);
        assert_eq!(names(dir.path()), ["result"]);
    }

    #[test]
    fn what_is_not_a_result_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
        let error = Folder::begin(dir.path()).unwrap_err().to_string();
        assert!(error.contains("it contains thesis.tex"), "{error}");
        let file = dir.path().join("thesis.tex");
        assert!(Folder::begin(&file).unwrap_err().to_string().contains("it is a file"));
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("manifest.json"), r#"{"name": "a web app"}"#).unwrap();
        let error = Folder::begin(&other).unwrap_err().to_string();
        assert!(error.contains("no manifest.json of tokenfleet"), "{error}");
        assert_eq!(names(dir.path()), ["other", "thesis.tex"]);
    }
}
