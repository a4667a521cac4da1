//! Years ahead by price path: what a task costs, what is asked for, what it takes.

use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::Unit;
use crate::experiment::forecast::Year;
use crate::foundations::units::{format_count, format_number, format_percent};
use crate::report::forecast::{Forecast, Path};
use crate::report::quantity::plain;

/// What is cheaper than this is not told apart.
const LEAST_USD: f64 = 1e-6;

/// What is a smaller part of today's bill is not told apart.
const LEAST_BILL: f64 = 0.001;

/// The answer as text, every line of it ended by a line break.
pub fn render(forecast: &Forecast<'_>, style: Style) -> String {
    let style = style.readable();
    let mut text = Tone::Title.paint(forecast.scenario, style);
    text.push_str(&format!(
        ": {} from {} to {}, {} price paths, {} trials, seed {}\n\n",
        forecast.variant,
        forecast.outlook.from,
        forecast.outlook.from + forecast.outlook.years,
        forecast.paths.len(),
        forecast.trials,
        forecast.seed,
    ));
    text.push_str(&paragraph("  ", &in_words(forecast), style));
    let dollars = |usd: f64| match usd {
        usd if usd > 0.0 && usd < LEAST_USD => format!("<{}", plain(Unit::Usd, Some(LEAST_USD))),
        usd => plain(Unit::Usd, Some(usd).filter(|usd| usd.is_finite())),
    };
    let too_cheap = forecast.outlook.too_cheap_usd;
    let tone = |usd: f64, better: bool| match (usd < too_cheap, better) {
        (_, true) => Tone::Good,
        (true, _) => Tone::Plain,
        _ => Tone::Faint,
    };
    let mark = |usd: f64| if usd < too_cheap { " *" } else { "" };
    let mut block = |title: &str, cell: &dyn Fn(&Year) -> Cell| {
        text.push('\n');
        text.push_str(&years(forecast, title, cell, style));
    };
    block("API, PER TASK", &|year| {
        let usd = year.api_usd_per_task;
        let text = format!("{}{}", dollars(usd), mark(usd));
        Cell::new(text).tone(tone(usd, !year.is_own_cheaper()))
    });
    block("OWN HARDWARE, PER TASK", &|year| {
        let usd = year.own_usd_per_task;
        let text = format!("{}{}", dollars(usd), mark(usd));
        Cell::new(text).tone(tone(usd, year.is_own_cheaper()))
    });
    block("TASKS ASKED FOR", &|year| Cell::new(plain(Unit::PerSecond, Some(year.tasks_per_s))));
    block("BILL OF THE API, A YEAR", &|year| Cell::new(dollars(year.api_usd)));
    block("GPUS THAT STAND", &|year| {
        let short = match year.is_short_of_power() {
            true => format!(", {}", format_percent(year.carried)),
            false => String::new(),
        };
        let cell = Cell::new(format!("{}{short}", format_count(year.gpus)));
        cell.tone(if year.is_short_of_power() { Tone::Bad } else { Tone::Plain })
    });
    text.push('\n');
    text.push_str(&paragraph("  ", &legend(forecast), style));
    text
}

fn years(
    forecast: &Forecast<'_>,
    title: &str,
    cell: &dyn Fn(&Year) -> Cell,
    style: Style,
) -> String {
    let faint = |text: &str| Cell::new(text).tone(Tone::Faint);
    let mut grid =
        Grid::default().words(Cell::new(title).tone(Tone::Title), 0).figures(faint("a year"), 0);
    for ahead in 0..=forecast.outlook.years {
        grid = grid.figures(faint(&(forecast.outlook.from + ahead).to_string()), 0);
    }
    for path in &forecast.paths {
        let head = [
            Cell::new(format!("  {}", path.trend.name)),
            faint(&format!("{}x", format_number(path.trend.value))),
        ];
        grid.row(head.into_iter().chain(path.years.iter().map(cell)));
    }
    grid.render(style)
}

fn usd(value: f64) -> String {
    plain(Unit::Usd, Some(value).filter(|value| value.is_finite()))
        .replace(' ', &UNBROKEN.to_string())
}

/// Paths named one after the other, all of them in a word.
fn named(forecast: &Forecast<'_>, of: impl Fn(&Path<'_>) -> bool) -> String {
    let names: Vec<&str> = forecast
        .paths
        .iter()
        .filter(|path| of(path))
        .map(|path| path.trend.name.as_str())
        .collect();
    match names.len() {
        count if count == forecast.paths.len() => "every path".to_owned(),
        _ => names.join(", "),
    }
}

/// When own hardware is cheaper, when a task gets too cheap to meter, and what gets in the way.
pub fn in_words(forecast: &Forecast<'_>) -> String {
    let outlook = forecast.outlook;
    let mut text = String::new();
    let Some(today) = forecast.paths.first().and_then(|path| path.years.first()) else {
        return text;
    };
    text.push_str(&format!(
        "A task costs {} on own hardware and {} by {} in {}.",
        usd(today.own_usd_per_task),
        usd(today.api_usd_per_task),
        outlook.api.name,
        outlook.from,
    ));
    let last = outlook.from + outlook.years;
    let mut untils: Vec<Option<u32>> =
        forecast.paths.iter().map(|path| forecast.own_cheaper_until(path)).collect();
    untils.sort_unstable();
    untils.dedup();
    let told = untils.iter().rev().map(|until| {
        let paths = named(forecast, |path| forecast.own_cheaper_until(path) == *until);
        match until {
            Some(year) if *year == last => format!("throughout to {last} on {paths}"),
            Some(year) if *year == outlook.from => format!("in {year} only on {paths}"),
            Some(year) => format!("until {year} on {paths}"),
            None => format!("never from the start on {paths}"),
        }
    });
    text.push_str(&format!(
        " Own hardware is the cheaper {}.",
        told.collect::<Vec<_>>().join("; ")
    ));
    let back = forecast.paths.iter().filter_map(|path| {
        let lost = path.years.iter().position(|year| !year.is_own_cheaper())?;
        let again = path.years[lost..].iter().position(Year::is_own_cheaper)?;
        Some(format!("{} in {}", path.trend.name, forecast.year(lost + again)))
    });
    let back: Vec<String> = back.collect();
    if !back.is_empty() {
        text.push_str(&format!(" It becomes so later on {}.", back.join(", ")));
    }
    let cheap = |path: &Path<'_>| path.first(|year| year.cheapest() < outlook.too_cheap_usd);
    let mut firsts: Vec<Option<usize>> = forecast.paths.iter().map(cheap).collect();
    firsts.sort_unstable_by_key(|first| first.unwrap_or(usize::MAX));
    firsts.dedup();
    let told = firsts.iter().map(|first| {
        let paths = named(forecast, |path| cheap(path) == *first);
        match first {
            Some(ahead) => format!("in {} on {paths}", forecast.year(*ahead)),
            None => format!("not by {last} on {paths}"),
        }
    });
    text.push_str(&format!(
        " Below {}, too cheap to meter, a task is {}.",
        usd(outlook.too_cheap_usd),
        told.collect::<Vec<_>>().join("; ")
    ));
    let short = |path: &Path<'_>| path.first(Year::is_short_of_power);
    if let (Some(limit), Some(first)) =
        (outlook.power_limit_w, forecast.paths.iter().filter_map(short).min())
    {
        text.push_str(&format!(
            " Power is the bottleneck: {} are used up from {} on ({}).",
            plain(Unit::Watts, Some(limit)).replace(' ', &UNBROKEN.to_string()),
            forecast.year(first),
            named(forecast, |path| short(path) == Some(first)),
        ));
    }
    let bill = |path: &Path<'_>| Some(path.years.last()?.api_usd / path.years.first()?.api_usd);
    let bills: Vec<f64> = forecast.paths.iter().filter_map(bill).collect();
    let (least, most) =
        bills.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), bill| (a.min(*bill), b.max(*bill)));
    text.push_str(&format!(
        " The bill of the API in {last} is {} to {} times that of {}.",
        match least {
            least if least < LEAST_BILL => format!("less than {LEAST_BILL}"),
            least => plain(Unit::Ratio, Some(least)),
        },
        plain(Unit::Ratio, Some(most)),
        outlook.from,
    ));
    text
}

fn legend(forecast: &Forecast<'_>) -> String {
    let outlook = forecast.outlook;
    let date = match outlook.api.date.as_str() {
        "" => "as stated".to_owned(),
        date => format!("of {date}"),
    };
    format!(
        "Assumed: {} at {}, {} cached and {} per million tokens ({date}); demand times {} a year and \
         an elasticity of {}; new hardware carries {} times more a year for the same dollars and \
         watts, software {} times; it is replaced after {} years. A fleet of {} GPUs carries {} \
         today. * below {}. Sources of the paths: `tokenfleet catalog economics`.",
        outlook.api.name,
        usd(outlook.api.input),
        usd(outlook.api.cached),
        usd(outlook.api.output),
        format_number(outlook.demand_growth),
        format_number(outlook.elasticity),
        format_number(outlook.hardware_gain),
        format_number(outlook.software_gain),
        format_number(outlook.refresh_years),
        forecast.today.gpus,
        plain(Unit::PerSecond, Some(forecast.today.carries_per_s)),
        usd(outlook.too_cheap_usd),
    )
}
