//! `[programs.NAME]`: agents as graphs of steps, and the catalog's archetypes, which are written the
//! same way.

mod graph;
mod inherit;
pub mod keys;
mod library;
pub mod settings;
pub mod steps;
pub mod tools;

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::document::{Node, join_path};
use super::reader::Section;
use crate::catalog::Provenance;
use crate::foundations::random::derive;
use crate::foundations::{Fault, Faults, Law, Place};
use crate::workload::program::{ModelChoice, Program, SharedSegment, Step, StepIndex, StepKind};
use crate::workload::tool::Tool;

use steps::{IMPLIED, StepNames};

pub(super) use inherit::inherit;
pub use keys::PROGRAM;
pub(super) use library::{Archetypes, Library};

/// On whose behalf a program is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The agent; empty where a program is read only to check it.
    pub(super) agent: String,
    /// Pools of the models that its programs name.
    pub(super) roles: BTreeMap<String, u16>,
    /// Where the agent names its program.
    pub(super) place: Option<Place>,
}

/// The programs and tools of a variant, as far as its agents use them.
pub(super) struct Programs<'v> {
    library: Library<'v>,
    pools: &'v [&'v str],
    faults: &'v RefCell<Faults>,
    pub(super) programs: Vec<Program>,
    pub(super) tools: Vec<Tool>,
    /// How many of the tools are the scenario's own.
    common_tools: usize,
    /// Places by program and by agent, where the agent says which pools are meant.
    built: BTreeMap<(String, String), u16>,
    own_tools: BTreeMap<(String, String), u16>,
    /// Programs being read, the outermost first.
    open: Vec<String>,
    /// Tokens of every text that programs share, by kind and name.
    shared_texts: BTreeMap<(&'static str, String), Law>,
}

impl<'v> Programs<'v> {
    /// Nothing but the tools of the scenario.
    pub(super) fn new(
        library: Library<'v>,
        pools: &'v [&'v str],
        tools: Vec<Tool>,
        faults: &'v RefCell<Faults>,
    ) -> Self {
        Self {
            library,
            pools,
            faults,
            programs: Vec::new(),
            common_tools: tools.len(),
            tools,
            built: BTreeMap::new(),
            own_tools: BTreeMap::new(),
            open: Vec::new(),
            shared_texts: BTreeMap::new(),
        }
    }

    /// The program that a key names, by the name that it is known by.
    pub(super) fn named(&self, section: &Section, key: &str) -> Option<String> {
        let name = section.node(key).and_then(Node::as_str);
        let known = name.and_then(|name| self.library.known(name));
        if known.is_none() {
            // Reported as missing, as no text or as unknown.
            let names = self.library.names();
            section.name(key, names.iter().map(String::as_str));
        }
        known
    }

    /// The whole table of a program, its bases included.
    pub(super) fn table(&self, name: &str) -> Option<Node> {
        self.library.find(name, self.faults)
    }

    /// The place of a program, which is read if it was not yet; `None` where it is not there.
    pub(super) fn build(&mut self, name: &str, caller: &Caller) -> Option<u16> {
        let agent = if caller.roles.is_empty() { "" } else { &caller.agent };
        let key = (name.to_owned(), agent.to_owned());
        if let Some(&built) = self.built.get(&key) {
            return Some(built);
        }
        let node = self.table(name)?;
        self.open.push(name.to_owned());
        let program = Builder::new(self, name, caller).read(&node);
        self.open.pop();
        let place = self.add(program);
        self.built.insert(key, place);
        Some(place)
    }

    /// Adds a program under a place of its own.
    pub(super) fn add(&mut self, program: Program) -> u16 {
        self.programs.push(program);
        (self.programs.len() - 1) as u16
    }

    /// Sources of the archetypes that were read.
    pub(super) fn provenance(&self) -> Vec<Provenance> {
        self.library.provenance()
    }

    /// Reads the programs that nobody uses, for their faults.
    pub(super) fn check_unused(&mut self) {
        for name in self.library.written() {
            if self.built.keys().all(|(built, _)| *built != name) {
                self.build(&name, &Caller::default());
            }
        }
    }
}

/// A program while it is read.
pub(super) struct Builder<'p, 'v> {
    programs: &'p mut Programs<'v>,
    name: &'p str,
    caller: &'p Caller,
    tools: Vec<(String, Tool)>,
    loops: u16,
}

impl<'p, 'v> Builder<'p, 'v> {
    fn new(programs: &'p mut Programs<'v>, name: &'p str, caller: &'p Caller) -> Self {
        Self { programs, name, caller, tools: Vec::new(), loops: 0 }
    }

    fn read(mut self, node: &Node) -> Program {
        let faults = self.programs.faults;
        let path = join_path("programs", self.name);
        let section = Section::open(node, path, &PROGRAM, faults);
        if let Some(tools) = section.optional("tools", Section::sections) {
            let read =
                |(name, tool): &(&str, Section)| ((*name).to_owned(), tools::read(name, tool));
            self.tools = tools.iter().map(read).collect();
        }
        let written = section.sections("steps");
        let names = StepNames::new(written.iter().map(|&(name, _)| name));
        let steps = self.steps(&section, &written, &names);
        let start = |key| section.optional(key, |section, key| names.named(section, key)).flatten();
        let (start, restart) = (start("start").unwrap_or(0), start("restart"));
        let segments = section.optional("shared", Section::section_list).unwrap_or_default();
        let shared = segments.iter().map(|segment| self.segment(segment)).collect();
        let below = |key| section.optional(key, Section::section);
        let program = Program {
            name: self.name.to_owned(),
            steps,
            start,
            restart: restart.unwrap_or(start),
            loops: self.loops,
            shared,
            opening_tokens: section.law("opening_tokens"),
            session: below("session")
                .map(|session| settings::session(&session))
                .unwrap_or_default(),
            pruning: below("pruning").map(|pruning| settings::pruning(&pruning)),
            compaction: below("compaction").map(|cut| settings::compaction(&cut)),
            limits: below("limits").map_or(settings::UNLIMITED, |limits| settings::limits(&limits)),
            retry: below("retry").map(|retry| settings::retry(&retry)).unwrap_or_default(),
        };
        if section.is_sound() {
            graph::check(&program, &self.programs.tools, &section, &written);
        }
        program
    }

    /// The steps as they are written, and the implied ones behind them.
    fn steps(
        &mut self,
        program: &Section,
        written: &[(&str, Section)],
        names: &StepNames,
    ) -> Vec<Step> {
        if written.is_empty() && program.is_sound() {
            let fault = program.fault("steps", "a program needs at least one step");
            let example =
                format!("for example [{}.steps.answer] with kind = \"llm\"", program.path());
            program.report(fault.help(example));
        }
        if names.iter().count() > usize::from(StepIndex::MAX) {
            program.report(program.fault("steps", "a program has at most 65,533 steps"));
        }
        let mut steps: Vec<Step> = Vec::new();
        for (name, step) in written {
            let kind = steps::read(name, step, names, self);
            steps.push(Step { name: (*name).to_owned(), kind });
        }
        let implied = names.iter().skip(written.len()).map(|name| {
            let success = IMPLIED.contains(&(name, true));
            Step { name: name.to_owned(), kind: StepKind::End { success } }
        });
        steps.extend(implied);
        steps
    }

    fn segment(&mut self, segment: &Section) -> SharedSegment {
        let name = segment.text("name");
        let tokens = segment.law("tokens");
        self.check_shared_text(segment, "segment", name, &tokens);
        let variants = segment.optional("variants", |segment, key| {
            let section = segment.section(key);
            let (count, exponent) = (section.integer("count"), section.quantity("exponent"));
            let law = Law::zipf(count, exponent)
                .map_err(|error| section.report(section.fault("count", error.to_string())));
            (law.unwrap_or(Law::ONE), section.quantity("redrawn"))
        });
        let (variant, redrawn) = variants.unwrap_or((Law::ONE, 0.0));
        SharedSegment { identity: identity("segment", name), tokens, variant, redrawn }
    }

    /// Reports a shared text that has other tokens elsewhere.
    pub(super) fn check_shared_text(
        &mut self,
        section: &Section,
        kind: &'static str,
        name: &str,
        tokens: &Law,
    ) {
        let known = self.programs.shared_texts.entry((kind, name.to_owned()));
        let known = known.or_insert_with(|| tokens.clone());
        if known != tokens {
            let message =
                format!("the {kind} `{name}` has {tokens} tokens here and {known} elsewhere");
            let help = format!("a {kind} of one name is the same text: give this one another name");
            section.report(section.fault("tokens", message).help(help));
        }
    }

    /// The number of the next loop.
    pub(super) fn next_loop(&mut self) -> u16 {
        self.loops = self.loops.saturating_add(1);
        self.loops - 1
    }

    /// The pool that a step names.
    pub(super) fn model(&self, step: &Section) -> ModelChoice {
        if !step.has("model") {
            return ModelChoice::Own;
        }
        let name = step.text("model");
        let pool = self.programs.pools.iter().position(|&pool| pool == name);
        let pool = self.caller.roles.get(name).copied().or(pool.map(|index| index as u16));
        if let Some(pool) = pool {
            return ModelChoice::Pool(pool);
        }
        // Where no agent uses the program, one may still come to say which pool is meant.
        let Some(place) = &self.caller.place else { return ModelChoice::Own };
        let pools = self.programs.pools.iter().copied();
        let fault = if self.programs.library.is_catalog(step.place("model").source) {
            let message = format!("program `{}` calls a second model, `{name}`", self.name);
            let help = format!("say which pool serves it: `models = {{ {name} = \"...\" }}`");
            Fault::new(message).help(help).at(place.clone())
        } else {
            Fault::unknown("pool", name, pools).at(step.place("model"))
        };
        step.report(fault);
        ModelChoice::Own
    }

    /// The tool that a step names: the scenario's, or the program's own.
    pub(super) fn tool(&mut self, step: &Section, key: &str) -> u16 {
        let common = &self.programs.tools[..self.programs.common_tools];
        let common: Vec<&str> = common.iter().map(|tool| tool.name.as_str()).collect();
        let own = self.tools.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = common.iter().copied().chain(own).collect();
        let Some(name) = step.name(key, names.iter().copied()) else { return 0 };
        if let Some(index) = common.iter().position(|&tool| tool == name) {
            return index as u16;
        }
        let found = self.tools.iter().find(|(own, _)| own == name);
        found.cloned().map_or(0, |(name, tool)| self.own_tool(&name, tool))
    }

    /// The tool at a place, if there is one.
    pub(super) fn tool_at(&self, place: u16) -> Option<&Tool> {
        self.programs.tools.get(usize::from(place))
    }

    /// Adds a tool of the program's own, once.
    pub(super) fn own_tool(&mut self, name: &str, tool: Tool) -> u16 {
        let key = (self.name.to_owned(), name.to_owned());
        let programs = &mut *self.programs;
        *programs.own_tools.entry(key).or_insert_with(|| {
            programs.tools.push(tool);
            (programs.tools.len() - 1) as u16
        })
    }

    /// The program of sub-agents.
    pub(super) fn spawned(&mut self, step: &Section) -> u16 {
        let Some(name) = self.programs.named(step, "program") else { return 0 };
        if let Some(first) = self.programs.open.iter().position(|open| *open == name) {
            let mut ring = self.programs.open[first..].to_vec();
            ring.push(name);
            let message = format!("agents would spawn each other for ever: {}", ring.join(" -> "));
            let help = "let the innermost program end without spawning; write each level as a \
                        program of its own";
            step.report(step.fault("program", message).help(help));
            return 0;
        }
        self.programs.build(&name, self.caller).unwrap_or(0)
    }
}

/// The identity of a shared text: by its kind and name alone, so that it is the same in every
/// program, variant and trial. FNV-1a over the bytes.
pub(super) fn identity(kind: &str, name: &str) -> u64 {
    let hash = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    derive(hash(kind), hash(name))
}

/// The law of a finite constant.
pub(super) fn constant(value: f64) -> Law {
    Law::constant(value).expect("a finite number")
}
