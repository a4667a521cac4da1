//! `[pools.NAME.speculation]`: what a pool guesses ahead, as it is written and as it is served.

use super::known;
use crate::catalog::{Attention, Catalog, Confidence, FeedForward, LayerGroup, Model, Provenance};
use crate::foundations::{Dimension, Fault};
use crate::performance::{Deployment, MemoryPlan, Speculation, StepModel};
use crate::simulation::scenario::reader::{Key, Schema, Section};

/// Keys of `[pools.NAME.speculation]`.
pub static SPECULATION: Schema = Schema::new(
    "Tokens that are drafted cheaply and verified by one step of the model.",
    &[
        Key::choice(
            "method",
            &["draft", "mtp", "eagle", "ngram"],
            "who drafts: a smaller model, the model's own prediction layers, a layer trained for it, \
             or a search for the last words in the context",
        )
        .example("mtp"),
        Key::integer("tokens", 1, 16, "tokens that are drafted for each step").default("3"),
        Key::name("draft", "model", "the smaller model").optional().example("llama-3.1-8b"),
        Key::quantity(
            "acceptance",
            Dimension::Fraction,
            "chance that a drafted token agrees, those before it having done so",
        )
        .between(0.0, 0.999)
        .optional()
        .example("70 %"),
        Key::quantity(
            "length",
            Dimension::Number,
            "tokens that a step yields in the mean, its own included, instead of `acceptance`",
        )
        .between(1.0, 17.0)
        .optional()
        .example("2.6"),
        Key::boolean("thinking", "whether the measured acceptance is that of a model that thinks")
            .default("true"),
    ],
);

/// Who drafts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Draft,
    Mtp,
    Eagle,
    Ngram,
}

/// Speculation as it is written.
#[derive(Debug)]
pub(super) struct SpeculationSpec<'d> {
    section: Section<'d>,
    method: Method,
    tokens: u32,
    draft: Option<String>,
    acceptance: Option<f64>,
    length: Option<f64>,
    thinking: bool,
}

pub(super) fn read<'d>(pool: &Section<'d>, catalog: &Catalog) -> Option<SpeculationSpec<'d>> {
    pool.has("speculation").then_some(())?;
    let section = pool.section("speculation");
    let methods = [
        ("draft", Method::Draft),
        ("mtp", Method::Mtp),
        ("eagle", Method::Eagle),
        ("ngram", Method::Ngram),
    ];
    let draft = section.optional("draft", |section, key| {
        known(section, key, |name| catalog.model(name).map(|found| found.key.clone()))
    });
    Some(SpeculationSpec {
        method: section.choice("method", &methods),
        tokens: section.integer("tokens"),
        draft: draft.flatten(),
        acceptance: section.optional("acceptance", Section::quantity),
        length: section.optional("length", Section::quantity),
        thinking: section.boolean("thinking"),
        section,
    })
}

/// A draft that lies beside the model on its GPUs.
#[derive(Debug)]
pub(super) struct Drafter {
    model: Model,
    /// Whether it uses the model's own embedding and output matrix.
    shares: bool,
}

/// What a pool speculates with, resolved.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) drafted: u32,
    pub(super) acceptance: f64,
    pub(super) drafter: Option<Drafter>,
    pub(super) provenance: Option<Provenance>,
}

impl SpeculationSpec<'_> {
    /// Looks up the draft and how often it is right; `None` where that cannot be, which is reported.
    pub(super) fn resolve(
        &self,
        pool: &str,
        deployment: &Deployment,
        catalog: &Catalog,
    ) -> Option<Resolved> {
        let drafter = self.drafter(deployment, catalog)?;
        let (acceptance, provenance) = match (self.acceptance, self.length) {
            (Some(_), Some(_)) => {
                let message = "`acceptance` and `length` say the same thing twice";
                self.refuse("length", message.to_owned(), "keep one of them".to_owned());
                return None;
            }
            (Some(acceptance), None) => (acceptance, None),
            (None, Some(length)) => (self.acceptance_of(length, "length")?, None),
            (None, None) => {
                let (length, source) = self.measured(deployment.model, catalog)?;
                let provenance = Provenance {
                    what: pool.to_owned(),
                    figure: "speculation.length".to_owned(),
                    value: format!("{length}"),
                    low: String::new(),
                    high: String::new(),
                    source,
                    date: String::new(),
                    confidence: Confidence::A,
                    assumed: false,
                    note: format!("tokens a step, {} drafted", self.tokens),
                };
                (self.acceptance_of(length, "tokens")?, Some(provenance))
            }
        };
        Some(Resolved { drafted: self.tokens, acceptance, drafter, provenance })
    }

    fn refuse(&self, key: &str, message: String, help: String) {
        self.section.report(self.section.fault(key, message).help(help));
    }

    fn acceptance_of(&self, length: f64, key: &str) -> Option<f64> {
        let found = Speculation::acceptance_of(self.tokens, length);
        if found.is_none() {
            let most = self.tokens + 1;
            let message = format!("{} drafted tokens cannot yield {length} a step", self.tokens);
            self.refuse(key, message, format!("less than {most}: the drafted and one more"));
        }
        found
    }

    /// What drafts; `None` inside where nothing runs on the accelerator.
    fn drafter(&self, deployment: &Deployment, catalog: &Catalog) -> Option<Option<Drafter>> {
        let model = deployment.model;
        if let (Some(_), true) = (&self.draft, self.method != Method::Draft) {
            let message = "only method = \"draft\" has a model of its own".to_owned();
            self.refuse("draft", message, "leave `draft` out, or change `method`".to_owned());
            return None;
        }
        let drafter = match self.method {
            Method::Ngram => return Some(None),
            Method::Draft => {
                let Some(draft) = &self.draft else {
                    let fault = Fault::new("a drafting model must be named");
                    let help = "add draft = \"llama-3.1-8b\", or a method that needs none";
                    self.section.report(fault.at(self.section.place("method")).help(help));
                    return None;
                };
                let draft = catalog.model(draft).ok()?;
                if draft.vocab.abs_diff(model.vocab) * 100 > model.vocab {
                    let message = format!(
                        "`{}` knows {} tokens and `{}` {}: one cannot draft for the other",
                        draft.key, draft.vocab, model.key, model.vocab
                    );
                    self.refuse("draft", message, "take a model of the same family".to_owned());
                    return None;
                }
                Drafter { model: draft.clone(), shares: false }
            }
            Method::Mtp if model.speculative_layers == 0 => {
                let message = format!("`{}` has no layers that predict further tokens", model.key);
                let help = "method = \"eagle\", \"draft\" or \"ngram\" works with any model";
                self.refuse("method", message, help.to_owned());
                return None;
            }
            // One layer like the model's last, between its own embedding and output matrix.
            Method::Mtp | Method::Eagle => {
                let mut layers = model.layers.iter().rev();
                let last = layers.find(|group| group.attention != Attention::None);
                let layer = LayerGroup { count: 1, ..last?.clone() };
                Drafter { model: Model { layers: vec![layer], ..model.clone() }, shares: true }
            }
        };
        let wrong = drafter.deployed(deployment).faults();
        for error in &wrong {
            self.section.report(error.fault().at(self.section.place("method")));
        }
        wrong.is_empty().then_some(Some(drafter))
    }

    /// The measured tokens of a step, and where they were measured.
    fn measured(&self, model: &Model, catalog: &Catalog) -> Option<(f64, String)> {
        let kind = match self.method {
            Method::Mtp => "mtp",
            Method::Eagle => "eagle",
            Method::Draft | Method::Ngram => "-",
        };
        let mode = if self.thinking { "thinking_on" } else { "thinking_off" };
        let rows = || catalog.acceptance().iter().filter(|row| row.source.contains(kind));
        let found = rows().find(|row| {
            row.model.starts_with(&model.key) && row.mode == mode && row.tokens == self.tokens
        });
        if let Some(row) = found {
            return Some((row.length, format!("InferenceX golden_al_distribution/{}", row.source)));
        }
        let mut names: Vec<&str> = rows().map(|row| row.model.as_str()).collect();
        names.dedup();
        let message =
            format!("nobody measured how often such a draft is right for `{}`", model.key);
        let fault = self.section.fault("method", message);
        let fault = fault.help("state it: acceptance = \"70 %\", or length = 2.6 tokens a step");
        let measured = format!("measured with 1 to 8 tokens are {}", names.join(", "));
        self.section.report(if names.is_empty() { fault } else { fault.help(measured) });
        None
    }
}

impl Drafter {
    /// The draft on the model's GPUs, in its formats.
    fn deployed<'a>(&'a self, deployment: &Deployment<'a>) -> Deployment<'a> {
        let experts =
            match self.model.layers.iter().any(|group| matches!(group.ffn, FeedForward::Moe(_))) {
                true => deployment.expert_parallel,
                false => 1,
            };
        Deployment { model: &self.model, expert_parallel: experts, ..*deployment }
    }
}

impl Resolved {
    /// The step times of the model beside its draft, and what the replica speculates with.
    pub(super) fn compile(
        &self,
        deployment: &Deployment,
        model: StepModel,
    ) -> Option<(StepModel, Speculation)> {
        let draft = match &self.drafter {
            Some(drafter) => Some(StepModel::compile(&drafter.deployed(deployment)).ok()?),
            None => None,
        };
        let model = match &draft {
            Some(draft) => model.beside_draft(draft, self.drafted),
            None => model,
        };
        let (drafted, acceptance) = (self.drafted, self.acceptance);
        Some((model, Speculation { drafted, acceptance, draft }))
    }

    /// The memory with the draft in it; `None` where it does not fit.
    pub(super) fn beside(&self, plan: MemoryPlan, deployment: &Deployment) -> Option<MemoryPlan> {
        match &self.drafter {
            Some(drafter) => plan.beside_draft(&drafter.deployed(deployment), drafter.shares),
            None => Some(plan),
        }
    }
}
