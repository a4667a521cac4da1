//! The scenario that `init` writes: one kind of agents on one pool, every line with a remark.

use std::fmt::Write;

/// What a first scenario says.
#[derive(Clone, Debug)]
pub struct FirstScenario {
    /// What it is called.
    pub name: String,
    /// The archetype of its agents.
    pub agent: String,
    /// What that does, in one line.
    pub agent_does: String,
    /// Value of `arrivals`, as TOML.
    pub arrivals: String,
    /// The model.
    pub model: String,
    /// The accelerator.
    pub accelerator: String,
    /// The engine.
    pub engine: String,
    /// GPUs of a server.
    pub tensor_parallel: u32,
    /// Servers.
    pub replicas: u32,
    /// Rent of one GPU, where it is stated.
    pub price: Option<String>,
    /// Objectives by name, with their bounds.
    pub objectives: Vec<(String, String)>,
    /// The file, for the commands that are suggested.
    pub file: String,
}

impl FirstScenario {
    /// Its text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { name, agent, agent_does, arrivals, model, accelerator, engine, file, .. } = self;
        writeln!(text, "# Written by `tokenfleet init`; change anything.")?;
        writeln!(
            text,
            "#   tokenfleet check {file}     says what is wrong, with the valid choices"
        )?;
        writeln!(text, "#   tokenfleet run {file}       simulates it and its variants")?;
        writeln!(
            text,
            "#   tokenfleet size {file}      finds the cheapest fleet, the highest load"
        )?;
        writeln!(
            text,
            "#   tokenfleet schema           what an editor needs to complete the keys"
        )?;
        writeln!(text, "name = {name:?}")?;
        writeln!(text, "\n[run]")?;
        writeln!(text, "horizon = \"1 h\"       # simulated time in which tasks start")?;
        writeln!(text, "warm_up = \"10 min\"    # of which this is not measured")?;
        writeln!(text, "trials  = 20          # independent repetitions: how sure the answer is")?;
        writeln!(text, "\n# {agent_does} (tokenfleet catalog agents {agent})")?;
        writeln!(text, "[agents.{agent}]")?;
        writeln!(text, "program  = {agent:?}")?;
        writeln!(text, "arrivals = {arrivals}")?;
        writeln!(text, "model    = \"main\"     # the pool that serves them")?;
        writeln!(text, "\n# What is not said here is the model's own or the engine's default.")?;
        writeln!(text, "[pools.main]")?;
        writeln!(text, "model           = {model:?}   # tokenfleet catalog models")?;
        writeln!(text, "accelerator     = {accelerator:?}   # tokenfleet catalog accelerators")?;
        writeln!(text, "engine          = {engine:?}")?;
        writeln!(
            text,
            "tensor_parallel = {:<3}   # GPUs of a server: the fewest that hold the model with room \
             for contexts",
            self.tensor_parallel
        )?;
        writeln!(
            text,
            "replicas        = {:<3}   # servers: the fewest before which requests hardly queue",
            self.replicas
        )?;
        match &self.price {
            Some(price) => writeln!(text, "price           = {price:?}   # rent of one GPU")?,
            None => writeln!(
                text,
                "# price         = \"$2.49 /h\"   # rent of one GPU, instead of the catalog's on demand"
            )?,
        }
        writeln!(text, "# precision     = {{ weights = \"fp8\", kv = \"fp8\" }}")?;
        writeln!(text, "\n# What is demanded; `tokenfleet run --check` fails where it is missed.")?;
        writeln!(text, "[objectives]")?;
        for (figure, bound) in &self.objectives {
            writeln!(text, "{figure} = {bound:?}")?;
        }
        writeln!(
            text,
            "\n# The same with some values changed, simulated beside it with the same chance."
        )?;
        writeln!(text, "[variants.more-servers]")?;
        writeln!(text, "\"pools.main.replicas\" = {}", self.replicas + 1)?;
        writeln!(text, "\n# [variants.newer]")?;
        writeln!(text, "# \"pools.main.accelerator\" = \"b200-sxm\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_written_as_toml() {
        let first = FirstScenario {
            name: "a \"first\" one".into(),
            agent: "chat".into(),
            agent_does: "answers".into(),
            arrivals: "{ poisson = \"1 /s\" }".into(),
            model: "llama-3.3-70b".into(),
            accelerator: "h100-sxm".into(),
            engine: "vllm".into(),
            tensor_parallel: 4,
            replicas: 2,
            price: None,
            objectives: vec![("ttft_p95".into(), "3 s".into())],
            file: "first.toml".into(),
        };
        let read: toml::Table = first.text().parse().unwrap();
        assert_eq!(read["name"].as_str(), Some("a \"first\" one"));
        assert_eq!(read["pools"]["main"]["replicas"].as_integer(), Some(2));
        assert_eq!(read["variants"]["more-servers"]["pools.main.replicas"].as_integer(), Some(3));
    }
}
