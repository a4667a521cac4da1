//! Hostile input: whatever comes, it is answered, refused by name, or cut at a bound; nothing panics,
//! hangs, takes all memory or breaks conservation.
//!
//! ```text
//! cargo test --test fuzz                                    a few seconds for each kind of input
//! cargo test --test fuzz -- --seconds 3600                  for hours
//! cargo test --test fuzz -- --seconds 60 --target scenario --seed 7
//! cargo test --test fuzz -- --target scenario --seed 7 --case 1234      one case again
//! ```
//!
//! A case is a file of the corpus (what is shipped, and `corpus/` with what was found before),
//! mutated by bytes, lines, tokens and hostile values; it is a function of target, seed and number.
//! The mutations know the texts but not the program: this is not guided by coverage, which wants a
//! nightly compiler. A worker process does the cases, so that a stack overflow, an abort or a hang is
//! found like a panic; what was found lies in `target/fuzz`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program"
)]
#![allow(clippy::disallowed_methods, reason = "it measures how long a case takes")]

mod corpus;
mod http;
mod mutate;
mod simulate;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::corpus::Corpus;
use crate::targets::{TARGETS, Target};

/// A case that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a worker may have of the machine's memory.
const MEMORY: u64 = 3 << 30;
/// Findings of a target after which it is given up.
const ENOUGH: usize = 20;

struct Options {
    seconds: f64,
    seed: u64,
    target: Option<String>,
    case: Option<u64>,
    from: u64,
    worker: bool,
}

impl Options {
    /// What was asked; nothing where the test runner asks for tests that are not these.
    fn read() -> Option<Self> {
        let (seconds, seed) = (3.0, 1);
        let mut options = Self { seconds, seed, target: None, case: None, from: 0, worker: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seconds" => options.seconds = words.next()?.parse().ok()?,
                "--seed" => options.seed = words.next()?.parse().ok()?,
                "--target" => options.target = words.next(),
                "--case" => options.case = words.next()?.parse().ok(),
                "--from" => options.from = words.next()?.parse().ok()?,
                "--worker" => options.worker = true,
                "--list" => return None,
                flag if flag.starts_with('-') => {}
                filter if "fuzz".contains(filter) => {}
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::read() else { return ExitCode::SUCCESS };
    let wanted =
        |target: &&Target| options.target.as_deref().is_none_or(|name| name == target.name);
    let mut found = 0;
    for target in TARGETS.iter().filter(wanted) {
        if let Some(case) = options.case {
            let input = Corpus::of(target).input(options.seed, case);
            println!("{}", String::from_utf8_lossy(&input));
            (target.start)()(&input);
        } else if options.worker {
            work(target, &options);
        } else {
            found += supervise(target, &options);
        }
    }
    ExitCode::from(u8::from(found > 0))
}

fn place() -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    fs::create_dir_all(&place).unwrap();
    place
}

/// The file in which a worker says which case it is about to do.
fn progress(target: &Target) -> PathBuf {
    place().join(format!("{}.case", target.name))
}

fn work(target: &Target, options: &Options) {
    let memory = Some(MEMORY);
    setrlimit(Resource::As, Rlimit { current: memory, maximum: memory }).unwrap();
    let corpus = Corpus::of(target);
    let case_file = progress(target);
    let mut run = (target.start)();
    let since = Instant::now();
    let mut case = options.from;
    while since.elapsed().as_secs_f64() < options.seconds || case < corpus.len() {
        fs::write(&case_file, case.to_string()).unwrap();
        run(&corpus.input(options.seed, case));
        case += 1;
    }
    fs::write(&case_file, case.to_string()).unwrap();
}

/// Has cases done by workers until the time is up: how many of them went wrong.
fn supervise(target: &Target, options: &Options) -> usize {
    let since = Instant::now();
    let (mut from, mut found) = (0, 0);
    let _ = fs::remove_file(progress(target));
    loop {
        let left = (options.seconds - since.elapsed().as_secs_f64()).max(0.0);
        let errors = place().join(format!("{}.stderr", target.name));
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--worker", "--target", target.name])
            .args(["--seconds", &left.to_string(), "--seed", &options.seed.to_string()])
            .args(["--from", &from.to_string()])
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let at = || fs::read_to_string(progress(target)).ok().and_then(|text| text.parse().ok());
        let (mut case, mut begun) = (at().unwrap_or(from), Instant::now());
        let fate = loop {
            if let Some(status) = worker.try_wait().unwrap() {
                break (!status.success()).then(|| status.to_string());
            }
            let now = at().unwrap_or(from);
            if now != case {
                (case, begun) = (now, Instant::now());
            } else if begun.elapsed() > PATIENCE {
                let _ = worker.kill();
                let _ = worker.wait();
                break Some(format!("still at it after {PATIENCE:?}"));
            }
            sleep(Duration::from_millis(20));
        };
        case = at().unwrap_or(from);
        let Some(fate) = fate else {
            println!("{:10} {case} cases, {found} findings", target.name);
            return found;
        };
        found += 1;
        let input = Corpus::of(target).input(options.seed, case);
        let name = place().join(format!("{}-{}-{case}", target.name, options.seed));
        fs::write(&name, &input).unwrap();
        let said = fs::read_to_string(&errors).unwrap_or_default();
        let said: String = said.chars().take(1500).collect();
        println!("{} case {case}: {fate}; input in {}\n{said}", target.name, name.display());
        from = case + 1;
        if found >= ENOUGH {
            return found;
        }
    }
}
