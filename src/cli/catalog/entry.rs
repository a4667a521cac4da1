//! One entry in full: its facts, its figures with their sources, and what follows from them.

use super::Subject;
use super::agent;
use super::listing::{attention_kinds, figures, native_formats, price_columns, price_row};
use super::sheet::{Page, Sheet, number, rounded, text};
use crate::catalog::{
    Accelerator, Attention, Catalog, Engine, FeedForward, Field, LayerGroup, Model, NumberFormat,
    Precision, Price, Region, UnknownName,
};

const GIB: f64 = 1_073_741_824.0;

/// The page of the entry `name`; `None` for a subject that has none.
pub(super) fn page(
    subject: Subject,
    catalog: &Catalog,
    name: &str,
) -> Result<Option<Page>, UnknownName> {
    Ok(Some(match subject {
        Subject::Accelerators => accelerator(catalog.accelerator(name)?),
        Subject::Models => model(catalog.model(name)?, catalog),
        Subject::Prices => prices(&catalog.prices().history(name)?),
        Subject::Engines => engine(catalog.engine(name)?),
        Subject::Agents => agent::page(catalog.agent(name)?, catalog),
        Subject::Regions => region(catalog.region(name)?),
        Subject::Speculation | Subject::Economics | Subject::Assumptions => return Ok(None),
    }))
}

fn accelerator(accelerator: &Accelerator) -> Page {
    let Accelerator { key, name, vendor, generation, release, .. } = accelerator;
    let mut page = Page { title: format!("{name} ({key})"), ..Page::default() };
    page.fact(text("key", "key"), key);
    page.fact(text("made_by", "made by"), format!("{vendor}, {generation}, {release}"));
    page.fact(text("aliases", "also"), accelerator.aliases.join(", "));
    page.fact(text("memory_kind", "memory"), &accelerator.memory_kind);
    page.fact(text("link_kind", "links"), &accelerator.link_kind);
    page.fact(text("host_link_kind", "to the host"), &accelerator.host_link_kind);
    let confidence = accelerator.confidence;
    page.fact(text("confidence", "trust"), format!("{confidence}: {}", confidence.meaning()));
    let missing: Vec<&str> = Field::ALL
        .into_iter()
        .filter(|field| accelerator.figure(*field).is_err())
        .map(Field::name)
        .collect();
    page.fact(text("not_published", "not published"), missing.join(", "));
    page.fact(text("note", "note"), &accelerator.note);
    page.section("figures", "Figures of one chip", figures(accelerator.provenance(), false));
    page
}

fn model(model: &Model, catalog: &Catalog) -> Page {
    let mut page = Page { title: format!("{} ({})", model.name, model.key), ..Page::default() };
    let parameters = model.parameters();
    let billions = |count: u64| rounded(Some(count as f64 / 1e9), 2);
    let bytes = |bytes: f64| rounded(Some(bytes), 3);
    page.fact(text("key", "key"), &model.key);
    page.fact(text("vendor", "made by"), &model.vendor);
    page.fact(text("release", "released"), &model.release);
    page.fact(text("aliases", "also"), model.aliases.join(", "));
    page.fact(number("total_parameters_b", "parameters, B"), billions(parameters.total()));
    page.fact(number("active_parameters_b", "active per token, B"), billions(parameters.active()));
    page.fact(number("max_context_tokens", "context, tokens"), model.max_context.to_string());
    page.fact(text("attention", "attention"), attention_kinds(model));
    page.fact(text("native_formats", "published in"), native_formats(model));
    if model.index_bytes_per_token() > 0.0 {
        let index = bytes(model.index_bytes_per_token());
        page.fact(number("index_bytes_per_token", "sparse index, B/token"), index);
    }
    if model.state_bytes_per_sequence() > 0 {
        let state = model.state_bytes_per_sequence().to_string();
        page.fact(number("state_bytes_per_sequence", "state, B/sequence"), state);
    }
    let note = model.shape.as_ref().map(|shape| shape.note.clone()).unwrap_or_default();
    page.fact(text("note", "note"), note);
    page.section("layers", "Layers", layers(model));
    page.section("kv_cache", "KV cache of one sequence", kv_cache(model));
    let title = "Weights, and the least accelerators that hold them with a tenth left free";
    page.section("weights", title, weights(model, catalog));
    page.section("parameters", "Parameters", parameter_sheet(model));
    page.section("figures", "Sources", figures(model.provenance(), false));
    page
}

fn layers(model: &Model) -> Sheet {
    let mut sheet = Sheet::new([
        number("count", "LAYERS"),
        text("attention", "ATTENTION"),
        text("feed_forward", "FEED FORWARD"),
    ]);
    for LayerGroup { count, attention, ffn } in &model.layers {
        let attention = match attention {
            Attention::Full(heads) | Attention::Sparse { heads, .. } => {
                format!("{}, {} heads over {}", attention.kind(), heads.query, heads.kv)
            }
            Attention::Window { heads, window } => {
                format!("window {window}, {} heads over {}", heads.query, heads.kv)
            }
            Attention::Latent(latent) => {
                format!("{}, {} heads over one latent", attention.kind(), latent.heads)
            }
            Attention::Compressed(c) if c.ratio == 0 => format!("window {}", c.window),
            Attention::Compressed(c) => format!("window {}, history 1:{}", c.window, c.ratio),
            Attention::Linear(linear) => format!("linear, {} heads", linear.heads),
            Attention::None => "none".to_owned(),
        };
        let ffn = match ffn {
            FeedForward::Dense { dim, .. } => format!("dense {dim}"),
            FeedForward::Moe(moe) if moe.shared_dim > 0 => format!(
                "{} of {} experts of {}, {} shared",
                moe.active, moe.experts, moe.expert_dim, moe.shared_dim
            ),
            FeedForward::Moe(moe) => {
                format!("{} of {} experts of {}", moe.active, moe.experts, moe.expert_dim)
            }
            FeedForward::None => "none".to_owned(),
        };
        sheet.push([count.to_string(), attention, ffn]);
    }
    sheet
}

fn kv_cache(model: &Model) -> Sheet {
    let mut sheet = Sheet::new([
        text("format", "FORMAT"),
        number("bytes_per_token", "B/token"),
        number("windowed_bytes_per_token", "IN WINDOWS B/token"),
        number("window_tokens", "WINDOW"),
        number("gib_at_8k", "GiB at 8k"),
        number("gib_at_32k", "at 32k"),
        number("gib_at_128k", "at 128k"),
    ]);
    for kv in [NumberFormat::Bf16, NumberFormat::Fp8, NumberFormat::Nvfp4] {
        let windowed = model.windowed_kv_bytes_per_token(kv);
        let at = |context: u64| match context <= model.max_context {
            true => rounded(Some(model.kv_bytes(context, kv) / GIB), 3),
            false => String::new(),
        };
        sheet.push([
            kv.to_string(),
            rounded(Some(model.kv_bytes_per_token(kv)), 3),
            rounded(windowed.first().map(|(_, bytes)| *bytes), 1),
            windowed.first().map(|(window, _)| window.to_string()).unwrap_or_default(),
            at(8192),
            at(32_768),
            at(131_072),
        ]);
    }
    sheet
}

/// Accelerators that a planner thinks of first.
const COMMON: [&str; 4] = ["h100-sxm", "h200-sxm", "b200-sxm", "mi355x"];

fn weights(model: &Model, catalog: &Catalog) -> Sheet {
    let mut columns = vec![
        text("weights", "WEIGHTS"),
        text("experts", "EXPERTS"),
        number("gib", "GiB"),
        number("gib_on_2", "EACH OF 2"),
        number("gib_on_4", "OF 4"),
        number("gib_on_8", "OF 8"),
    ];
    columns.extend(COMMON.iter().map(|key| number(key, key)));
    let mut sheet = Sheet::new(columns);
    let has_experts = model.moe_layers() > 0;
    let plain = [NumberFormat::Bf16, NumberFormat::Fp8, NumberFormat::Int4, NumberFormat::Nvfp4];
    let mut precisions = vec![model.native_precision];
    precisions.extend(plain.map(Precision::of));
    for (position, precision) in precisions.iter().enumerate() {
        let size = model.weight_bytes(precision) as f64;
        if position > 0 && size == model.weight_bytes(&model.native_precision) as f64 {
            continue;
        }
        let share = |accelerators: f64| rounded(Some(size / accelerators / GIB), 1);
        let mut row = vec![
            format!("{}{}", precision.weights, if position == 0 { " (native)" } else { "" }),
            if has_experts { precision.experts.to_string() } else { String::new() },
            share(1.0),
            share(2.0),
            share(4.0),
            share(8.0),
        ];
        row.extend(COMMON.iter().map(|key| {
            let memory = catalog.accelerator(key).ok().and_then(|found| found.memory().ok());
            memory.map(|memory| least_holding(size, memory).to_string()).unwrap_or_default()
        }));
        sheet.push(row);
    }
    sheet
}

/// The least power of two of accelerators that hold `size` bytes with a tenth of each left free.
fn least_holding(size: f64, memory: f64) -> u64 {
    let mut accelerators = 1;
    while size / accelerators as f64 > 0.9 * memory && accelerators < 1 << 20 {
        accelerators *= 2;
    }
    accelerators
}

fn parameter_sheet(model: &Model) -> Sheet {
    let mut sheet = Sheet::new([text("part", "PART"), number("parameters", "PARAMETERS")]);
    let parameters = model.parameters();
    for (part, count) in [
        ("embedding", parameters.embedding),
        ("output matrix", parameters.head),
        ("attention", parameters.attention),
        ("dense networks", parameters.dense_ffn),
        ("shared experts", parameters.shared_experts),
        ("routed experts", parameters.routed_experts),
        ("of these, active", parameters.active_experts),
        ("routers", parameters.router),
        ("norms", parameters.norms),
    ] {
        if count > 0 {
            sheet.push([part.to_owned(), count.to_string()]);
        }
    }
    sheet
}

fn prices(history: &[&Price]) -> Page {
    let model = history.first().map_or("", |price| &price.model);
    let mut page = Page { title: format!("Prices of {model}"), ..Page::default() };
    let mut sheet = Sheet::new(price_columns());
    history.iter().for_each(|price| sheet.push(price_row(price)));
    page.section("history", "From date on, $ per million tokens", sheet);
    let mut long = Sheet::new([
        text("from", "FROM"),
        number("above_tokens", "ABOVE TOKENS"),
        number("input_usd_per_mtok", "INPUT"),
        number("output_usd_per_mtok", "OUTPUT"),
    ]);
    for price in history {
        if let Some(tokens) = price.long_context_above_tokens {
            long.push([
                price.from.to_string(),
                tokens.to_string(),
                rounded(price.long_context_input_usd_per_mtok, 5),
                rounded(price.long_context_output_usd_per_mtok, 5),
            ]);
        }
    }
    page.section("long_context", "Long contexts", long);
    let mut sources = Sheet::new([
        text("from", "FROM"),
        text("date_kind", "KIND"),
        text("confidence", "TRUST"),
        text("source", "SOURCE"),
        text("notes", "NOTE"),
    ]);
    for price in history {
        sources.push([
            price.from.to_string(),
            price.date_kind.replace('_', " "),
            price.confidence.to_string(),
            price.source.clone(),
            price.notes.clone(),
        ]);
    }
    page.section("sources", "Sources", sources);
    page
}

fn engine(engine: &Engine) -> Page {
    let title = format!("{} {} ({})", engine.name, engine.version, engine.key);
    let mut page = Page { title, ..Page::default() };
    let percent = |share: f64| format!("{} %", rounded(Some(share * 100.0), 1));
    page.fact(text("key", "key"), &engine.key);
    page.fact(text("version", "version"), &engine.version);
    page.fact(text("aliases", "also"), engine.aliases.join(", "));
    page.fact(text("mean_error", "mean error"), percent(engine.fit.mean_error));
    page.fact(text("median_error", "median error"), percent(engine.fit.median_error));
    let own: Vec<&str> = engine.accelerators().collect();
    page.fact(text("accelerators", "own figures on"), own.join(", "));
    page.section("figures", "Coefficients and defaults", figures(engine.provenance(None), false));
    page
}

fn region(region: &Region) -> Page {
    let mut page = Page { title: format!("{} ({})", region.name, region.key), ..Page::default() };
    page.fact(text("key", "key"), &region.key);
    page.fact(text("aliases", "also"), region.aliases.join(", "));
    page.section("figures", "Figures", figures(region.provenance(), false));
    page
}
