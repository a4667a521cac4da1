//! Killed at any moment or stopped by a full disk, an experiment goes on and ends in the same bytes.
//!
//! A short form runs with all tests; hundreds of kills by
//!
//! ```sh
//! TOKENFLEET_KILLS=50 cargo test --test integration -- resume --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "the long form tells how often it killed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt;

use crate::command_line::{folder, tokenfleet};
use crate::shards::{assert_same, files};

/// Kills of each command, spread over its life as far as it is.
fn kills() -> u32 {
    std::env::var("TOKENFLEET_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// Starts a command in a folder of its own again and again, kills it after random times of at most
/// `most` milliseconds, and holds what it leaves in the end against one that was left alone.
fn killed(words: &[&str], most: u64) {
    let dir = folder();
    let whole = tokenfleet(dir.path(), &[words, &["--out", "whole"]].concat());
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let expected = files(&dir.path().join("whole"));
    let (cut, progress) = (dir.path().join("cut"), dir.path().join("cut.progress"));
    let words = [words, &["--resume", "cut"]].concat();
    let (mut state, mut done, mut resumed, mut finished) = (words.len() as u64, 0, 0, 0);
    while done < kills() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        let had = fs::metadata(&progress).map_or(0, |file| file.len());
        let mut child = Command::cargo_bin("tokenfleet").unwrap();
        child.current_dir(dir.path()).args(&words).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        sleep(Duration::from_micros((state >> 33) % (1000 * most)));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        resumed += u32::from(had > 1000);
        match ended {
            // What it wrote before it could be killed is whole; it begins anew.
            Some(ended) => {
                assert!(ended.success());
                finished += 1;
                assert!(finished < 20 + 10 * kills(), "it ends before it can be killed");
                assert_same(&cut, &dir.path().join("whole"));
                fs::remove_dir_all(&cut).unwrap();
            }
            // Killed it leaves nothing, or everything.
            None => {
                done += 1;
                assert!(!cut.exists() || files(&cut) == expected);
            }
        }
    }
    let ran = tokenfleet(dir.path(), &words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_same(&cut, &dir.path().join("whole"));
    let mut left: Vec<_> = files_beside(dir.path());
    left.retain(|name| !["small.toml", "whole", "cut"].contains(&name.as_str()));
    assert!(left.is_empty(), "{left:?}");
    eprintln!("{}: {done} kills, {resumed} of them after a resume, {finished} ends", words[0]);
}

fn files_beside(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_run_is_killed() {
    killed(&["run", "small.toml", "--trials", "12", "--set", "run.horizon=300 s"], 900);
}

#[test]
fn a_comparison_is_killed() {
    killed(&["compare", "small.toml", "--trials", "8", "--set", "run.horizon=300 s"], 700);
}

#[test]
fn a_sweep_is_killed() {
    killed(&["sweep", "small.toml", "--over", "pools.main.replicas=1..12"], 500);
}

#[test]
fn a_sizing_is_killed() {
    killed(&["size", "small.toml", "--trials", "4", "--max-candidates", "12"], 900);
}

#[test]
fn an_explanation_and_a_sensitivity_are_killed() {
    killed(&["explain", "small.toml", "--to", "two", "--trials", "12"], 500);
    let unknown = r#"pools.main.price={ uncertain = { uniform = ["$2 /h", "$4 /h"] } }"#;
    killed(&["sensitivity", "small.toml", "--points", "12", "--set", unknown], 500);
}

/// A limit on the size of files, from small to large, stands for a disk that is full: the command
/// says so and leaves no result; with room it goes on.
#[test]
fn a_disk_that_fills_up() {
    let dir = folder();
    let words = ["run", "small.toml", "--trials", "40", "--set", "run.horizon=300 s"];
    let whole = tokenfleet(dir.path(), &[&words[..], &["--out", "whole"]].concat());
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let binary = Command::cargo_bin("tokenfleet").unwrap();
    for blocks in ["0", "1", "40", "100", "300"] {
        // Ignored, the signal that comes with the limit leaves an error as of a full disk.
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let limited = Command::new("sh")
            .current_dir(dir.path())
            .args(["-c", &line, "sh"])
            .arg(binary.get_program())
            .args([&words[..], &["--resume", "cut"]].concat())
            .output()
            .unwrap();
        let told = String::from_utf8(limited.stderr).unwrap();
        assert_eq!(limited.status.code(), Some(2), "{blocks}: {told}");
        assert!(told.contains("cannot write cut"), "{told}");
        assert!(told.contains("File too large"), "{told}");
        assert!(!dir.path().join("cut").exists());
    }
    let ran = tokenfleet(dir.path(), &[&words[..], &["--resume", "cut"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_same(&dir.path().join("cut"), &dir.path().join("whole"));
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let dir = folder();
    let say = |words: &[&str]| tokenfleet(dir.path(), &[&["run", "small.toml"], words].concat());
    let refused = say(&["--resume"]);
    assert!(refused.stderr.contains("nothing to resume without a folder"), "{}", refused.stderr);
    let refused = say(&["--resume", "one", "--out", "other"]);
    assert!(refused.stderr.contains("are two folders"), "{}", refused.stderr);
    fs::write(dir.path().join("mine.progress"), "years of work").unwrap();
    let refused = say(&["--resume", "mine"]);
    assert!(refused.stderr.contains("no file of pieces"), "{}", refused.stderr);
    assert_eq!(fs::read(dir.path().join("mine.progress")).unwrap(), b"years of work");
    assert_eq!(refused.code, 2);
}
