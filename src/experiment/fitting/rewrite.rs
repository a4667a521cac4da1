//! The catalog's file of engines with other constants: what is fitted is replaced, all else stays
//! as somebody wrote it.

use super::errors::{Fold, FoldErrors};
use super::parameters::{PARAMETERS, Parameter};
use super::search::Fitted;

/// `text` with the constants of a fit, rounded to four digits, and its errors by engine.
#[must_use]
pub fn rewritten(text: &str, fitted: &Fitted) -> String {
    let source = source(fitted);
    let (mut engine, mut section) = (String::new(), String::new());
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            section = trimmed.trim_matches(['[', ']']).to_owned();
        }
        let name = trimmed.split('=').next().unwrap_or_default().trim();
        if section == "engine" && name == "key" {
            engine = trimmed.split('"').nth(1).unwrap_or_default().to_owned();
        }
        let value = match section.as_str() {
            "engine.step" => coefficient(&engine, name, fitted),
            "engine.fit" => standing(&engine, name, fitted, &source),
            _ => None,
        };
        lines.push(value.map_or_else(|| line.to_owned(), |value| format!("{name} = {value}")));
    }
    lines.join("\n") + "\n"
}

fn coefficient(engine: &str, name: &str, fitted: &Fitted) -> Option<String> {
    // TensorRT-LLM reads a narrow cache as fast as a wide one.
    let tied = engine == "tensorrt-llm" && name == "attention_memory_efficiency_fp8";
    let name = if tied { "attention_memory_efficiency" } else { name };
    let is = |parameter: &Parameter| parameter.name == name && parameter.is_of(engine);
    let index = PARAMETERS.iter().position(is)?;
    Some(rounded(fitted.values[index]))
}

/// Four digits, small ones as micro- and milliseconds.
pub(super) fn rounded(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v < 1e-4 => (v * 1e6, "e-6"),
        v if v < 1e-1 => (v * 1e3, "e-3"),
        v => (v, ""),
    };
    let digits = 3 - libm::floor(libm::log10(scaled)) as i32;
    let decimals = digits.clamp(0, 8) as usize;
    let text = format!("{scaled:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    format!("{text}{unit}")
}

/// What the constants were fitted to, and how far off they are.
fn source(fitted: &Fitted) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let errors = fitted.errors.iter().map(|row| row.tpot.abs());
    let mean = errors.sum::<f64>() / fitted.rows.max(1) as f64;
    let fold = |fold| fitted.left_out_by(fold).map(FoldErrors::mean_tpot);
    let folds = match (fold(Fold::Accelerator), fold(Fold::Model)) {
        (Some(accelerator), Some(model)) => format!(
            ", {} on accelerators and {} on models left out of the fit",
            percent(accelerator),
            percent(model)
        ),
        _ => String::new(),
    };
    format!(
        "`tokenfleet fit`: one fit of {} constants to {} closed-loop measurements of vLLM, \
         TensorRT-LLM and SGLang on H100, H200 and B200 in ai-dynamo/aiconfigurator@095f58a51 \
         systems/silicon_sample.csv; {} rows that look like unlabelled multi-token prediction left \
         out ({} mean error of TPOT over all engines as simulated{folds}); kernel counts set by hand",
        PARAMETERS.len(),
        fitted.rows,
        fitted.left_out,
        percent(mean),
    )
}

fn standing(engine: &str, name: &str, fitted: &Fitted, source: &str) -> Option<String> {
    let rows = fitted.errors.iter().filter(|row| row.engine == engine);
    let mut errors: Vec<f64> = rows.map(|row| row.tpot.abs()).collect();
    errors.sort_unstable_by(f64::total_cmp);
    let middle = *errors.get(errors.len() / 2)?;
    match name {
        "source" => Some(format!("{source:?}")),
        "mean_error" => Some(format!("{:.3}", errors.iter().sum::<f64>() / errors.len() as f64)),
        "median_error" => Some(format!("{middle:.3}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_read_back() {
        for (value, text) in [
            (0.66604, "0.666"),
            (22.0817, "22.08"),
            (5.3762e-6, "5.376e-6"),
            (97.71e-6, "97.71e-6"),
            (3.0351e-3, "3.035e-3"),
            (18.1e-3, "18.1e-3"),
        ] {
            assert_eq!(rounded(value), text);
            assert!((text.parse::<f64>().unwrap() / value - 1.0).abs() < 1e-3);
        }
    }
}
