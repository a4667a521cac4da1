//! Scenarios: what is simulated, read from TOML with units in its text.
//!
//! A scenario names agents, the pools that serve them and what is demanded of both; variants change
//! some values of it. Reading resolves every variant to a [`Plan`]: names are looked up, catalog
//! figures fetched, step times compiled, graphs of programs checked. All faults of all variants are
//! reported at once, each at its place.
//!
//! ```
//! use tokenfleet::foundations::Sources;
//! use tokenfleet::simulation::scenario::{NoFiles, ReadOptions, Scenario};
//!
//! let text = r#"
//! name = "two ways to serve it"
//!
//! [run]
//! horizon = "10 min"
//!
//! [agents.reader]
//! program  = "plain"
//! model    = "main"
//! arrivals = { poisson = "2 /s" }
//!
//! [pools.main]
//! model           = "llama-3.3-70b"
//! accelerator     = "h100-sxm"
//! tensor_parallel = 4
//! precision       = { weights = "fp8", kv = "fp8" }
//!
//! [objectives]
//! ttft_p99 = "2 s"
//!
//! [variants.two]
//! "pools.main.replicas" = 2
//! "#;
//! let mut sources = Sources::default();
//! let source = sources.add_file("two.toml", text);
//! let scenario = Scenario::read(source, &mut sources, &ReadOptions::new(&NoFiles))?;
//!
//! let names: Vec<_> = scenario.variants.iter().map(|variant| variant.plan.name.as_str()).collect();
//! assert_eq!(names, ["base", "two"]);
//! assert_eq!(scenario.variants[1].plan.pools[0].replicas, 2);
//! assert_eq!(scenario.objectives[0].limit, 2.0);
//! # Ok::<(), tokenfleet::foundations::Faults>(())
//! ```

pub mod agents;
mod archetype;
pub mod document;
pub mod endpoints;
mod entries;
pub mod files;
pub mod forecast;
pub mod geography;
pub mod objectives;
pub mod outages;
pub mod overlay;
pub mod point;
pub mod pools;
pub mod programs;
pub mod reader;
mod resolution;
pub mod run;
pub mod site;
pub mod uncertain;
mod variants;

use crate::catalog::Provenance;
use crate::foundations::error::Sources;
use crate::foundations::{Faults, SourceId};
use crate::simulation::plan::Plan;

use agents::AGENT;
use endpoints::ENDPOINT;
use forecast::FORECAST;
use geography::{NETWORK, ROUTE};
use pools::POOL;
use programs::PROGRAM;
use programs::tools::TOOL;
use reader::{Key, Schema};
use resolution::{Head, Shared};
use run::RUN;
use site::SITE;

pub use archetype::Archetype;
pub use files::{Files, Folder, NoFiles, WantedTrace};
pub use objectives::{Objective, Part, Statistic};
pub use point::{Change, Point};
pub use run::RunSettings;
pub use uncertain::Draws;
pub use variants::BASE;

/// Keys of a scenario.
pub static SCENARIO: Schema = Schema::new(
    "Agents, the pools that serve them, and what is demanded of both.",
    &[
        Key::text("name", "what the scenario is called").default("scenario"),
        Key::text("description", "what it is about").default(""),
        Key::section("run", &RUN).optional(),
        Key::sections("agents", &AGENT),
        Key::sections("programs", &PROGRAM).optional(),
        Key::sections("tools", &TOOL).optional(),
        Key::sections("pools", &POOL).optional(),
        Key::sections("endpoints", &ENDPOINT).optional(),
        Key::sections("routes", &ROUTE).optional(),
        Key::section("network", &NETWORK).optional(),
        Key::section("site", &SITE).optional(),
        Key::section("forecast", &FORECAST).optional(),
        Key::objectives("objectives", "bounds by figure and statistic, `ttft_p99`")
            .optional()
            .example("{ ttft_p99 = \"3 s\" }"),
        Key::tables("variants", "the same with changes: a dotted path and a value for each")
            .optional()
            .example("{ bigger = { \"pools.main.replicas\" = 8 } }"),
        Key::tables("accelerators", "entries to add to the catalog, or to change in it").optional(),
        Key::tables("models", "entries to add to the catalog, or to change in it").optional(),
        Key::tables("engines", "entries to add to the catalog, or to change in it").optional(),
        Key::tables("regions", "entries to add to the catalog, or to change in it").optional(),
    ],
);

/// A scenario, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its file, as it was read.
    pub text: String,
    /// Trials, seed and confidence, the same for all variants.
    pub run: RunSettings,
    /// What is demanded of each variant.
    pub objectives: Vec<Objective>,
    /// The scenario as it stands, `base`, and its variants.
    pub variants: Vec<Variant>,
    /// What to beware of.
    pub warnings: Faults,
}

/// One version of a scenario.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What is simulated; it has the variant's name.
    pub plan: Plan,
    /// The catalog figures that it stands on, with their sources.
    pub provenance: Vec<Provenance>,
    /// What to beware of in it.
    pub warnings: Faults,
    /// Paths of the values that it changes in the scenario as it stands.
    pub changed: Vec<Vec<String>>,
}

/// How a scenario is to be read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// Where the files lie that it names.
    pub files: &'a dyn Files,
    /// Values that replace its own, as `path=value`; before those of variants.
    pub set: &'a [String],
    /// Variants to read; all of them where none is named.
    pub variants: &'a [String],
    /// How what is uncertain in it is drawn.
    pub draws: Draws<'a>,
}

impl<'a> ReadOptions<'a> {
    /// The scenario as it stands, with all its variants.
    pub fn new(files: &'a dyn Files) -> Self {
        Self { files, set: &[], variants: &[], draws: Draws::default() }
    }
}

impl Scenario {
    /// Reads the scenario whose text is `source`. Texts that take part besides, such as those of
    /// archetypes and flags, join `sources`.
    ///
    /// # Errors
    /// Everything that is wrong in it, at the places where it was written.
    pub fn read(
        source: SourceId,
        sources: &mut Sources,
        options: &ReadOptions,
    ) -> Result<Self, Faults> {
        Self::read_with_points(source, sources, options, &[]).map(|(scenario, _)| scenario)
    }

    /// Reads the scenario, and besides its variants one for each of `points`: the first variant with
    /// some values replaced. A point whose parts cannot be together, such as a model that does not
    /// fit on an accelerator, is given as the reason why.
    ///
    /// # Errors
    /// Everything that is wrong in it, and in points beyond that.
    pub fn read_with_points(
        source: SourceId,
        sources: &mut Sources,
        options: &ReadOptions,
        points: &[Point],
    ) -> Result<(Self, Vec<Result<Variant, Faults>>), Faults> {
        let mut faults = Faults::default();
        let parsed = document::parse(source, sources, &mut faults);
        let Some(mut root) = parsed else { return Err(faults) };
        for flag in options.set {
            if let Err(wrong) = overlay::set_flag(&mut root, flag, sources) {
                faults.extend(wrong);
            }
        }
        let mut versions = variants::versions(root, options.variants, sources, &mut faults);
        let named = versions.len();
        for point in points {
            match point.version(&versions[..named], sources) {
                Ok(version) => versions.push(version),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if versions.len() < named + points.len() {
            return Err(faults);
        }
        let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();

        let shared = Shared::new(std::mem::take(sources), options.files);
        let read: Vec<_> = versions
            .iter()
            .map(|version| shared.read_with_draws(version, &options.draws))
            .collect();
        *sources = shared.into_sources();

        let (mut warnings, mut whole) = (Faults::default(), None);
        let (mut variants, mut candidates) = (Vec::new(), Vec::new());
        for (index, (version, reading)) in versions.iter().zip(read).enumerate() {
            let note = format!("in variant {}", version.name);
            if index >= named {
                if reading.faults.is_empty() || reading.faults.iter().any(|fault| !fault.unfit) {
                    // What is wrong at many points is said of the first.
                    let mut wrong = reading.faults;
                    wrong.retain(|fault| faults.iter().all(|known| known.message != fault.message));
                    faults.extend_with_help(wrong, &format!("at {}", version.name));
                } else {
                    candidates.push(Err(reading.faults));
                    continue;
                }
            } else if index == 0 {
                faults.extend(reading.faults);
                warnings.extend(reading.warnings.clone());
            } else {
                faults.extend_with_help(reading.faults, &note);
                warnings.extend_with_help(reading.warnings.clone(), &note);
            }
            if let Some((head, plan)) = reading.found {
                whole.get_or_insert(head);
                let (provenance, warnings) = (reading.provenance, reading.warnings);
                let changed = version.changed.clone();
                let variant = Variant { plan, provenance, warnings, changed };
                match index < named {
                    true => variants.push(variant),
                    false => candidates.push(Ok(variant)),
                }
            }
        }
        match (whole, faults.is_empty()) {
            (Some(Head { name, description, run, objectives }), true) => {
                let read = Self { name, description, text, run, objectives, variants, warnings };
                Ok((read, candidates))
            }
            _ => Err(faults),
        }
    }
}
