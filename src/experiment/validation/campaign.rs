//! How published campaigns ran their engines, where that is not the engine's default.
//!
//! Benchmarks are scripts with flags, and some of these move a figure by half: TensorRT-LLM was told
//! to hold new prompts back for 20 decode steps, SGLang to look at its queue every 30. The flags are
//! facts of the campaigns, so they lie in a table with their sources and are not fitted.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::catalog::NumberFormat;
use crate::performance::Deployment;

/// The load that a configuration was measured under, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The source's own name of the run, which begins with the campaign's.
    pub id: &'a str,
    /// Number format as the source names it.
    pub precision: &'a str,
    /// Clients in closed loop.
    pub clients: u32,
    /// Prompt tokens, nominal.
    pub prompt: u32,
    /// Tokens of the answer, nominal.
    pub answer: u32,
}

/// What a campaign set; `None` leaves it to the engine.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Format of keys and values.
    pub kv: Option<NumberFormat>,
    /// Most new tokens in a step.
    pub max_batched_tokens: Option<u64>,
    /// Most requests at once.
    pub max_running: Option<u64>,
    /// Share of memory that the engine takes.
    pub memory_utilization: Option<f64>,
    /// Decode steps between two looks at the queue.
    pub poll_steps: Option<u64>,
    /// Decode steps for which new prompts are held back.
    pub batch_wait_steps: Option<u64>,
    /// Whether prompts that begin alike share their beginning.
    pub prefix_cache: Option<bool>,
    /// Coefficients of the engine that differ there.
    #[serde(default)]
    pub engine: toml::Table,
    /// Requests of the run for each client.
    pub requests_per_client: Option<u64>,
    /// True where lengths were drawn from 0.8 to 1.0 of the nominal ones.
    pub drawn_lengths: Option<bool>,
    /// A class of its own, for rows that are suspected of something that they don't say.
    pub suspect: Option<String>,
}

impl Settings {
    /// Takes over what `other` sets.
    fn adopt(&mut self, other: &Self) {
        fn take<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        take(&mut self.kv, &other.kv);
        take(&mut self.max_batched_tokens, &other.max_batched_tokens);
        take(&mut self.max_running, &other.max_running);
        take(&mut self.memory_utilization, &other.memory_utilization);
        take(&mut self.poll_steps, &other.poll_steps);
        take(&mut self.batch_wait_steps, &other.batch_wait_steps);
        take(&mut self.prefix_cache, &other.prefix_cache);
        self.engine.extend(other.engine.clone());
        take(&mut self.requests_per_client, &other.requests_per_client);
        take(&mut self.drawn_lengths, &other.drawn_lengths);
        take(&mut self.suspect, &other.suspect);
    }
}

/// A rule of the table: settings, and where they hold. What is not said holds everywhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    ids: Vec<String>,
    engine: Option<String>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    generations: Vec<String>,
    #[serde(default)]
    precisions: Vec<String>,
    lengths: Option<(u32, u32)>,
    drawn_lengths: Option<bool>,
    gpus: Option<(u32, u32)>,
    expert_parallel: Option<u32>,
    clients: Option<(u32, u32)>,
    #[expect(dead_code, reason = "for whoever reads the table")]
    source: String,
    set: Settings,
}

impl Rule {
    fn holds(
        &self,
        deployment: &Deployment<'_>,
        at: &Circumstances<'_>,
        so_far: &Settings,
    ) -> bool {
        let starts = |any: &[String], word: &str| {
            any.is_empty() || any.iter().any(|start| word.starts_with(start.as_str()))
        };
        let within = |bounds: Option<(u32, u32)>, count| {
            bounds.is_none_or(|(low, high)| (low..=high).contains(&count))
        };
        starts(&self.ids, at.id)
            && starts(&self.models, &deployment.model.key)
            && starts(&self.generations, &deployment.accelerator.generation)
            && starts(&self.precisions, at.precision)
            && self.engine.as_ref().is_none_or(|engine| *engine == deployment.engine.key)
            && self.lengths.is_none_or(|lengths| lengths == (at.prompt, at.answer))
            && self.drawn_lengths.is_none_or(|drawn| so_far.drawn_lengths == Some(drawn))
            && self.expert_parallel.is_none_or(|groups| groups == deployment.expert_parallel)
            && within(self.gpus, deployment.tensor_parallel)
            && within(self.clients, at.clients)
    }
}

/// The settings of a run: those of all rules that hold, later ones over earlier ones.
#[must_use]
pub fn settings(deployment: &Deployment<'_>, at: &Circumstances<'_>) -> Settings {
    let mut found = Settings::default();
    for rule in rules() {
        if rule.holds(deployment, at, &found) {
            found.adopt(&rule.set);
        }
    }
    found
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    // That the table can be read is tested below.
    RULES.get_or_init(|| read(include_str!("campaigns.toml")).unwrap_or_default())
}

fn read(text: &str) -> Result<Vec<Rule>, toml::de::Error> {
    #[derive(Deserialize)]
    struct File {
        rule: Vec<Rule>,
    }
    toml::from_str::<File>(text).map(|file| file.rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::experiment::validation::Names;

    #[test]
    fn the_table_reads_and_names_what_there_is() {
        let rules = read(include_str!("campaigns.toml")).unwrap();
        let catalog = Catalog::embedded();
        for rule in &rules {
            assert!(rule.engine.as_ref().is_none_or(|key| catalog.engine(key).is_ok()));
            for start in &rule.models {
                assert!(catalog.models().any(|model| model.key.starts_with(start)), "{start}");
            }
        }
    }

    #[test]
    fn later_rules_win() {
        let catalog = Catalog::embedded();
        let of = |model, accelerator, precision, id, clients| {
            let names = Names {
                model,
                accelerator,
                engine: "sglang",
                precision,
                tensor_parallel: 8,
                expert_parallel: 1,
                pipeline_parallel: 1,
            };
            names.under(&catalog, id, clients, (1024, 1024)).unwrap().settings
        };
        let dsr1 = of("deepseek-r1", "b200", "fp8", "dsr1_b200_sglang_fp8", 8);
        assert_eq!((dsr1.poll_steps, dsr1.max_batched_tokens), (Some(10), Some(32_768)));
        assert_eq!((dsr1.kv, dsr1.suspect), (Some(NumberFormat::Fp8), None));
        let many = of("deepseek-r1", "b200", "fp4", "2026_04_06_deepseek_r1", 16);
        assert_eq!((many.poll_steps, many.max_batched_tokens), (Some(30), Some(16_384)));
        assert_eq!(many.suspect.as_deref(), Some("multi-token prediction"));
        let fixed = of("llama-3.1-8b", "h200", "fp8", "meta_llama_llama_3_1_8b", 16);
        assert_eq!((fixed.drawn_lengths, fixed.kv), (Some(false), None));
    }
}
