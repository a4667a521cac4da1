//! Factors that are known come back.

use super::*;
use crate::catalog::{Catalog, NumberFormat, Precision};
use crate::foundations::random::{Purpose, Streams};
use crate::foundations::special_function::normal_quantile;
use crate::performance::{Deployment, Wide};

const BUDGET: u32 = 8192;

fn deployed() -> (StepModel, HostProfile) {
    let catalog = Catalog::embedded();
    let deployment = Deployment {
        model: catalog.model("llama-3.3-70b").unwrap(),
        accelerator: catalog.accelerator("h100-sxm").unwrap(),
        engine: catalog.engine("vllm").unwrap(),
        precision: Precision::of(NumberFormat::Fp8),
        tensor_parallel: 4,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    };
    let host = HostProfile::of(deployment.engine, deployment.accelerator);
    (StepModel::compile(&deployment).unwrap(), host)
}

/// What a deployment with these factors would measure, times `noise` of each point.
fn points(truth: &Factors, clients: &[f64], noise: impl Fn(usize) -> f64) -> Vec<Point> {
    let (model, host) = deployed();
    let point = |(index, &clients): (usize, &f64)| {
        let load = ClosedLoop { clients, prompt: 1024.0, answer: 512.0, token_budget: BUDGET };
        let found = load.latencies(&model.calibrated(truth), &host.calibrated(truth));
        Point {
            name: format!("point {index}"),
            clients,
            open: false,
            prompt: 1024.0,
            answer: 512.0,
            tpot_s: found.tpot_s * noise(index),
            ttft_s: Some(found.ttft_s),
            date: String::new(),
        }
    };
    clients.iter().enumerate().map(point).collect()
}

fn fitted(points: &[Point]) -> Result<Calibrated, Unfit> {
    let (model, host) = deployed();
    calibrate(points, &model, &host, BUDGET, &|_, _| None)
}

/// The ridge keeps a part of each logarithm, which shrinks as points are added.
#[test]
fn known_factors_come_back() {
    let truth = Factors { gpu_time: 1.12, host_time: 0.9, front_end: 1.5 };
    let off = |count: i32| {
        let step = libm::pow(500.0, 1.0 / f64::from(count - 1));
        let clients: Vec<f64> = (0..count).map(|i| libm::pow(step, f64::from(i))).collect();
        let found = fitted(&points(&truth, &clients, |_| 1.0)).unwrap();
        let factors = [(found.gpu_time, 1.12), (found.host_time, 0.9)];
        let front = (found.front_end.unwrap(), 1.5);
        factors
            .into_iter()
            .chain([front])
            .map(|(f, truth)| (f.value / truth - 1.0).abs())
            .fold(0.0, f64::max)
    };
    let [few, some, many] = [5, 40, 320].map(off);
    assert!(many < some && some < few, "{few} {some} {many}");
    assert!(some < 0.03 && many < 0.005, "{some} {many}");

    let truth = Factors { gpu_time: 1.25, host_time: 0.8, front_end: 1.5 };
    let three = points(&truth, &[2.0, 32.0, 256.0], |_| 1.0);
    let found = fitted(&three).unwrap();
    assert!(found.tpot_error_before(&three) > 0.05);
    let after = |(point, found): (&Point, &Prediction)| found.after.tpot_s / point.tpot_s - 1.0;
    let worst = three.iter().zip(&found.points).map(after).map(f64::abs).fold(0.0, f64::max);
    assert!(worst < 0.06, "{worst}");
    assert!(found.tpot_error(&three) < found.tpot_error_before(&three));
}

#[test]
fn a_deployment_like_the_catalogs_stays_as_it_is() {
    let clients = [1.0, 4.0, 16.0, 64.0];
    let found = fitted(&points(&Factors::default(), &clients, |_| 1.0)).unwrap();
    assert!(found.front_end.is_none_or(|factor| (factor.value - 1.0).abs() < 1e-6));
    for factor in [found.gpu_time, found.host_time] {
        assert!((factor.value - 1.0).abs() < 1e-6 && factor.low < 1.0 && factor.high > 1.0);
    }
}

/// Points with the noise of repeated runs: nine of ten intervals at least hold the truth.
#[test]
fn intervals_hold_the_truth() {
    let clients = [1.0, 4.0, 16.0, 64.0, 256.0];
    let truth = Factors { gpu_time: 1.05, host_time: 0.95, front_end: 1.0 };
    let (mut held, mut narrow, trials) = (0, 0, 60);
    for trial in 0..trials {
        let mut stream = Streams::new(7, trial).stream(Purpose::Resample, 0);
        let noise: Vec<f64> =
            clients.iter().map(|_| libm::exp(0.05 * normal_quantile(stream.uniform()))).collect();
        let found = fitted(&points(&truth, &clients, |index| noise[index])).unwrap();
        let factors = [(found.gpu_time, 1.05), (found.host_time, 0.95)];
        held += factors.iter().filter(|(f, truth)| f.low <= *truth && *truth <= f.high).count();
        narrow += factors.iter().filter(|(f, _)| f.high / f.low < 2.0).count();
    }
    let all = 2 * trials as usize;
    assert!(held * 10 >= all * 9, "{held} of {all}");
    assert!(narrow * 10 >= all * 9, "{narrow} of {all}");
}

#[test]
fn too_few_points_and_one_concurrency_are_refused() {
    let truth = Factors::default();
    let one = fitted(&points(&truth, &[8.0], |_| 1.0)).unwrap_err();
    assert_eq!(one, Unfit::TooFew { found: 1 });
    assert!(one.help().contains("worse than none"));
    assert_eq!(one.to_string(), "1 measured point(s) are too few: 3 are needed");
    let alike = fitted(&points(&truth, &[30.0, 32.0, 34.0], |_| 1.0)).unwrap_err();
    assert_eq!(alike, Unfit::OneConcurrency { concurrency: 34.0 });
}

/// The closed form is only a means: where the simulation says something else, factors follow it.
#[test]
fn the_simulation_has_the_last_word() {
    let truth = Factors { gpu_time: 1.2, host_time: 1.1, front_end: 1.0 };
    let clients: Vec<f64> = (0..30).map(|i| libm::pow(1.2, f64::from(i))).collect();
    let (model, host) = deployed();
    let simulate = |factors: &Factors, point: &Point| {
        let clients = 1.3 * point.clients;
        let load = ClosedLoop { clients, prompt: 1024.0, answer: 512.0, token_budget: BUDGET };
        Some(load.latencies(&model.calibrated(factors), &host.calibrated(factors)))
    };
    let mut measured = points(&truth, &clients, |_| 1.0);
    for point in &mut measured {
        point.tpot_s = simulate(&truth, point).unwrap().tpot_s;
    }
    let found = calibrate(&measured, &model, &host, BUDGET, &simulate).unwrap();
    assert!((found.gpu_time.value / 1.2 - 1.0).abs() < 0.03, "{found:?}");
    assert!((found.host_time.value / 1.1 - 1.0).abs() < 0.05, "{found:?}");
}
