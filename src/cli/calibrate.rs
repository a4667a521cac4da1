//! `tokenfleet calibrate`: a deployment's own factors from measured points of it.

use std::fs;
use std::path::Path;

use super::arguments::{CalibrateArguments, Said};
use super::failure::{FINE, Failure};
use super::load::{self, Loaded};
use super::terminal::{answer_style, print, remark};
use crate::catalog::{Calibration, Catalog, Factor};
use crate::experiment::calibration::kernels::TimedKernels;
use crate::experiment::calibration::{Calibrated, Point, calibrate, points, replay};
use crate::foundations::error::Sources;
use crate::foundations::{Fault, Faults};
use crate::performance::Factors;
use crate::report::table::calibration;
use crate::simulation::plan::Pool;
use crate::simulation::scenario::files;

/// Fits the factors of a pool: the exit code.
///
/// # Errors
/// Bad input, points that nothing can be fitted to, and a file that cannot be written.
pub fn run(arguments: &CalibrateArguments) -> Result<u8, Failure> {
    let Loaded { mut scenario, .. } =
        load::load(arguments.scenario.as_deref(), &arguments.set, &[])?;
    let pools = std::mem::take(&mut scenario.variants[0].plan.pools);
    let pool = pool(&pools, &arguments.pool).map_err(refused)?;
    if let Some(timed) = timed_kernels(&arguments.files)? {
        return from_kernels(&timed, pool, arguments);
    }
    let points = read(&arguments.files)?;
    let replica = &pool.replica;
    let predict = |factors: &Factors, point: &Point| replay(pool, factors, point);
    let found = calibrate(&points, &replica.model, &replica.host, replica.token_budget, &predict)
        .map_err(|unfit| refused(Fault::new(unfit.to_string()).help(unfit.help())))?;
    let entry = entry(pool, &points, &found);
    match arguments.format {
        Said::Json => print(&(serde_json::to_string_pretty(&entry)? + "\n"))?,
        Said::Text if arguments.quiet => {}
        Said::Text => print(&calibration::render(&entry, &points, &found, answer_style()))?,
    }
    if let Some(path) = &arguments.out {
        fs::write(path, entry.to_toml())
            .map_err(|error| Failure::Unwritable { name: path.display().to_string(), error })?;
        if arguments.quiet {
            return Ok(FINE);
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        remark(&format!(
            "written to {}: put `calibration = \"{name}\"` into [pools.{}] beside it\n",
            path.display(),
            pool.name
        ));
    }
    Ok(FINE)
}

fn refused(fault: Fault) -> Failure {
    Failure::Scenario { faults: Faults::from(fault), sources: Sources::default() }
}

/// The kernels of `python/measure_gpu.py`, where the only file has them.
fn timed_kernels(files: &[impl AsRef<Path>]) -> Result<Option<TimedKernels>, Failure> {
    let [path] = files else { return Ok(None) };
    let name = path.as_ref().display().to_string();
    let text = match files::whole(path.as_ref()).map(String::from_utf8) {
        Ok(Ok(text)) if TimedKernels::is_one(&text) => text,
        // What is wrong with it is for the reader of points to say.
        _ => return Ok(None),
    };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|error| refused(Fault::new(format!("{name}: {error}"))))
}

/// Prints an accelerator's factors, and writes them as a part of a scenario.
fn from_kernels(
    timed: &TimedKernels,
    pool: &Pool,
    arguments: &CalibrateArguments,
) -> Result<u8, Failure> {
    let catalog = Catalog::embedded();
    let (Ok(accelerator), Ok(engine)) =
        (catalog.accelerator(&pool.accelerator), catalog.engine(&pool.engine))
    else {
        let what = format!("{} with {} is the scenario's own", pool.accelerator, pool.engine);
        let fault = Fault::new(format!("{what}: kernels are held against the catalog"));
        return Err(refused(fault.help("name the catalog's accelerator and engine in the pool")));
    };
    let found = timed
        .factors(accelerator, engine)
        .map_err(|reason| refused(Fault::new(reason.to_string()).help(KERNELS)))?;
    let entry = found.to_toml(&engine.key, timed);
    match arguments.format {
        Said::Json => {
            let table: toml::Table = toml::from_str(&entry).unwrap_or_default();
            print(&(serde_json::to_string_pretty(&table)? + "\n"))?;
        }
        Said::Text if arguments.quiet => {}
        Said::Text => {
            print(&calibration::render_kernels(timed, &found, pool, &entry, answer_style()))?;
        }
    }
    if let Some(path) = &arguments.out {
        fs::write(path, entry)
            .map_err(|error| Failure::Unwritable { name: path.display().to_string(), error })?;
        if !arguments.quiet {
            remark(&format!("written to {}\n", path.display()));
        }
    }
    Ok(FINE)
}

const KERNELS: &str = "run `python python/measure_gpu.py` on the accelerator itself";

/// The pool of this name, where nothing measured stands in it yet.
fn pool<'p>(pools: &'p [Pool], name: &str) -> Result<&'p Pool, Fault> {
    let names = pools.iter().map(|pool| pool.name.as_str());
    let found = pools.iter().find(|pool| pool.name == name);
    let pool = found.ok_or_else(|| Fault::unknown("pool", name, names))?;
    if pool.calibration.is_some() || pool.replica.model.measured.is_some() {
        let fault = Fault::new(format!("pool `{name}` stands on measurements already"));
        return Err(fault.help("leave `calibration` and `step_table` out of it to begin anew"));
    }
    Ok(pool)
}

fn read(files: &[impl AsRef<Path>]) -> Result<Vec<Point>, Failure> {
    let (mut sources, mut faults) = (Sources::default(), Faults::default());
    let mut found = Vec::new();
    for path in files.iter().map(AsRef::as_ref) {
        let name = path.display().to_string();
        let bytes = files::whole(path)
            .map_err(|error| Failure::Unreadable { name: name.clone(), error })?;
        let source = sources.add_file(&name, String::from_utf8_lossy(&bytes));
        match points::read(source, &sources) {
            Ok(points) => found.extend(points),
            Err(wrong) => faults.extend(wrong),
        }
    }
    match faults.is_empty() {
        true => Ok(found),
        false => Err(Failure::Scenario { faults, sources }),
    }
}

/// What a pool can name.
fn entry(pool: &Pool, points: &[Point], found: &Calibrated) -> Calibration {
    let rounded = |value: f64| libm::round(value * 1e4) / 1e4;
    let factor = |factor: Factor| Factor {
        value: rounded(factor.value),
        low: rounded(factor.low),
        high: rounded(factor.high),
    };
    let mut files: Vec<&str> =
        points.iter().map(|point| point.name.split('#').next().unwrap_or(&point.name)).collect();
    files.dedup();
    Calibration {
        model: pool.model.clone(),
        accelerator: pool.accelerator.clone(),
        engine: pool.engine.clone(),
        tensor_parallel: pool.gpus,
        points: points.len() as u32,
        tpot_error_before: Some(rounded(found.tpot_error_before(points))),
        tpot_error: rounded(found.tpot_error(points)),
        ttft_error: found.ttft_error(points).map(rounded),
        source: files.join(", "),
        date: points.iter().map(|point| point.date.as_str()).max().unwrap_or_default().to_owned(),
        gpu_time: factor(found.gpu_time),
        host_time: factor(found.host_time),
        front_end: found.front_end.map(factor),
    }
}
