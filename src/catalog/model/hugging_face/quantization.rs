//! The formats of a checkpoint, from `quantization_config` and `dtype`.

use serde_json::Value;

use super::keys::Keys;
use crate::catalog::precision::{NumberFormat, Precision};

/// Formats that the checkpoint stores. An unknown method is a fault: guessing would change every
/// figure of memory.
pub(super) fn native_precision(keys: &mut Keys<'_>) -> Precision {
    let dtype = ["dtype", "torch_dtype"].iter().find_map(|key| keys.get_anywhere(key)?.as_str());
    let plain = match dtype {
        Some("float32") => NumberFormat::Fp32,
        _ => NumberFormat::Bf16,
    };
    let mut precision = Precision::of(plain);
    if let Some(config) = keys.get_anywhere("quantization_config") {
        match weight_format(config) {
            Ok(format) => precision = quantised(config, format, plain),
            Err(why) => keys.wrong("quantization_config", why),
        }
    }
    // DeepSeek V4 names the format of its routed experts apart.
    match keys.text("expert_dtype") {
        Some("fp4") => precision.experts = NumberFormat::Mxfp4,
        Some("fp8") => precision.experts = NumberFormat::Fp8,
        _ => {}
    }
    if kv_is_fp8(keys) {
        precision.kv = NumberFormat::Fp8;
    }
    precision
}

/// Applies `format` to all linear layers, or to the experts alone where attention is exempt.
fn quantised(config: &Value, format: NumberFormat, plain: NumberFormat) -> Precision {
    let all = Precision::of(format);
    if attention_is_exempt(config) {
        Precision { experts: format, ..Precision::of(plain) }
    } else {
        all
    }
}

fn weight_format(config: &Value) -> Result<NumberFormat, String> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let bits = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64);
    let integer = |bits: Option<u64>| match bits {
        Some(4) | None => Ok(NumberFormat::Int4),
        Some(8) => Ok(NumberFormat::Int8),
        Some(other) => Err(format!("has {other}-bit integers, of which only 4 and 8 are known")),
    };
    match text("quant_method") {
        "fp8" | "fbgemm_fp8" => Ok(NumberFormat::Fp8),
        "mxfp4" => Ok(NumberFormat::Mxfp4),
        "awq" | "gptq" | "auto-round" => integer(bits(config, "bits")),
        "bitsandbytes" => {
            let four = config.get("load_in_4bit").and_then(Value::as_bool).unwrap_or(false);
            Ok(if four { NumberFormat::Int4 } else { NumberFormat::Int8 })
        }
        "modelopt" | "nvfp4" | "modelopt_fp4" => modelopt(config),
        "compressed-tensors" => {
            let groups = config.get("config_groups").and_then(Value::as_object);
            let weights = groups.into_iter().flat_map(|groups| groups.values());
            // Mixed checkpoints have several groups; the narrowest holds most of the parameters.
            let narrowest = weights
                .filter_map(|group| group.get("weights"))
                .min_by_key(|weights| bits(weights, "num_bits").unwrap_or(u64::MAX))
                .ok_or("has no `config_groups` with `weights`")?;
            let float = narrowest.get("type").and_then(Value::as_str) == Some("float");
            match (float, bits(narrowest, "num_bits")) {
                (true, Some(8)) => Ok(NumberFormat::Fp8),
                (true, Some(4)) if bits(narrowest, "group_size") == Some(32) => {
                    Ok(NumberFormat::Mxfp4)
                }
                (true, Some(4)) => Ok(NumberFormat::Nvfp4),
                (_, bits) => integer(bits),
            }
        }
        "" => Err("has no `quant_method`".to_owned()),
        other => Err(format!(
            "has the unknown quant_method `{other}`; known: fp8, fbgemm_fp8, mxfp4, awq, gptq, \
             auto-round, bitsandbytes, modelopt, compressed-tensors"
        )),
    }
}

fn modelopt(config: &Value) -> Result<NumberFormat, String> {
    let nested = config.get("quantization").unwrap_or(config);
    match nested.get("quant_algo").and_then(Value::as_str).unwrap_or_default() {
        "FP8" | "FP8_PB_WO" => Ok(NumberFormat::Fp8),
        "NVFP4" | "NVFP4_AWQ" | "MIXED_PRECISION" => Ok(NumberFormat::Nvfp4),
        "MXFP4" | "W4A8_MXFP4_FP8" => Ok(NumberFormat::Mxfp4),
        "W4A16_AWQ" | "W4A8_AWQ" => Ok(NumberFormat::Int4),
        "W8A8_SQ_PER_CHANNEL" => Ok(NumberFormat::Int8),
        other => Err(format!("has the unknown quant_algo `{other}`")),
    }
}

/// True where the list of exempt modules names attention as a whole.
fn attention_is_exempt(config: &Value) -> bool {
    let nested = config.get("quantization").unwrap_or(config);
    let lists = ["modules_to_not_convert", "ignore", "exclude_modules"];
    let mut names = lists
        .iter()
        .filter_map(|key| nested.get(key)?.as_array())
        .flatten()
        .filter_map(Value::as_str);
    names.any(|name| name.contains("self_attn") && !name.contains("norm"))
}

fn kv_is_fp8(keys: &Keys<'_>) -> bool {
    let Some(config) = keys.get_anywhere("quantization_config") else { return false };
    let nested = config.get("quantization").unwrap_or(config);
    let algorithm = nested.get("kv_cache_quant_algo").and_then(Value::as_str);
    let scheme = nested.get("kv_cache_scheme").and_then(|scheme| scheme.get("num_bits"));
    algorithm == Some("FP8") || scheme.and_then(Value::as_u64) == Some(8)
}
