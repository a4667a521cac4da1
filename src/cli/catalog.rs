//! `tokenfleet catalog`: what is known of hardware, models, engines, prices, places and agents.
//!
//! A subject alone is listed; with a name, one entry is shown in full, every figure with its source,
//! date and confidence. `assumptions` lists what is recalled, inferred or a placeholder.

mod agent;
mod entry;
mod listing;
mod sheet;
#[cfg(test)]
mod tests;

pub use sheet::Format;

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::catalog::{Catalog, PriceError, UnknownName};

/// What `tokenfleet catalog` is asked.
#[derive(Args, Clone, Debug)]
pub struct CatalogArguments {
    /// What to list
    #[arg(value_enum)]
    pub subject: Subject,

    /// One entry, shown in full with its sources: `h100-sxm`, `llama-3.3-70b`, a Hugging Face id
    pub name: Option<String>,

    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A part of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Chips: peaks, memory, links, power, prices
    Accelerators,
    /// Models: shapes, parameters, cache per token, weights per precision
    Models,
    /// List prices of hosted models; with a name, their history
    Prices,
    /// Serving engines: step-time coefficients and scheduler defaults
    Engines,
    /// Agent archetypes
    Agents,
    /// Places: electricity and power usage effectiveness
    Regions,
    /// Speculative decoding: tokens that a step yields, by model and length of the draft
    Speculation,
    /// How fast prices, demand and hardware change, by who has published it
    Economics,
    /// Every figure that is recalled, inferred or a placeholder
    Assumptions,
}

/// Why the catalog could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum CatalogCommandError {
    /// There is no such entry.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The output could not be written; a closed pipe is one such reason.
    #[error("cannot write the listing: {0}")]
    Write(#[from] io::Error),
}

impl From<PriceError> for CatalogCommandError {
    fn from(error: PriceError) -> Self {
        match error {
            PriceError::Unknown(unknown) => Self::Unknown(unknown),
            PriceError::TooEarly { model, .. } => {
                Self::Unknown(UnknownName::new("priced model", &model, Vec::new()))
            }
        }
    }
}

/// Prints what `arguments` ask for.
///
/// # Errors
/// [`CatalogCommandError`] for an unknown name, with the valid ones, or a failed write.
pub fn run(
    arguments: &CatalogArguments,
    catalog: &Catalog,
    out: &mut dyn Write,
) -> Result<(), CatalogCommandError> {
    let CatalogArguments { subject, name, format } = arguments;
    match name {
        None => listing::sheet(*subject, catalog, *format).write(*format, out)?,
        Some(name) => match entry::page(*subject, catalog, name)? {
            Some(page) => page.write(*format, out)?,
            None if *subject == Subject::Speculation => {
                listing::speculation(catalog, Some(name)).write(*format, out)?;
            }
            None if *subject == Subject::Economics => {
                listing::economics(catalog, Some(name)).write(*format, out)?;
            }
            None => listing::assumptions(catalog, Some(name)).write(*format, out)?,
        },
    }
    Ok(())
}
