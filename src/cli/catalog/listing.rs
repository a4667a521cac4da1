//! Lists: one row per entry. People get the figures that one compares first, in handy units;
//! programs get all of them, in base units where the column names no other.

use super::Subject;
use super::agent;
use super::sheet::{Column, Format, Sheet, number, rounded, text};
use crate::catalog::{
    Accelerator, Attention, Catalog, Engine, Field, Model, NumberFormat, Price, Provenance,
    SchedulerDefaults, StepCoefficients, TrendKind,
};

/// The list of one subject.
pub(super) fn sheet(subject: Subject, catalog: &Catalog, format: Format) -> Sheet {
    let brief = format == Format::Table;
    match subject {
        Subject::Accelerators if brief => accelerators(catalog),
        Subject::Accelerators => all_of_accelerators(catalog),
        Subject::Models => models(catalog),
        Subject::Prices => prices(catalog),
        Subject::Engines if brief => engines(catalog),
        Subject::Engines => all_of_engines(catalog),
        Subject::Agents => agents(catalog),
        Subject::Regions => regions(catalog),
        Subject::Speculation => speculation(catalog, None),
        Subject::Economics => economics(catalog, None),
        Subject::Assumptions => assumptions(catalog, None),
    }
}

fn accelerators(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::new([
        text("key", "ACCELERATOR"),
        text("generation", "GENERATION"),
        number("memory_gib", "GiB"),
        number("memory_tb_per_s", "TB/s"),
        number("bf16_tflops", "BF16"),
        number("fp8_tflops", "FP8"),
        number("fp4_tflops", "FP4 TFLOPS"),
        number("link_gb_per_s", "LINK GB/s"),
        number("link_domain", "CHIPS"),
        number("tdp_w", "W"),
        number("on_demand_usd_per_hour", "$/h"),
        number("owner_usd_per_hour", "OWN $/h"),
        number("purchase_usd", "BUY $"),
    ]);
    for accelerator in catalog.accelerators() {
        let value = |field: Field, scale: f64, places| {
            rounded(accelerator.value(field).ok().map(|value| value / scale), places)
        };
        sheet.push([
            accelerator.key.clone(),
            accelerator.generation.clone(),
            value(Field::Memory, 1_073_741_824.0, 1),
            value(Field::MemoryBandwidth, 1e12, 2),
            value(Field::PeakBf16, 1e12, 0),
            value(Field::PeakFp8, 1e12, 0),
            value(Field::PeakFp4, 1e12, 0),
            value(Field::LinkBandwidth, 1e9, 0),
            value(Field::LinkDomain, 1.0, 0),
            value(Field::Tdp, 1.0, 0),
            value(Field::OnDemand, 1.0, 2),
            value(Field::OwnerCost, 1.0, 2),
            value(Field::Purchase, 1.0, 0),
        ]);
    }
    sheet
}

fn all_of_accelerators(catalog: &Catalog) -> Sheet {
    let texts = ["key", "name", "vendor", "generation", "release", "memory_kind", "link_kind"];
    let mut columns: Vec<Column> = texts.iter().map(|key| text(key, key)).collect();
    columns.extend(Field::ALL.iter().map(|field| number(field.name(), field.name())));
    columns.push(text("confidence", "confidence"));
    let mut sheet = Sheet::new(columns);
    let row = |accelerator: &Accelerator| {
        let Accelerator { key, name, vendor, generation, release, memory_kind, link_kind, .. } =
            accelerator;
        let texts = [key, name, vendor, generation, release, memory_kind, link_kind];
        let mut row: Vec<String> = texts.into_iter().cloned().collect();
        row.extend(Field::ALL.map(|field| {
            accelerator.value(field).map(|value| value.to_string()).unwrap_or_default()
        }));
        row.push(accelerator.confidence.to_string());
        row
    };
    for accelerator in catalog.accelerators() {
        sheet.push(row(accelerator));
    }
    sheet
}

/// The kinds of attention in a model, most layers first.
pub(super) fn attention_kinds(model: &Model) -> String {
    let mut kinds: Vec<(u64, &str)> = Vec::new();
    for group in model.layers.iter().filter(|group| group.attention != Attention::None) {
        match kinds.iter_mut().find(|(_, kind)| *kind == group.attention.kind()) {
            Some((count, _)) => *count += group.count,
            None => kinds.push((group.count, group.attention.kind())),
        }
    }
    kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let names: Vec<String> = match kinds.as_slice() {
        [(_, only)] => vec![(*only).to_owned()],
        several => several.iter().map(|(count, kind)| format!("{count} {kind}")).collect(),
    };
    names.join(" + ")
}

/// The formats of a checkpoint: `fp8`, or `mxfp4 experts, bf16`.
pub(super) fn native_formats(model: &Model) -> String {
    let precision = model.native_precision;
    match precision.experts == precision.weights {
        true => precision.weights.to_string(),
        false => format!("{} experts, {}", precision.experts, precision.weights),
    }
}

fn models(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::new([
        text("key", "MODEL"),
        text("vendor", "VENDOR"),
        text("release", "RELEASE"),
        number("total_parameters_b", "TOTAL B"),
        number("active_parameters_b", "ACTIVE B"),
        number("layers", "LAYERS"),
        text("attention", "ATTENTION"),
        number("kv_bytes_per_token_bf16", "KV B/token"),
        number("max_context_tokens", "CONTEXT"),
        text("native_formats", "NATIVE"),
        number("native_weights_gib", "GiB"),
    ]);
    for model in catalog.models() {
        let parameters = model.parameters();
        let bytes = model.weight_bytes(&model.native_precision);
        sheet.push([
            model.key.clone(),
            model.vendor.clone(),
            model.release.clone(),
            rounded(Some(parameters.total() as f64 / 1e9), 1),
            rounded(Some(parameters.active() as f64 / 1e9), 1),
            model.layer_count().to_string(),
            attention_kinds(model),
            rounded(Some(model.kv_bytes_per_token(NumberFormat::Bf16)), 0),
            model.max_context.to_string(),
            native_formats(model),
            rounded(Some(bytes as f64 / 1_073_741_824.0), 1),
        ]);
    }
    sheet
}

/// The columns of a list of prices.
pub(super) fn price_columns() -> Vec<Column> {
    vec![
        text("provider", "PROVIDER"),
        text("model", "MODEL"),
        text("from", "FROM"),
        number("input_usd_per_mtok", "INPUT $/Mtok"),
        number("cached_input_usd_per_mtok", "CACHED"),
        number("cache_write_usd_per_mtok", "CACHE WRITE"),
        number("output_usd_per_mtok", "OUTPUT"),
        number("batch_discount", "BATCH"),
        text("confidence", "TRUST"),
    ]
}

/// One price in those columns.
pub(super) fn price_row(price: &Price) -> Vec<String> {
    let usd = |value: Option<f64>| rounded(value, 5);
    vec![
        price.provider.clone(),
        price.model.clone(),
        price.from.to_string(),
        usd(Some(price.input_usd_per_mtok)),
        usd(price.cached_input_usd_per_mtok),
        usd(price.cache_write_usd_per_mtok),
        usd(Some(price.output_usd_per_mtok)),
        usd(price.batch_discount),
        price.confidence.to_string(),
    ]
}

/// The price that holds last, of each model by each provider.
fn prices(catalog: &Catalog) -> Sheet {
    let mut last: Vec<&Price> = Vec::new();
    for price in catalog.prices().iter() {
        let same = |held: &&Price| (&held.provider, &held.model) == (&price.provider, &price.model);
        last.retain(|held| !same(held));
        last.push(price);
    }
    last.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
    let mut sheet = Sheet::new(price_columns());
    last.into_iter().for_each(|price| sheet.push(price_row(price)));
    sheet
}

fn engines(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::new([
        text("key", "ENGINE"),
        text("version", "VERSION"),
        number("mean_error_percent", "MEAN ERROR %"),
        number("median_error_percent", "MEDIAN %"),
        number("kernel_launch_us", "LAUNCH us"),
        number("sequence_us", "SEQUENCE us"),
        number("max_batched_tokens", "BATCHED TOKENS"),
        number("max_running", "RUNNING"),
        number("block_size", "BLOCK"),
        number("memory_utilization", "MEMORY"),
        text("confidence", "TRUST"),
    ]);
    for Engine { key, version, fit, step, scheduler, .. } in catalog.engines() {
        sheet.push([
            key.clone(),
            version.clone(),
            rounded(Some(fit.mean_error * 100.0), 1),
            rounded(Some(fit.median_error * 100.0), 1),
            rounded(Some(step.kernel_launch_s * 1e6), 2),
            rounded(Some(step.sequence_s * 1e6), 2),
            scheduler.max_batched_tokens.to_string(),
            scheduler.max_running.to_string(),
            scheduler.block_size.to_string(),
            scheduler.memory_utilization.to_string(),
            fit.confidence.to_string(),
        ]);
    }
    sheet
}

fn all_of_engines(catalog: &Catalog) -> Sheet {
    let mut columns = vec![text("key", "key"), text("version", "version")];
    columns.extend(StepCoefficients::NAMES.iter().map(|name| number(name, name)));
    columns.extend(SchedulerDefaults::NAMES.iter().map(|name| number(name, name)));
    let mut sheet = Sheet::new(columns);
    for engine in catalog.engines() {
        let mut row = vec![engine.key.clone(), engine.version.clone()];
        row.extend(engine.provenance(None).into_iter().map(|figure| figure.value));
        sheet.push(row);
    }
    sheet
}

fn agents(catalog: &Catalog) -> Sheet {
    let mut columns = vec![text("key", "AGENT")];
    columns.extend(agent::COLUMNS);
    columns.push(text("description", "DESCRIPTION"));
    let mut sheet = Sheet::new(columns);
    for agent in catalog.agents() {
        let mut row = vec![agent.key.clone()];
        row.extend(agent::figures(agent, catalog));
        row.push(agent.description.clone());
        sheet.push(row);
    }
    sheet
}

fn regions(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::new([
        text("key", "REGION"),
        text("name", "NAME"),
        number("electricity_usd_per_kwh", "$/kWh"),
        number("electricity_low", "LOW"),
        number("electricity_high", "HIGH"),
        number("pue", "PUE"),
        number("carbon_g_per_kwh", "g CO2/kWh"),
        text("confidence", "TRUST"),
        text("assumed", "ASSUMED"),
    ]);
    for region in catalog.regions() {
        let electricity = &region.electricity;
        sheet.push([
            region.key.clone(),
            region.name.clone(),
            rounded(Some(electricity.value), 4),
            rounded(electricity.low, 4),
            rounded(electricity.high, 4),
            rounded(Some(region.pue.value), 2),
            rounded(region.carbon_g_per_kwh.as_ref().map(|carbon| carbon.value), 0),
            electricity.confidence.to_string(),
            if electricity.assumed { "yes".to_owned() } else { String::new() },
        ]);
    }
    sheet
}

/// How fast things change: all that is published, or what begins so.
pub(super) fn economics(catalog: &Catalog, name: Option<&str>) -> Sheet {
    let mut sheet = Sheet::new([
        text("kind", "WHAT"),
        text("name", "NAME"),
        number("value", "A YEAR"),
        text("from", "FROM"),
        text("to", "TO"),
        text("confidence", "TRUST"),
        text("note", "OF"),
        text("source", "SOURCE"),
    ]);
    let kinds = [
        TrendKind::PriceDecline,
        TrendKind::DemandGrowth,
        TrendKind::Elasticity,
        TrendKind::HardwareGain,
        TrendKind::SoftwareGain,
    ];
    for trend in kinds.into_iter().flat_map(|kind| catalog.trends(kind)) {
        let wanted = |name: &str| trend.name.starts_with(name) || trend.kind.text() == name;
        if name.is_none_or(|name| wanted(&name.to_lowercase())) {
            sheet.push([
                trend.kind.text().to_owned(),
                trend.name.clone(),
                rounded(Some(trend.value), 2),
                trend.from.clone(),
                trend.to.clone(),
                trend.confidence.to_string(),
                trend.note.clone(),
                trend.source.clone(),
            ]);
        }
    }
    sheet
}

/// Acceptance lengths, of all models or of those whose names begin so.
pub(super) fn speculation(catalog: &Catalog, name: Option<&str>) -> Sheet {
    let mut sheet = Sheet::new([
        text("model", "MODEL"),
        text("mode", "MODE"),
        number("drafted_tokens", "DRAFTED"),
        number("acceptance_length", "TOKENS/STEP"),
        text("source", "SOURCE"),
    ]);
    let wanted = |model: &str| name.is_none_or(|name| model.starts_with(&name.to_lowercase()));
    for row in catalog.acceptance().iter().filter(|row| wanted(&row.model)) {
        sheet.push([
            row.model.clone(),
            row.mode.clone(),
            row.tokens.to_string(),
            row.length.to_string(),
            row.source.clone(),
        ]);
    }
    sheet
}

/// Rows of figures with their sources; `what` has a column where several entries are listed.
pub(super) fn figures(rows: impl IntoIterator<Item = Provenance>, with_what: bool) -> Sheet {
    let mut columns = vec![
        text("figure", "FIGURE"),
        text("value", "VALUE"),
        text("low", "LOW"),
        text("high", "HIGH"),
        text("confidence", "TRUST"),
        text("assumed", "ASSUMED"),
        text("date", "DATE"),
        text("source", "SOURCE"),
        text("note", "NOTE"),
    ];
    if with_what {
        columns.insert(0, text("what", "ENTRY"));
    }
    let mut sheet = Sheet::new(columns);
    for row in rows {
        let mut cells = vec![
            row.figure,
            row.value,
            row.low,
            row.high,
            row.confidence.to_string(),
            if row.assumed { "yes".to_owned() } else { String::new() },
            row.date,
            row.source,
            row.note,
        ];
        if with_what {
            cells.insert(0, row.what);
        }
        sheet.push(cells);
    }
    sheet
}

/// Everything that is assumed, or what is of entries with `name` in their key.
pub(super) fn assumptions(catalog: &Catalog, name: Option<&str>) -> Sheet {
    let wanted = |row: &Provenance| name.is_none_or(|name| row.what.contains(name));
    figures(catalog.assumptions().into_iter().filter(wanted), true)
}
