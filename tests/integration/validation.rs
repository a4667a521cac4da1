//! Predictions against measurements: what is read, what is refused, how exact it is.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use tokenfleet::catalog::Catalog;
use tokenfleet::experiment::validation::{Measurements, targets, validate};
use tokenfleet::report::validation::to_json;

const HEADER: &str = "id,source,hardware,model,precision,tp,batch,measured_ms,isl,osl,ttft_ms\n";

/// A folder with these rows of `engine_tpot.csv`.
fn folder(rows: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("engine_tpot.csv"), format!("{HEADER}{rows}")).unwrap();
    folder
}

fn run(folder: &Path) -> (i32, String, String) {
    let output = Command::cargo_bin("tokenfleet")
        .unwrap()
        .args(["validate", "--data"])
        .arg(folder)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const ROWS: &str = "\
2026_a,engine-tpot-vllm,H100-SXM,Llama-3.1-70B,fp8,4,8,13.5,1024,1024,120
2026_b,engine-tpot-vllm,H100-SXM,Llama-3.1-70B,fp8,4,64,24.0,1024,1024,
2026_c,engine-tpot-trtllm,B900-SXM,Llama-3.1-70B,fp8,4,64,24.0,1024,1024,
2026_d,engine-tpot-sglang,H200-SXM,GPT-9,fp8,4,64,24.0,1024,1024,
";

#[test]
fn errors_are_told_and_so_is_what_was_not_compared() {
    let folder = folder(ROWS);
    fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    let (code, shown, remarks) = run(folder.path());
    assert_eq!(code, 0);
    assert!(remarks.contains("other.csv is not read"), "{remarks}");
    insta::assert_snapshot!("small_folder", shown);
}

#[test]
fn a_broken_row_is_refused_with_its_line() {
    let folder =
        folder(&format!("{ROWS}2026_e,engine-tpot-vllm,H100-SXM,Llama,fp8,4,many,1,1,1,1\n"));
    let (code, shown, remarks) = run(folder.path());
    assert_eq!((code, shown.as_str()), (2, ""));
    assert!(remarks.contains("engine_tpot.csv:6"), "{remarks}");
    assert!(remarks.contains("`batch` is `many`, but must be a whole number"), "{remarks}");
}

#[test]
fn a_folder_without_measurements_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, remarks) = run(folder.path());
    assert_eq!(code, 2);
    assert!(remarks.contains("holds no measurements"), "{remarks}");
}

#[test]
fn threads_leave_no_trace() {
    let catalog = Catalog::embedded();
    let text = format!("{HEADER}{ROWS}");
    let files = [("engine_tpot.csv".to_owned(), text)];
    let measurements = Measurements::read(files).unwrap();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let findings = pool.install(|| validate(&measurements, &catalog));
        to_json(&findings, &targets(&findings)).unwrap()
    };
    assert_eq!(on(1), on(3));
}

/// The files of the folder that is shipped, those of recorded runs included.
fn shipped() -> Vec<(String, String)> {
    fn gather(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                gather(&path, &format!("{name}/"), files);
            } else {
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fidelity");
    gather(&root, "", &mut files);
    files
}

/// What is reached stays reached.
#[test]
fn predictions_stay_as_close_to_measurements_as_they_are() {
    let measurements = Measurements::read(shipped()).unwrap();
    let findings = validate(&measurements, &Catalog::embedded());
    let targets = targets(&findings);
    for what in [
        "engine TPOT, mean error",
        "engine TPOT, median",
        "TTFT of TensorRT-LLM, median",
        "Llama 70B on H100, TPOT, mean",
        "Llama 70B on H100, TTFT, mean",
        "vLLM runs, E2E p50, median",
        "vLLM runs, TTFT p50, median",
        "rate sweeps, saturated throughput, mean",
        "rate sweeps, dollars per token, median",
        "rate sweeps, TPOT p50, median",
        "rate sweeps, TTFT p50, median",
        "rate sweeps, power, mean",
        "recorded runs, mean TPOT, worst",
        "recorded runs, mean TTFT, worst",
        "TensorRT-LLM maximum throughput, dense, mean",
    ] {
        let target = targets.iter().find(|target| target.what == what).unwrap();
        assert_eq!(target.is_reached(), Some(true), "{target:?}");
        assert!(target.rows > 0);
    }
    // Those that are out of reach, as close as they are.
    for (what, bound) in [
        ("TTFT of vLLM, median", 0.15),
        ("TTFT of SGLang, median", 0.26),
        ("rate sweeps, E2E p50, median", 0.08),
    ] {
        let target = targets.iter().find(|target| target.what == what).unwrap();
        assert!(target.found.unwrap() < bound, "{target:?}");
    }
    let compared: usize = findings.iter().map(|found| found.comparisons.len()).sum();
    assert!(compared > 6_000, "{compared}");
}
