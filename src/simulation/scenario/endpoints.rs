//! `[endpoints.NAME]`: hosted models behind a price list, as they are written.

use super::outages::{self, OUTAGE, OUTAGES};
use super::reader::{Key, Schema, Section};
use super::run::time;
use crate::catalog::{Catalog, Date, Price, PriceError, Provenance};
use crate::foundations::{Dimension, SimDuration};
use crate::serving::EndpointSpec;
use crate::serving::endpoint::{LongContext, PriceList, PromptCachePolicy, RateLimit};
use crate::simulation::plan::Endpoint;

/// Keys of `[endpoints.NAME]`.
pub static ENDPOINT: Schema = Schema::new(
    "A hosted model behind a price list; agents name it as they name a pool.",
    &[
        Key::text("model", "what is called; its prices are the catalog's where none are stated")
            .example("gpt-4o-mini"),
        Key::text("date", "day whose prices hold; by default the latest known")
            .optional()
            .example("2026-10-01"),
        Key::section("price", &PRICE).optional(),
        Key::boolean("batch", "whether calls go through the cheaper batch interface")
            .default("false"),
        Key::quantity("requests_per_minute", Dimension::Number, "most requests in a minute")
            .between(1.0, 1e12)
            .optional()
            .example("500"),
        Key::quantity(
            "tokens_per_minute",
            Dimension::Tokens,
            "most tokens in a minute, of prompts and answers together",
        )
        .between(1.0, 1e15)
        .optional()
        .example("200k"),
        Key::boolean("count_cached", "whether cached tokens count towards `tokens_per_minute`")
            .default("true"),
        Key::quantity("bucket", Dimension::Time, "time whose allowance may be used at once")
            .above(0.0)
            .default("1 min"),
        Key::integer("concurrency", 1, 1_000_000_000, "most calls at once")
            .optional()
            .example("100"),
        Key::law("ttft", Dimension::Time, "time to the first token, reading the prompt apart")
            .at_least(0.0)
            .example("{ lognormal = { median = \"600 ms\", p90 = \"1.5 s\" } }"),
        Key::law("tpot", Dimension::Time, "time of each further token, drawn for each call")
            .at_least(0.0)
            .example("{ lognormal = { median = \"12 ms\", p90 = \"20 ms\" } }"),
        Key::quantity(
            "prompt_speed",
            Dimension::TokenRate,
            "how fast prompts are read that no cache holds; by default in no time",
        )
        .above(0.0)
        .optional()
        .example("20k tokens/s"),
        Key::quantity("max_context", Dimension::Tokens, "longest prompt and answer together")
            .between(1.0, 4e9)
            .optional()
            .example("128k"),
        Key::section("cache", &CACHE).optional(),
        Key::name("region", "region", "where it stands").optional().example("us-virginia"),
        Key::section_list("outages", &OUTAGES).optional(),
        Key::section("outage", &OUTAGE).optional(),
    ],
);

const PER_MTOK: Dimension = Dimension::MoneyPerMtok;

/// Keys of `price`.
pub static PRICE: Schema = Schema::new(
    "A price list, instead of the catalog's.",
    &[
        Key::quantity("input", PER_MTOK, "prompt tokens").at_least(0.0).example("$3 /Mtok"),
        Key::quantity(
            "cached_input",
            PER_MTOK,
            "prompt tokens in its cache; by default as `input`",
        )
        .at_least(0.0)
        .optional()
        .example("$0.30 /Mtok"),
        Key::quantity(
            "cache_write",
            PER_MTOK,
            "prompt tokens put into its cache, instead of `input`",
        )
        .at_least(0.0)
        .optional()
        .example("$3.75 /Mtok"),
        Key::quantity("output", PER_MTOK, "tokens produced").at_least(0.0).example("$15 /Mtok"),
        Key::quantity("batch_discount", Dimension::Fraction, "part that batch use saves")
            .between(0.0, 1.0)
            .optional()
            .example("50 %"),
    ],
);

/// Keys of `cache`.
pub static CACHE: Schema = Schema::new(
    "Keeps the beginnings of prompts for a while.",
    &[
        Key::quantity("ttl", Dimension::Time, "how long behind its last use")
            .above(0.0)
            .default("5 min"),
        Key::quantity("least", Dimension::Tokens, "shorter prompts are not kept")
            .between(0.0, 4e9)
            .default("1024"),
    ],
);

/// Prices in dollars per million tokens, from the scenario or the catalog.
struct Listed {
    input: f64,
    cached: Option<f64>,
    write: Option<f64>,
    output: f64,
    batch_discount: Option<f64>,
    long: Option<(u32, f64, f64)>,
    context: Option<u32>,
}

/// Reads an endpoint, with the catalog's figures that it stands on; `None` where something is wrong,
/// which is reported.
pub(super) fn read(
    name: &str,
    section: &Section,
    catalog: &Catalog,
) -> Option<(Endpoint, Vec<Provenance>)> {
    let model = section.text("model");
    let (listed, provenance) = match section.optional("price", Section::section) {
        Some(price) => {
            if section.has("date") {
                let fault = section.fault("date", "a stated `price` holds on every day");
                section.report(fault.help("remove one of them"));
            }
            (Some(stated(&price)), Vec::new())
        }
        None => match price_of(section, model, catalog) {
            Some(price) => (Some(of_catalog(price)), price.provenance()),
            None => (None, Vec::new()),
        },
    };
    let cache = section.optional("cache", Section::section).map(|cache| PromptCachePolicy {
        ttl: time(&cache, "ttl").unwrap_or_default(),
        least_tokens: cache.quantity("least") as u32,
    });
    let depth = time(section, "bucket").unwrap_or(SimDuration(1));
    let limit = |key| {
        let per_minute = section.optional(key, Section::quantity)? as u64;
        Some(RateLimit { per_minute, depth })
    };
    let max_context = section.optional("max_context", |section, key| section.quantity(key) as u32);
    let (requests, tokens) = (limit("requests_per_minute"), limit("tokens_per_minute"));
    for key in ["bucket", "count_cached"].into_iter().filter(|key| section.has(key)) {
        if requests.is_none() && tokens.is_none() || key == "count_cached" && tokens.is_none() {
            let fault = section.fault(key, format!("`{key}` has no limit to say something about"));
            section.report(fault.help("give `tokens_per_minute`, or remove it"));
        }
    }
    let spec = EndpointSpec {
        prices: PriceList::default(),
        requests,
        tokens,
        counts_cached: section.boolean("count_cached"),
        concurrency: section.optional("concurrency", Section::integer),
        first_token_s: section.law("ttft"),
        token_s: section.law("tpot"),
        prompt_token_s: section
            .optional("prompt_speed", Section::quantity)
            .map_or(0.0, |per_s| 1.0 / per_s),
        cache,
        outages: outages::read(section),
    };
    let batch = section.boolean("batch");
    let listed = listed?;
    if batch && listed.batch_discount.is_none() && section.is_sound() {
        let fault = section.fault("batch", format!("no batch price of `{model}` is known"));
        section.report(fault.help("state one: `price = { ..., batch_discount = \"50 %\" }`"));
    }
    let factor = if batch { 1.0 - listed.batch_discount.unwrap_or(0.0) } else { 1.0 };
    if !section.is_sound() {
        return None;
    }
    let max_context = max_context.or(listed.context).unwrap_or(u32::MAX);
    let spec = EndpointSpec { prices: listed.prices(spec.cache.is_some(), factor), ..spec };
    let endpoint = Endpoint { name: name.to_owned(), model: model.to_owned(), max_context, spec };
    Some((endpoint, provenance))
}

impl Listed {
    /// The list with every price times `factor`. Where there is a cache, every fresh token is put
    /// into it.
    fn prices(&self, caches: bool, factor: f64) -> PriceList {
        let input = self.write.filter(|_| caches).unwrap_or(self.input);
        let cached = self.cached.unwrap_or(self.input);
        let [input, cached, output] = [input, cached, self.output].map(|usd| usd * factor);
        let long = self.long.map(|(above, input, output)| {
            LongContext::from_usd_per_mtok(above, input * factor, output * factor)
        });
        PriceList { long, ..PriceList::from_usd_per_mtok(input, cached, output) }
    }
}

fn stated(price: &Section) -> Listed {
    Listed {
        input: price.quantity("input"),
        cached: price.optional("cached_input", Section::quantity),
        write: price.optional("cache_write", Section::quantity),
        output: price.quantity("output"),
        batch_discount: price.optional("batch_discount", Section::quantity),
        long: None,
        context: None,
    }
}

fn of_catalog(price: &Price) -> Listed {
    let narrow = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
    let long = price.long_context_above_tokens.and_then(|above| {
        let input = price.long_context_input_usd_per_mtok.unwrap_or(price.input_usd_per_mtok);
        let output = price.long_context_output_usd_per_mtok.unwrap_or(price.output_usd_per_mtok);
        Some((u32::try_from(above).ok()?, input, output))
    });
    Listed {
        input: price.input_usd_per_mtok,
        cached: price.cached_input_usd_per_mtok,
        write: price.cache_write_usd_per_mtok,
        output: price.output_usd_per_mtok,
        batch_discount: price.batch_discount,
        long,
        context: price.context_tokens.map(narrow),
    }
}

/// The catalog's price of a model on the stated day, or the latest.
fn price_of<'c>(section: &Section, model: &str, catalog: &'c Catalog) -> Option<&'c Price> {
    let day = match section.optional("date", Section::text).map(str::parse::<Date>) {
        None => None,
        Some(Ok(day)) => Some(day),
        Some(Err(error)) => {
            section.report(section.fault("date", error.to_string()));
            return None;
        }
    };
    if !section.is_sound_in(&["model", "date"]) {
        return None;
    }
    let prices = catalog.prices();
    let found = match day {
        Some(day) => prices.price_at(model, day),
        None => prices.latest(model),
    };
    let fault = match found {
        Ok(price) => return Some(price),
        Err(PriceError::Unknown(unknown)) => unknown.fault().at(section.place("model")),
        Err(error) => section.fault("date", error.to_string()),
    };
    section.report(
        fault.help(
            "or state its prices: `price = { input = \"$3 /Mtok\", output = \"$15 /Mtok\" }`",
        ),
    );
    None
}
