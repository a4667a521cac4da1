//! `outages` and `outage`: when something is out of service, stated or by chance.

use super::reader::{Key, Schema, Section};
use super::run::time;
use crate::foundations::Dimension;
use crate::foundations::SimTime;
use crate::foundations::units::format_duration;
use crate::serving::interruption::{InterruptionLaw, Outage, RandomOutages};

/// Keys of an item of `outages`.
pub static OUTAGES: Schema = Schema::new(
    "Stated stretches out of service.",
    &[
        Key::quantity("at", Dimension::Time, "when it begins").at_least(0.0).example("10 min"),
        Key::quantity("for", Dimension::Time, "how long it lasts").above(0.0).example("60 s"),
    ],
);

/// Keys of `outage`.
pub static OUTAGE: Schema = Schema::new(
    "Outages at random.",
    &[
        Key::law("between", Dimension::Time, "time in service between two of them")
            .at_least(0.0)
            .example("{ exponential = { mean = \"30 days\" } }"),
        Key::law("length", Dimension::Time, "how long they last")
            .at_least(0.0)
            .example("{ lognormal = { median = \"20 min\", p90 = \"2 h\" } }"),
    ],
);

/// Reads `outages` and `outage` of a section that has both.
pub(super) fn read(section: &Section) -> InterruptionLaw {
    let mut stated: Vec<(Outage, usize)> = Vec::new();
    let written = section.optional("outages", Section::section_list).unwrap_or_default();
    for (index, outage) in written.iter().enumerate() {
        let start = SimTime::ZERO + time(outage, "at").unwrap_or_default();
        let end = start + time(outage, "for").unwrap_or_default();
        let clash = stated.iter().find(|(other, _)| start < other.end && other.start < end);
        if let Some((other, _)) = clash.filter(|_| outage.is_sound()) {
            let message = format!(
                "this outage overlaps the one from {} to {}",
                format_duration(other.start.as_s()),
                format_duration(other.end.as_s()),
            );
            outage.report(outage.fault("at", message).help("make one of the two"));
        }
        stated.push((Outage { start, end }, index));
    }
    stated.sort_unstable();
    let random = section.optional("outage", Section::section).map(|outage| {
        let (between_s, length_s) = (outage.law("between"), outage.law("length"));
        if outage.is_sound() && between_s.mean() <= 0.0 {
            let message = "with no time in service between outages nobody is ever served";
            outage.report(outage.fault("between", message));
        }
        RandomOutages { between_s, length_s }
    });
    InterruptionLaw { stated: stated.into_iter().map(|(outage, _)| outage).collect(), random }
}
