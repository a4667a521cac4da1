//! `burst` and `shed`: what becomes of requests that a pool has too many of.

use crate::foundations::Dimension;
use crate::simulation::plan::Overflow;
use crate::simulation::scenario::reader::{Key, Schema, Section};
use crate::simulation::scenario::run::time;

const QUEUE: Key = Key::integer("queue", 0, 1_000_000_000, "requests that may wait, per replica")
    .optional()
    .example("8");
const WAIT: Key =
    Key::quantity("wait", Dimension::Time, "time that a request may be expected to wait")
        .above(0.0)
        .optional()
        .example("5 s");

/// Keys of `burst`.
pub static BURST: Schema = Schema::new(
    "Sends requests on to an endpoint while there are too many.",
    &[Key::name("to", "endpoint", "the endpoint that takes them").example("api"), QUEUE, WAIT],
);

/// Keys of `shed`.
pub static SHED: Schema = Schema::new(
    "Refuses requests at once while there are too many, instead of letting them wait.",
    &[QUEUE, WAIT],
);

/// Reads both of a pool, of which one at most may be given.
pub(in crate::simulation::scenario) fn read(
    pool: &Section,
    endpoints: &[&str],
) -> Option<Overflow> {
    let burst = pool.optional("burst", Section::section);
    let shed = pool.optional("shed", Section::section);
    if let (Some(_), Some(shed)) = (&burst, &shed) {
        let message = "`burst` and `shed` both take what the pool has too much of";
        let fault = pool.fault("shed", message).help("keep one of them");
        shed.report(fault);
    }
    let section = burst.as_ref().or(shed.as_ref())?;
    let to = burst.as_ref().and_then(|burst| {
        let name = burst.name("to", endpoints.iter().copied())?;
        endpoints.iter().position(|known| *known == name).map(|index| index as u16)
    });
    let overflow = Overflow {
        queue: section.optional("queue", Section::integer),
        wait: section.optional("wait", time).flatten(),
        to,
    };
    if section.is_sound() && overflow.queue.is_none() && overflow.wait.is_none() {
        let fault = section.fault("queue", "nothing says when there are too many requests");
        section.report(fault.help("give `queue = 8`, or `wait = \"5 s\"`, or both"));
    }
    section.is_sound().then_some(overflow)
}
