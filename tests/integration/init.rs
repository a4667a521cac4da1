//! `tokenfleet init` and `man`: what a newcomer gets to begin with.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::command_line::{folder, tokenfleet};

#[test]
fn a_first_scenario_is_sound_and_runs() {
    let dir = folder();
    let flags = ["--agent", "rag", "--load", "3 /s", "--model", "llama-3.1-8b", "--accelerator"];
    let words = [&["init", "first.toml"], &flags[..], &["l40s", "--objective", "ttft_p95=2 s"]];
    let made = tokenfleet(dir.path(), &words.concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.starts_with("written to first.toml: "), "{}", made.stdout);
    let text = fs::read_to_string(dir.path().join("first.toml")).unwrap();
    assert!(text.contains("ttft_p95 = \"2 s\""), "{text}");

    let checked = tokenfleet(dir.path(), &["check", "first.toml"]);
    assert_eq!(checked.stdout, "first.toml: fine, 2 variants\n", "{}", checked.stderr);
    // The fleet was found so that requests hardly queue, which a run sees too.
    let ran = tokenfleet(dir.path(), &["run", "first.toml", "--trials", "2", "--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let waited = summary["variants"][0]["metrics"]["queue_time_s"]["p90"].as_f64().unwrap();
    assert!(waited < 1.0, "{waited}");

    let again = tokenfleet(dir.path(), &["init", "first.toml"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("first.toml is there already"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(dir.path().join("first.toml")).unwrap(), text);
}

#[test]
fn nonsense_makes_no_scenario() {
    let dir = folder();
    let refused = [
        (["--agent", "chatt"], "did you mean `chat`?"),
        (["--load", "much"], "40 users"),
        (["--load", "0 /s"], "above 0"),
        (["--objective", "ttft_p95"], "ttft_p95=3 s"),
        (["--objective", "tttft_p95=3 s"], "unknown figure"),
    ];
    for (words, reason) in refused {
        let made = tokenfleet(dir.path(), &["init", "none.toml", words[0], words[1]]);
        assert_eq!(made.code, 2, "{words:?}");
        assert!(made.stderr.contains(reason), "{words:?}: {}", made.stderr);
        assert!(!dir.path().join("none.toml").exists());
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = folder();
    let made = tokenfleet(dir.path(), &["man", "--out", "man"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for command in ["run", "size", "serve", "init", "schema"] {
        let page = dir.path().join(format!("man/tokenfleet-{command}.1"));
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{command}");
    }
}

/// On a terminal it asks, says what is usual, and asks again where the answer is unknown. `script`
/// gives it a terminal.
#[test]
fn questions_are_asked_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let binary = assert_cmd::cargo::cargo_bin("tokenfleet");
    let command = format!("{} init mine.toml", binary.display());
    let Ok(mut asked) = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        return;
    };
    // Agent, load, a model that nobody knows and one that is known; the rest as usual.
    let answers = "rag\n2 /s\nllama-3.3-70z\nllama-3.3-70b\n\n\n";
    asked.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = asked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for words in ["What do the agents do", "did you mean `llama-3.3-70b`?", "written to mine.toml"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let text = fs::read_to_string(dir.path().join("mine.toml")).unwrap();
    for words in ["\"rag\"", "\"2 /s\"", "\"llama-3.3-70b\"", "\"h100-sxm\"", "ttft_p95"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
