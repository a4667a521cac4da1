//! `prefill`: who computes the prompts of a pool, and what keys and values come over.

use crate::catalog::{Catalog, Field, NumberFormat};
use crate::foundations::{Dimension, Fault};
use crate::performance::ContextBytes;
use crate::serving::link::LinkSpec;
use crate::simulation::plan::{Pool, Prefill};
use crate::simulation::scenario::reader::{Bounds, Key, Kind, Schema, Section};
use crate::simulation::scenario::run::time;

/// Links by their names.
const LINKS: [&str; 2] = ["scale-out", "scale-up"];
/// Bandwidths that are something.
const SOME: Bounds = Bounds { low: 0.0, above: true, high: f64::INFINITY };
/// What transfers reach of a datasheet's bandwidth, as [`AllToAll`](crate::performance::AllToAll) has
/// it.
const EFFICIENCY: f64 = 0.85;

/// Keys of `prefill`.
pub static PREFILL: Schema = Schema::new(
    "Has another pool compute the prompts; this one only decodes, and fetches their keys and values.",
    &[
        Key::name("pool", "pool", "who computes them: a pool of the same model").example("prompts"),
        Key::either(
            "link",
            &[Kind::Choice(&LINKS), Kind::Quantity(Dimension::Bandwidth, SOME)],
            "what they come over: the network cards of the accelerators (scale-out), the links of one \
             scale-up domain (scale-up), or a bandwidth, of each replica of that pool",
        )
        .default("scale-out"),
        Key::quantity("latency", Dimension::Time, "time on the way beside that (assumed)")
            .at_least(0.0)
            .default("20 us"),
        Key::boolean("shared", "whether all replicas of that pool have one such link together")
            .default("false"),
    ],
);

/// Connects pools with those that compute their prompts; `kv` has format and bytes of their keys and
/// values.
pub(in crate::simulation::scenario) fn connect(
    written: &[(&str, Section)],
    pools: &mut [Option<Pool>],
    kv: &[Option<(NumberFormat, ContextBytes)>],
    catalog: &Catalog,
) {
    let sides = written.iter().zip(0..).map(|((name, section), at)| {
        let side = section.optional("prefill", Section::section)?;
        let known = written.iter().map(|(name, _)| *name);
        let from = written.iter().position(|(known, _)| *known == side.text("pool"));
        let Some(from) = from else {
            side.name("pool", known);
            return None;
        };
        let pair = Pair { name, written, pools, kv, catalog, to: at, from };
        pair.prefill(&side)
    });
    let sides: Vec<Option<Prefill>> = sides.collect();
    for (pool, side) in pools.iter_mut().zip(sides) {
        if let Some(pool) = pool {
            pool.prefill = side;
        }
    }
}

/// A pool and the one that computes its prompts.
struct Pair<'a, 'd> {
    name: &'a str,
    written: &'a [(&'a str, Section<'d>)],
    pools: &'a [Option<Pool>],
    kv: &'a [Option<(NumberFormat, ContextBytes)>],
    catalog: &'a Catalog,
    to: usize,
    from: usize,
}

impl Pair<'_, '_> {
    /// What goes between them; `None` where that cannot be, which is reported.
    fn prefill(&self, side: &Section) -> Option<Prefill> {
        let (its_name, its_section) = &self.written[self.from];
        let refuse = |key: &str, message: String, help: String| {
            side.report(side.fault(key, message).help(help));
            None
        };
        if self.from == self.to {
            let message = format!("`{}` computes its own prompts without being told", self.name);
            return refuse("pool", message, "remove `prefill`, or name another pool".into());
        }
        if its_section.has("prefill") {
            let message = format!("`{its_name}` has its own prompts computed elsewhere");
            let help = format!("remove `prefill` of `{its_name}`, or name a pool without");
            return refuse("pool", message, help);
        }
        if self.written[self.to].1.has("kv_tiers") {
            let message = format!(
                "`{}` has nothing to fetch from tiers: its prompts are computed by `{its_name}`",
                self.name
            );
            let section = &self.written[self.to].1;
            let help = format!(
                "give `kv_tiers` to `{its_name}`, which looks for what it need not compute"
            );
            section.report(section.fault("kv_tiers", message).help(help));
            return None;
        }
        let others = self.written.iter().take(self.to).filter(|(_, section)| {
            let other = section.optional("prefill", Section::section);
            other.is_some_and(|other| other.text("pool") == *its_name)
        });
        if let Some((other, _)) = others.into_iter().next() {
            let message = format!("`{its_name}` computes the prompts of `{other}` already");
            return refuse("pool", message, "give each its own pool".into());
        }
        let (to, from) = (self.pools[self.to].as_ref()?, self.pools[self.from].as_ref()?);
        if to.model != from.model {
            let message = format!(
                "`{its_name}` serves `{}`: its keys and values mean nothing to `{}`",
                from.model, to.model
            );
            return refuse("pool", message, format!("name a pool of `{}`", to.model));
        }
        let ((format, bytes), (its_format, _)) = (self.kv[self.to]?, self.kv[self.from]?);
        if format != its_format {
            let message = format!(
                "keys and values are {its_format} in `{its_name}` and {format} in `{}`",
                self.name
            );
            return refuse("pool", message, "give both the same `precision.kv`".into());
        }
        let region = |at: usize| self.written[at].1.text("region");
        if region(self.to) != region(self.from) {
            let message = format!(
                "`{its_name}` stands in `{}`, `{}` in `{}`",
                region(self.from),
                self.name,
                region(self.to)
            );
            return refuse("pool", message, "keys and values do not cross regions".into());
        }
        let bytes_per_s = self.bandwidth(side, to, from)?;
        Some(Prefill {
            pool: self.from as u16,
            link: LinkSpec {
                bytes_per_s: bytes_per_s.clamp(1.0, 1e18) as u64,
                latency: time(side, "latency").unwrap_or_default(),
            },
            shared: side.boolean("shared"),
            token_bytes: bytes.token,
            sequence_bytes: libm::ceil(bytes.sequence) as u64,
        })
    }

    /// Bytes per second of a replica's link.
    fn bandwidth(&self, side: &Section, to: &Pool, from: &Pool) -> Option<f64> {
        let refuse = |fault: Fault| {
            side.report(fault.at(side.place("link")));
            None
        };
        let written = side.text("link");
        let field = match written {
            "scale-out" => Field::ScaleOutBandwidth,
            "scale-up" => Field::LinkBandwidth,
            text => {
                return match Dimension::Bandwidth.parse(text) {
                    Ok(stated) if SOME.contain(stated) => Some(stated),
                    Ok(_) => refuse(Fault::new("nothing comes over a link without bandwidth")),
                    Err(_) => refuse(
                        Fault::unknown("link", text, LINKS).help("or a bandwidth, \"50 GB/s\""),
                    ),
                };
            }
        };
        let ends = [to, from].map(|pool| self.catalog.accelerator(&pool.accelerator));
        let [Ok(to_chip), Ok(from_chip)] = ends else { return None };
        if field == Field::LinkBandwidth {
            let gpus = |pool: &Pool| pool.gpus.saturating_mul(pool.most_replicas());
            let (together, domain) = (gpus(to).saturating_add(gpus(from)), to_chip.link_domain());
            let message = if to_chip.key != from_chip.key {
                format!("no scale-up link joins `{}` and `{}`", from_chip.key, to_chip.key)
            } else if together > domain {
                format!(
                    "both pools have {together} GPUs, a scale-up domain of `{}` {domain}",
                    to_chip.key
                )
            } else {
                String::new()
            };
            if !message.is_empty() {
                return refuse(Fault::new(message).help("give \"scale-out\", or a bandwidth"));
            }
        }
        let of = |chip: &crate::catalog::Accelerator, pool: &Pool| {
            Ok(chip.value(field)? * f64::from(pool.gpus))
        };
        let slower = of(to_chip, to).and_then(|one: f64| Ok(one.min(of(from_chip, from)?)));
        match slower {
            Ok(bytes_per_s) => Some(EFFICIENCY * bytes_per_s),
            Err(missing) => {
                let missing: crate::catalog::MissingFigure = missing;
                refuse(Fault::new(missing.to_string()).help("give a bandwidth, \"50 GB/s\""))
            }
        }
    }
}
