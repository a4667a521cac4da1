//! What cannot be is refused, with what would be right.

use super::catalog;
use crate::catalog::{Catalog, NumberFormat, Precision};
use crate::performance::{Deployment, StepModel, Wide};

fn of<'a>(catalog: &'a Catalog, model: &str, accelerator: &str) -> Deployment<'a> {
    Deployment {
        model: catalog.model(model).unwrap(),
        accelerator: catalog.accelerator(accelerator).unwrap(),
        engine: catalog.engine("vllm").unwrap(),
        precision: Precision::of(NumberFormat::Bf16),
        tensor_parallel: 1,
        expert_parallel: 1,
        pipeline_parallel: 1,
        wide: Wide::default(),
    }
}

fn refusal(deployment: &Deployment<'_>) -> (String, Vec<String>) {
    let error = StepModel::compile(deployment).unwrap_err();
    assert_eq!(error.fault().help, error.help());
    (error.to_string(), error.help())
}

#[test]
fn tensor_parallelism_must_divide_the_heads() {
    let three = Deployment { tensor_parallel: 3, ..of(catalog(), "llama-3.3-70b", "h100-sxm") };
    let (message, help) = refusal(&three);
    assert_eq!(message, "the 64 query heads of `llama-3.3-70b` cannot be shared by 3 GPUs");
    assert_eq!(help, ["tensor_parallel can be 1, 2, 4 or 8"]);
    // 40 query heads over 4 GPUs, but 10 key-value heads.
    let four = Deployment { tensor_parallel: 4, ..of(catalog(), "phi-4", "h100-sxm") };
    let (message, help) = refusal(&four);
    assert_eq!(message, "the 10 key-value heads of `phi-4` cannot be shared by 4 GPUs");
    assert_eq!(help, ["tensor_parallel can be 1, 2 or 5"]);
    let none = Deployment { tensor_parallel: 0, ..of(catalog(), "phi-4", "h100-sxm") };
    assert_eq!(refusal(&none).0, "tensor_parallel is 0");
}

#[test]
fn tensor_parallelism_ends_with_the_links() {
    let sixteen = Deployment { tensor_parallel: 16, ..of(catalog(), "llama-3.1-405b", "h100-sxm") };
    let (message, help) = refusal(&sixteen);
    assert_eq!(message, "tensor_parallel = 16 goes beyond the 8 `h100-sxm` that NVLink4 joins");
    assert_eq!(help, ["tensor_parallel can be 1, 2, 4 or 8"]);
    let rack = Deployment { accelerator: catalog().accelerator("gb200-nvl72").unwrap(), ..sixteen };
    assert!(StepModel::compile(&rack).is_ok());
    // A bridge joins two cards; more of one server go over PCIe, which is slower.
    let at = |tensor_parallel| {
        let cards = of(catalog(), "llama-3.1-8b", "h100-pcie");
        StepModel::compile(&Deployment { tensor_parallel, ..cards }).unwrap()
    };
    assert!(at(4).communication_token_s > 2.0 * at(2).communication_token_s);
}

#[test]
fn expert_parallelism_must_divide_gpus_and_experts() {
    let deepseek = of(catalog(), "deepseek-r1", "h200-sxm");
    let sixteen = Deployment { tensor_parallel: 8, expert_parallel: 16, ..deepseek };
    let (message, help) = refusal(&sixteen);
    assert_eq!(message, "the 256 experts of `deepseek-r1` cannot be dealt to 16 groups of 8 GPUs");
    assert_eq!(help[0], "expert_parallel can be 1, 2, 4 or 8");
    let dense = Deployment { expert_parallel: 2, ..of(catalog(), "phi-4", "h100-sxm") };
    assert_eq!(refusal(&dense).0, "expert_parallel = 2, but `phi-4` has no routed experts");
    let none = Deployment { expert_parallel: 0, ..deepseek };
    assert_eq!(refusal(&none).0, "expert_parallel is 0");
}

#[test]
fn precision_needs_hardware() {
    let fp8 = Deployment {
        precision: Precision::of(NumberFormat::Fp8),
        ..of(catalog(), "llama-3.1-8b", "a100-sxm-80gb")
    };
    assert!(refusal(&fp8).0.starts_with("`a100-sxm-80gb` has no fp8 units"));
}

#[test]
fn missing_and_absurd_figures_are_named() {
    assert!(refusal(&of(catalog(), "llama-3.1-8b", "tesla-ai5")).0.contains("bf16"));
    let mut catalog = Catalog::embedded();
    let nothing = toml::toml! { memory_bandwidth = "3.35 B/s" };
    catalog.add_accelerator("broken", Some("h100-sxm"), &nothing, "scenario").unwrap();
    let (message, help) = refusal(&of(&catalog, "llama-3.1-8b", "broken"));
    assert_eq!(message, "memory_bandwidth of `broken` is 3.35 B/s");
    assert_eq!(help, ["it must be at least 1 MB/s"]);
}

#[test]
fn all_faults_are_found_at_once() {
    let wrong = Deployment {
        tensor_parallel: 3,
        expert_parallel: 2,
        pipeline_parallel: 1,
        wide: Wide::default(),
        precision: Precision::of(NumberFormat::Nvfp4),
        ..of(catalog(), "llama-3.1-8b", "h100-sxm")
    };
    assert_eq!(wrong.faults().len(), 3);
}

#[test]
fn stages_need_layers_and_a_link_between_them() {
    let dense = of(catalog(), "llama-3.1-8b", "rtx-4090");
    let three = Deployment { pipeline_parallel: 3, ..dense };
    let (message, help) = refusal(&three);
    assert_eq!(message, "the 32 layers of `llama-3.1-8b` cannot be dealt to 3 stages");
    assert_eq!(help, ["pipeline_parallel can be 1, 2, 4, 8, 16 or 32"]);
    assert!(StepModel::compile(&Deployment { pipeline_parallel: 8, ..dense }).is_ok());
    // Sixteen of these cards are in two servers, and nobody says what joins those.
    let sixteen = Deployment { pipeline_parallel: 16, ..dense };
    assert!(refusal(&sixteen).0.contains("scale_out_bandwidth"), "{}", refusal(&sixteen).0);
}
