//! How much a fleet carries and how little is enough, on the terminal.

use super::grid::{Cell, Grid, Style, Tone, UNBROKEN, paragraph};
use crate::experiment::sizing::{Assessment, FleetFound, LoadFound, SiteLimit, Sure};
use crate::experiment::{Objective, Unit};
use crate::foundations::units::{format_number, format_percent, format_rate};
use crate::report::quantity::{plain, with_interval};
use crate::report::sizing::Sizing;

/// The sizing as text; `command` runs the cheapest fleet by itself.
pub fn render(sizing: &Sizing<'_>, command: Option<&str>, style: Style) -> String {
    let style = style.readable();
    let mut text = Tone::Title.paint(sizing.scenario, style);
    text.push_str(&format!(
        ": {} candidates on the same tasks, seed {}, at {} confidence\n\n",
        sizing.seen.len(),
        sizing.seed,
        format_percent(sizing.confidence),
    ));
    let as_it_stands = sizing.given.as_ref().map(|(fleet, _)| fleet);
    if let Some((fleet, load)) = &sizing.given {
        text.push_str(&paragraph("  ", &given(sizing, fleet, load), style));
    }
    match (sizing.cheapest(), as_it_stands) {
        (Some((_, best)), Some(given)) if best.same_fleet(given) => {
            let line = "No smaller fleet would do: it is the cheapest.";
            text.push_str(&paragraph("  ", line, style));
        }
        _ if sizing.fleets.is_empty() => {}
        _ => text.push_str(&paragraph("  ", &cheapest(sizing), style)),
    }
    let shown = match (sizing.cheapest(), &sizing.given) {
        (Some((_, fleet)), _) => Some(("CHEAPEST FLEET", fleet)),
        (None, Some((fleet, _))) => Some(("FLEET", fleet)),
        (None, None) => None,
    };
    if let Some((title, fleet)) = shown.filter(|_| !sizing.objectives.is_empty()) {
        text.push('\n');
        text.push_str(&demands(title, sizing.objectives, fleet, style));
    }
    if sizing.fleets.len() > 1 {
        text.push('\n');
        text.push_str(&kinds(sizing, style));
    }
    if let Some(command) = command {
        text.push_str(&format!("\nby itself: {command}\n"));
    }
    text
}

fn unbroken(text: String) -> String {
    text.replace(' ', &UNBROKEN.to_string())
}

/// `6 replicas of main`.
fn counted(sizing: &Sizing<'_>, fleet: &Assessment) -> String {
    let counts = sizing.paths.iter().zip(&fleet.counts).map(|(path, count)| {
        let parts: Vec<&str> = path.split('.').collect();
        match parts[..] {
            [_, name, what] => {
                let what = if *count == 1 { what.trim_end_matches('s') } else { what };
                format!("{count} {what} of {name}")
            }
            [_, name, "autoscale", _] => format!("at most {count} replicas of {name}"),
            _ => format!("{path} {count}"),
        }
    });
    counts.collect::<Vec<_>>().join(" and ")
}

/// `6 replicas of main (24 GPUs, $66.48 /h)`.
fn described(sizing: &Sizing<'_>, fleet: &Assessment) -> String {
    let gpus = match fleet.gpus {
        1 => "1 GPU".to_owned(),
        gpus => format!("{gpus} GPUs"),
    };
    let usd = plain(Unit::UsdPerHour, Some(fleet.usd_per_h));
    let inside = unbroken(format!("({gpus}, {usd})"));
    format!("{} {inside}", counted(sizing, fleet))
}

/// The scenario's load times a factor: `0.62 /s of coder`.
fn load(sizing: &Sizing<'_>, factor: f64) -> String {
    let each = sizing.load.iter().map(|load| {
        let amount = match (load.per_s, load.users) {
            (Some(rate), _) => format_rate(rate * factor),
            (None, Some(users)) => {
                format!("{} users", libm::round(f64::from(users) * factor))
            }
            (None, None) => format!("{} times the load", format_number(factor)),
        };
        unbroken(format!("{amount} of {}", load.agents))
    });
    each.collect::<Vec<_>>().join(" and ")
}

fn given(sizing: &Sizing<'_>, fleet: &Assessment, found: &LoadFound) -> String {
    let what = match fleet.sure {
        Sure::Meets => "carries its load",
        Sure::Misses => "does not carry its load",
        Sure::Unsure => "may or may not carry its load",
    };
    format!(
        "The fleet as it stands, {}, {what} of {}. {}",
        described(sizing, fleet),
        load(sizing, 1.0),
        carries(sizing, found)
    )
}

/// What a fleet carries at most, what breaks first beyond, and what is fullest then.
fn carries(sizing: &Sizing<'_>, found: &LoadFound) -> String {
    let Some(most) = &found.carries else {
        let missed = sizing.breaks_first(found).join(", ");
        return format!("Not even a thousandth of it would do: missed is {missed}.");
    };
    let part = format_number(most.load);
    let mut text =
        format!("It carries {} at most, {part} times that load", load(sizing, most.load));
    if found.fails.is_none() {
        text.push_str(", and nobody knows how much more");
    } else {
        text.push_str(&format!("; beyond, {} breaks first", sizing.breaks_first(found).join(", ")));
    }
    text.push_str(&yields(sizing, most));
    if let Some(full) = most.fullness.first() {
        text.push_str(&format!(
            ". Fullest then is {} of pool {}, {}",
            full.what,
            full.pool,
            unbroken(plain(Unit::Share, Some(full.share)))
        ));
    }
    text + "."
}

/// The load that a fleet carries by GPU, by megawatt and by dollars; empty where several kinds of
/// agents share it.
fn yields(sizing: &Sizing<'_>, most: &Assessment) -> String {
    let [only] = &sizing.load[..] else { return String::new() };
    let amount = match (only.per_s, only.users) {
        (Some(rate), _) => rate * most.load,
        (None, Some(users)) => libm::round(f64::from(users) * most.load),
        (None, None) => return String::new(),
    };
    let show = |amount: f64| match only.per_s {
        Some(_) => format_rate(amount),
        None => format!("{} users", format_number(amount)),
    };
    let of = [
        (amount / most.gpus as f64, "per GPU"),
        (amount / most.watts * 1e6, "per MW at full load"),
        (amount / most.usd_per_h, "per $/h"),
        (most.racks.map_or(f64::NAN, |racks| amount / racks as f64), "per rack"),
    ];
    let known = of.into_iter().filter(|(amount, _)| amount.is_finite());
    let each = known.map(|(amount, per)| unbroken(format!("{} {per}", show(amount))));
    format!(". That is {}", each.collect::<Vec<_>>().join(", "))
}

fn cheapest(sizing: &Sizing<'_>) -> String {
    let Some((name, fleet)) = sizing.cheapest() else {
        return match &sizing.fleets[..] {
            [(_, only)] => format!("No number is enough: {}.", why(sizing, only)),
            _ => "No kind of fleet meets all objectives.".to_owned(),
        };
    };
    let kind = if name.is_empty() { String::new() } else { format!(" with {name}") };
    let demands = match sizing.objectives.len() {
        0 => "keeps up with its load",
        1 => "meets the objective",
        _ => "meets all objectives",
    };
    let mut text =
        format!("The cheapest fleet that {demands} is {}{kind}.", described(sizing, fleet));
    if let Some(found) = &sizing.headroom {
        if let Some(most) = &found.carries {
            let headroom = format_percent(libm::round((most.load - 1.0) * 100.0) / 100.0);
            text.push_str(&format!(" Its headroom is {}.", unbroken(headroom)));
        }
        text.push(' ');
        text.push_str(&carries(sizing, found));
    }
    text
}

/// Why a kind of fleet is not the one.
fn why(sizing: &Sizing<'_>, found: &FleetFound) -> String {
    match found {
        FleetFound::Enough(_) => String::new(),
        FleetFound::Dearer(seen) => {
            let usd = plain(Unit::UsdPerHour, Some(seen.usd_per_h));
            format!("at {usd} still misses {}", missed(sizing, seen.not_met().collect(), seen))
        }
        FleetFound::TooDear(usd) => {
            format!("the smallest costs {}", plain(Unit::UsdPerHour, Some(*usd)))
        }
        FleetFound::OutOfReach(names, seen) => {
            format!("out of reach at any number: {}", missed(sizing, names.clone(), seen))
        }
        FleetFound::OutOfRoom(limit, seen) => {
            let (what, all) = match limit {
                SiteLimit::Power(watts) => {
                    ("power is", format!("{} feed", unbroken(plain(Unit::Watts, Some(*watts)))))
                }
                SiteLimit::Racks(1) => ("room is", "one rack holds".to_owned()),
                SiteLimit::Racks(racks) => ("room is", format!("{racks} racks hold")),
            };
            format!(
                "{what} the bottleneck: {} are all that {all}, and miss {}",
                described(sizing, seen),
                missed(sizing, seen.not_met().collect(), seen)
            )
        }
        FleetFound::Unfit(why) => why.clone(),
        FleetFound::NotTried => "not tried: raise --max-candidates".to_owned(),
    }
}

fn missed(sizing: &Sizing<'_>, places: Vec<usize>, seen: &Assessment) -> String {
    let each = places.iter().map(|&index| {
        let objective = &sizing.objectives[index];
        let value = seen.verdicts[index].value;
        let value = plain(objective.metric.unit, (!value.is_nan()).then_some(value));
        format!("{} ({value})", objective.name)
    });
    match each.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "its load, which it does not keep up with".to_owned(),
        some => some,
    }
}

/// The objectives of one fleet: limit, value, and how much room is left.
fn demands(title: &str, objectives: &[Objective], fleet: &Assessment, style: Style) -> String {
    let heading = |text: &str| Cell::new(text).tone(Tone::Title);
    let mut grid = Grid::default()
        .words(heading(title), 0)
        .figures(heading("limit"), 0)
        .figures(heading("value"), 0)
        .figures(heading("room"), 0)
        .words(Cell::default(), 0);
    for (index, objective) in objectives.iter().enumerate() {
        let (unit, verdict) = (objective.metric.unit, &fleet.verdicts[index]);
        let bound = if objective.at_least { "≥" } else { "≤" };
        let value = (!verdict.value.is_nan()).then_some(verdict.value);
        let room = match objective.at_least {
            true => verdict.value / objective.limit - 1.0,
            false => 1.0 - verdict.value / objective.limit,
        };
        let room = room.is_finite().then_some(room);
        let verdict_cell = match fleet.sure_of[index] {
            Sure::Meets => Cell::new("met").tone(Tone::Good),
            Sure::Misses => Cell::new("MISSED").tone(Tone::Bad),
            Sure::Unsure => Cell::new("not sure").tone(Tone::Caution),
        };
        grid.row([
            Cell::new(format!("  {}", objective.name)),
            Cell::new(format!("{bound} {}", plain(unit, Some(objective.limit)))),
            Cell::new(with_interval(unit, value, verdict.interval)),
            Cell::new(plain(Unit::Share, room)),
            verdict_cell,
        ]);
    }
    grid.render(style)
}

/// Kinds of fleets beside each other.
fn kinds(sizing: &Sizing<'_>, style: Style) -> String {
    let heading = |text: &str| Cell::new(text).tone(Tone::Title);
    let mut grid = Grid::default()
        .words(heading("KIND OF FLEET"), 0)
        .figures(heading("GPUs"), 1)
        .figures(heading("per hour"), 0)
        .words(heading("enough"), 0);
    let mut reasons = String::new();
    let best = sizing.cheapest().map(|(name, _)| name);
    for (name, found) in &sizing.fleets {
        let mark = if best == Some(name.as_str()) { "* " } else { "  " };
        let first = Cell::new(format!("{mark}{name}"));
        match found {
            FleetFound::Enough(fleet) => {
                let usd = plain(Unit::Usd, Some(fleet.usd_per_h));
                let counts = counted(sizing, fleet);
                grid.row([
                    first,
                    Cell::new(fleet.gpus.to_string()),
                    Cell::new(usd),
                    Cell::new(counts).tone(Tone::Good),
                ]);
            }
            FleetFound::Unfit(_) => {
                let cell = Cell::new("cannot be built").tone(Tone::Faint);
                grid.row([first, Cell::default(), Cell::default(), cell]);
                let why = format!("{name} cannot be built: {}", why(sizing, found));
                reasons.push_str(&paragraph("! ", &why, style));
            }
            _ => {
                let cell = Cell::new(why(sizing, found)).tone(Tone::Faint);
                grid.row([first, Cell::default(), Cell::default(), cell]);
            }
        }
    }
    let table = grid.render(style);
    if reasons.is_empty() { table } else { format!("{table}\n{reasons}") }
}
