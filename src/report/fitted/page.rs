//! Fitted laws as a table and as a page, beside their data.

use std::fmt::Write;

use super::{FittedLaw, FittedProgram};
use crate::foundations::fitting::{FITS, Grid};
use crate::foundations::units::{format_duration, format_number};

impl FittedProgram {
    /// One line for each law.
    pub fn table(&self) -> String {
        let mut text = String::from("\nfitted to one half of the sessions, judged on the other\n");
        let _ = writeln!(
            text,
            "  {:<36} {:<38} {:>6} {:>9} {:>9}",
            "", "law", "KS", "mean", "its mean"
        );
        for law in &self.laws {
            let (fitted, value) = (&law.fitted, value(law.grid));
            let _ = writeln!(
                text,
                "  {:<36} {:<38} {:>6.3} {:>9} {:>9}",
                law.title,
                fitted.family.name(),
                fitted.ks,
                value(fitted.mean),
                value(fitted.law.mean())
            );
        }
        text
    }

    /// A page that lays the laws over the data.
    pub fn page(&self, name: &str, trace: &str) -> String {
        let mut text = format!("# {name}: laws fitted to a recording\n\n");
        let _ = writeln!(
            text,
            "Each law was fitted to every other session of `{trace}` and is judged on the sessions \
             between. Families compete by the likelihood of what they did not see; where the best \
             is further than {FITS} (Kolmogorov-Smirnov) from it, a table of quantiles takes its \
             place. Curves show the quantiles of the data and of the law, from 5 % to 95 %."
        );
        if let Some(arrivals) = &self.arrivals {
            let _ = writeln!(text, "\nSessions begin as `{arrivals}`.");
        }
        if self.sub_agents > 0 {
            let _ = writeln!(
                text,
                "\n{} sub-agents are not part of the program: for the agent above them they are a \
                 tool that takes as long as they did.",
                self.sub_agents
            );
        }
        for law in &self.laws {
            section(&mut text, law);
        }
        text
    }
}

fn section(text: &mut String, law: &FittedLaw) {
    let (fitted, value) = (&law.fitted, value(law.grid));
    let _ = writeln!(text, "\n## {}\n", law.title);
    let _ = writeln!(text, "`{} = {}`\n", law.place, fitted.family.toml(law.grid, law.least));
    let _ = write!(
        text,
        "{}, KS {:.3}, fitted to {} values and judged on {}.",
        fitted.family.name(),
        fitted.ks,
        fitted.counts.0,
        fitted.counts.1
    );
    if let Some((family, ks)) = &fitted.rejected {
        let _ = write!(text, " The best family, {}, was {ks:.3} away.", family.name());
    }
    let points = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
    text.push_str("\n\n| | mean | p5 | p25 | p50 | p75 | p90 | p95 | p99 |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    let mut row = |what: &str, mean: f64, at: &dyn Fn(f64) -> f64| {
        let cells: Vec<String> = points.iter().map(|&p| value(at(p))).collect();
        let _ = writeln!(text, "| {what} | {} | {} |", value(mean), cells.join(" | "));
    };
    row("data", fitted.mean, &|p| fitted.observed(p));
    row("law", fitted.law.mean(), &|p| fitted.law.quantile(p));
    let steps: Vec<f64> = (1..=19).map(|i| f64::from(i) * 0.05).collect();
    let series = |at: &dyn Fn(f64) -> f64| {
        let values: Vec<String> = steps.iter().map(|&p| format!("{:.4}", at(p))).collect();
        values.join(", ")
    };
    let _ = write!(
        text,
        "\n```mermaid\nxychart-beta\n    title \"{}: quantiles, data and law\"\n    \
         x-axis \"share of values below, %\" 5 --> 95\n    line [{}]\n    line [{}]\n```\n",
        law.title,
        series(&|p| fitted.observed(p)),
        series(&|p| fitted.law.quantile(p))
    );
}

fn value(grid: Grid) -> fn(f64) -> String {
    match grid {
        Grid::Count => format_number,
        Grid::Time => format_duration,
    }
}
