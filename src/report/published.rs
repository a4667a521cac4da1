//! Figures that others published, held against what comes out here.

use std::fmt::Write;

use serde::Serialize;

/// The difference from a published figure within which ours is called the same.
pub const SAME: f64 = 0.10;

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `1.80 x`.
    Times,
    /// `96.4 %`; two points off are the same.
    Share,
    /// `71`.
    Count,
}

impl Form {
    fn write(self, value: f64) -> String {
        match self {
            Self::Times if value >= 10.0 => format!("{value:.0} x"),
            Self::Times => format!("{value:.2} x"),
            Self::Share => format!("{:.1} %", value * 100.0),
            Self::Count => format!("{value:.1}"),
        }
    }
}

/// A published figure and ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// What it is a figure of.
    pub what: String,
    /// Who says so.
    pub source: &'static str,
    /// How it is written.
    pub form: Form,
    /// What they say: from, to.
    pub published: (f64, f64),
    /// What comes out here.
    pub found: f64,
    /// Half the width of its 95 % interval, where it was simulated in trials.
    pub half_width: Option<f64>,
    /// How it was found, and why it differs where it does.
    pub how: &'static str,
}

impl Published {
    /// How far ours is from what they say, relative to it; points of shares. None within a range.
    pub fn off(&self) -> f64 {
        let nearest = self.found.clamp(self.published.0, self.published.1);
        match self.form {
            Form::Share => self.found - nearest,
            _ => self.found / nearest - 1.0,
        }
    }

    /// Whether ours is the same.
    pub fn agrees(&self) -> bool {
        let allowed = if self.form == Form::Share { 0.02 } else { SAME };
        self.off().abs() <= allowed
    }

    fn row(&self, text: &mut String) {
        let (low, high) = self.published;
        let published = match low == high {
            true => self.form.write(low),
            false => format!("{} to {}", self.form.write(low), self.form.write(high)),
        };
        let found = match (self.half_width, self.form) {
            (Some(half), Form::Share) => {
                format!("{:.1} ± {:.1} %", self.found * 100.0, half * 100.0)
            }
            (Some(half), Form::Times) => format!("{:.2} ± {half:.2} x", self.found),
            _ => self.form.write(self.found),
        };
        let off = match (self.off(), self.form) {
            (0.0, _) => String::new(),
            (off, Form::Share) => format!("{:+.1} pt", off * 100.0),
            (off, _) if off > 1.0 => format!("{:.1} times", off + 1.0),
            (off, _) => format!("{:+.0} %", off * 100.0),
        };
        let verdict = if self.agrees() { "same" } else { "**off**" };
        let _ = writeln!(
            text,
            "| {} | {published} | {found} | {off} | {verdict} | {} | {} |",
            self.what, self.source, self.how
        );
    }
}

/// The figures as a table; nothing where there are none.
pub fn table(all: &[Published]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## Published figures\n\nThe same within {:.0} %, shares within two points.\n\n\
         | figure | published | here | | | source | how |\n|---|---|---|---|---|---|---|\n",
        SAME * 100.0
    );
    all.iter().for_each(|published| published.row(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(form: Form, published: (f64, f64), found: f64) -> Published {
        let (what, source, how) = (String::new(), "", "");
        Published { what, source, form, published, found, half_width: None, how }
    }

    #[test]
    fn within_a_range_nothing_is_off() {
        let inside = published(Form::Share, (0.1, 0.2), 0.168);
        assert!(inside.agrees() && inside.off() == 0.0);
        let above = published(Form::Share, (0.1, 0.2), 0.25);
        assert!(!above.agrees() && (above.off() - 0.05).abs() < 1e-12);
    }

    #[test]
    fn a_tenth_off_is_the_same_and_more_is_not() {
        assert!(published(Form::Times, (2.0, 2.0), 2.19).agrees());
        assert!(!published(Form::Times, (2.0, 2.0), 1.79).agrees());
        assert!(!published(Form::Times, (15.0, 15.0), 161.0).agrees());
    }
}
