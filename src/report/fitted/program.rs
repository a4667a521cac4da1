//! A fitted program as a scenario writes it.

use std::fmt::Write;

use super::FittedProgram;
use crate::workload::trace::habits::EARLY;

impl FittedProgram {
    /// `[programs.NAME]` of a scenario.
    pub fn program(&self, name: &str) -> String {
        let mut text = format!("[programs.{name:?}]\n");
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        if self.shared > 0 {
            let segment = format!("[{{ name = \"{name}-opening\", tokens = {} }}]", self.shared);
            line("shared", Some(segment));
        }
        line("opening_tokens", self.toml("opening_tokens"));
        let cut = |(from, to): (f64, f64)| format!("{{ above = {from:.0}, to = {to:.0} }}");
        line("compaction", self.cut.map(cut));
        line("session.tasks", self.toml("session.tasks"));
        line("session.think_time", self.toml("session.think_time"));
        line("session.context", self.new_contexts.then(|| "\"new\"".to_owned()));
        let later = self.law("steps.respond.input").is_some();
        line("restart", later.then(|| "\"respond\"".to_owned()));
        self.walk(&mut text, name, "open", None, "steps.open-turns.times");
        if later {
            let message = self.toml("steps.respond.input");
            self.walk(&mut text, name, "", message, "steps.turns.times");
        }
        text
    }

    /// The steps of a task: an answer, and a loop of tools and further answers.
    fn walk(&self, text: &mut String, name: &str, of: &str, input: Option<String>, times: &str) {
        let step = |what: &str| match (of, what) {
            ("", what) => what.to_owned(),
            (of, "respond") => of.to_owned(),
            (of, what) => format!("{of}-{what}"),
        };
        let quoted = |what: &str| format!("{:?}", step(what));
        let reading = self.reading.filter(|_| !of.is_empty());
        let mut section = |what: &str, kind: &str, keys: &[(&str, Option<String>)]| {
            let _ = writeln!(text, "\n[programs.{name:?}.steps.{}]\nkind = {kind:?}", step(what));
            for (key, value) in keys {
                if let Some(value) = value {
                    let _ = writeln!(text, "{key} = {value}");
                }
            }
        };
        let with = |probability: f64, to: &str| {
            let share = libm::round(probability * 1e4) / 1e4;
            match share < 1.0 {
                true => format!("{{ {} = {share:.4}, end = {:.4} }}", quoted(to), 1.0 - share),
                false => quoted(to),
            }
        };
        let tools = |result: &str, next: &str| {
            [
                ("latency", self.toml("steps.tools.latency")),
                ("result", self.toml(result).or(Some("1".into()))),
                ("result_includes_output", Some("true".into())),
                ("next", Some(quoted(next))),
            ]
        };
        let act = |next: String| [("output", self.toml("steps.act.output")), ("next", Some(next))];
        let loops = self.law("steps.act.output").is_some() && self.law(times).is_some();
        let next = match reading {
            Some(reading) => with(reading.begins, "read"),
            None => quoted("turns"),
        };
        let respond = [
            ("input", input),
            ("output", self.toml("steps.respond.output")),
            ("next", loops.then_some(next)),
        ];
        section("respond", "llm", &respond);
        if let Some(reading) = reading.filter(|_| loops) {
            let turns = [
                ("times", Some(EARLY.to_string())),
                ("body", Some(quoted("look"))),
                ("next", Some(quoted("turns"))),
            ];
            section("read", "loop", &turns);
            section("look", "tool", &tools("steps.open-look.result", "note"));
            section("note", "llm", &act(with(reading.goes_on, "read")));
        }
        if loops {
            let turns = [("times", self.toml(times)), ("body", Some(quoted("tools")))];
            section("turns", "loop", &turns);
            section("tools", "tool", &tools("steps.tools.result", "act"));
            section("act", "llm", &act(quoted("turns")));
        }
    }
}
