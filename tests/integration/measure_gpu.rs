//! `python/measure_gpu.py` runs where PyTorch is, on the CPU too, and writes what it says it does.

use std::path::Path;
use std::process::Command;

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn the_script_measures_on_a_cpu() {
    let python = ["python3", "python"].into_iter().find(|python| {
        let torch = Command::new(python).args(["-c", "import torch"]).output();
        torch.is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        eprintln!("skipped: no Python with PyTorch here");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/measure_gpu.py");
    let dir = tempfile::tempdir().unwrap();
    let words = ["--device", "cpu", "--small", "--repeats", "2", "--out", "gpu.json"];
    let ran =
        Command::new(python).arg(script).args(words).current_dir(dir.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = std::fs::read_to_string(dir.path().join("gpu.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let measurements = found["measurements"].as_array().unwrap();
    for kind in ["gemm", "decode_attention", "prefill_attention", "copy", "launch"] {
        let mut of = measurements.iter().filter(|row| row["kind"] == kind).peekable();
        assert!(of.peek().is_some(), "{kind}");
        assert!(of.all(|row| row["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0)));
    }
}
