//! Accelerators: what one chip computes, holds, moves, draws and costs.
//!
//! Every number is a [`Figure`] under a [`Field`], so one table serves the data file, a scenario's
//! overrides, the listing of sources and the error for a figure that nobody has published.
//!
//! - Peaks are *dense* rates of one chip, multiply-add counted as two; sparse or "effective"
//!   marketing rates are left out.
//! - Links are per direction and chip.
//! - `memory` is what a process may allocate, in true bytes. Datasheets say `80 GB` and mean GiB
//!   less what ECC, page tables and firmware take: an H100 "80 GB" offers 79.19 GiB = 85.03e9
//!   bytes, an H200 "141 GB" 139.8 GiB. Where no report of the usable size was found, the nominal
//!   figure is taken as GiB and marked assumed.
//! - Prices are per chip; `on_demand` is the central quote, `low` and `high` the spread of lists.
//!
//! ```
//! use tokenfleet::catalog::{Catalog, ComputeFormat};
//!
//! let catalog = Catalog::embedded();
//! let h100 = catalog.accelerator("H100 SXM")?;
//! assert_eq!(h100.memory_bandwidth()?, 3.35e12);
//! // The ridge point: operations per byte from which arithmetic, not memory, is the limit.
//! let ridge = h100.peak(ComputeFormat::Bf16)? / h100.memory_bandwidth()?;
//! assert_eq!(ridge.round(), 295.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod field;
mod read;
mod support;
#[cfg(test)]
mod tests;

pub use field::{Field, FieldKind};

pub(super) use read::read;
pub use support::UnsupportedPrecision;

use std::fmt;

use super::figure::{Confidence, Figure, Provenance};
use super::name::Named;
use super::precision::ComputeFormat;
use crate::foundations::Dimension;

/// A chip, or one chip's share of a rack system.
#[derive(Clone, Debug, PartialEq)]
pub struct Accelerator {
    /// Stable name, such as `h100-sxm`.
    pub key: String,
    /// Name in prose.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// Architecture, such as `Hopper`.
    pub generation: String,
    /// When it was or will be released (`2022-10`, `2026-H2`).
    pub release: String,
    /// Kind of memory, such as `HBM3`.
    pub memory_kind: String,
    /// Kind of scale-up link, such as `NVLink4`; `PCIe` where chips have no link of their own.
    pub link_kind: String,
    /// Kind of link to the host.
    pub host_link_kind: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Key of the catalog's entry that this one was built on, for one that a scenario adds.
    pub base: Option<String>,
    /// Standing of the entry as a whole.
    pub confidence: Confidence,
    /// Contradictions between sources and other remarks, or empty.
    pub note: String,
    figures: [Option<Figure<f64>>; Field::COUNT],
}

impl Accelerator {
    /// The figure under `field`, in the base unit of the field.
    ///
    /// # Errors
    /// [`MissingFigure`] where nobody has published it.
    pub fn figure(&self, field: Field) -> Result<&Figure<f64>, MissingFigure> {
        self.figures[field as usize]
            .as_ref()
            .ok_or_else(|| MissingFigure { accelerator: self.key.clone(), field })
    }

    /// The value under `field`, in the base unit of the field.
    ///
    /// # Errors
    /// [`MissingFigure`] where nobody has published it.
    pub fn value(&self, field: Field) -> Result<f64, MissingFigure> {
        self.figure(field).map(|figure| figure.value)
    }

    /// Every figure there is, in the order of [`Field::ALL`].
    pub fn figures(&self) -> impl Iterator<Item = (Field, &Figure<f64>)> {
        Field::ALL
            .into_iter()
            .filter_map(|field| Some((field, self.figures[field as usize].as_ref()?)))
    }

    /// Bytes that a process may allocate.
    ///
    /// # Errors
    /// [`MissingFigure`] where nobody has published it; likewise below.
    pub fn memory(&self) -> Result<f64, MissingFigure> {
        self.value(Field::Memory)
    }

    /// Peak bytes per second between the chip and its memory.
    ///
    /// # Errors
    /// [`MissingFigure`].
    pub fn memory_bandwidth(&self) -> Result<f64, MissingFigure> {
        self.value(Field::MemoryBandwidth)
    }

    /// Peak dense rate in one format, `None` where the chip has no such units (or no such figure
    /// is published).
    #[must_use]
    pub fn peak_flops(&self, format: ComputeFormat) -> Option<&Figure<f64>> {
        self.figures[Field::peak(format) as usize].as_ref()
    }

    /// Peak dense operations per second in one format.
    ///
    /// # Errors
    /// [`MissingFigure`].
    pub fn peak(&self, format: ComputeFormat) -> Result<f64, MissingFigure> {
        self.value(Field::peak(format))
    }

    /// The formats that have a published rate.
    #[must_use]
    pub fn compute_formats(&self) -> Vec<ComputeFormat> {
        ComputeFormat::ALL.into_iter().filter(|&f| self.peak_flops(f).is_some()).collect()
    }

    /// Bytes per second and direction between chips of one scale-up domain.
    ///
    /// # Errors
    /// [`MissingFigure`].
    pub fn link_bandwidth(&self) -> Result<f64, MissingFigure> {
        self.value(Field::LinkBandwidth)
    }

    /// Chips that the scale-up links join; 1 where nothing is known.
    #[must_use]
    pub fn link_domain(&self) -> u32 {
        self.value(Field::LinkDomain).map_or(1, |chips| chips.clamp(1.0, 1e6) as u32)
    }

    /// Dollars per hour on demand.
    ///
    /// # Errors
    /// [`MissingFigure`].
    pub fn on_demand_usd_per_hour(&self) -> Result<f64, MissingFigure> {
        self.value(Field::OnDemand)
    }

    /// One row per figure, for manifests and listings.
    #[must_use]
    pub fn provenance(&self) -> Vec<Provenance> {
        self.figures()
            .map(|(field, figure)| {
                figure.provenance(&self.key, field.name(), |&value| field.show(value))
            })
            .collect()
    }
}

impl Named for Accelerator {
    fn key(&self) -> &str {
        &self.key
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

/// A figure that a computation needs and the catalog does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFigure {
    /// Key of the accelerator.
    pub accelerator: String,
    /// The figure that is not known.
    pub field: Field,
}

impl fmt::Display for MissingFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accelerator, field } = self;
        write!(
            f,
            "no {field} is published for `{accelerator}`; state one: {field} = \"{}\" in an entry \
             with base = \"{accelerator}\"",
            match field.kind() {
                FieldKind::Link if field.dimension() == Dimension::Bandwidth => "50 GB/s",
                _ => field.dimension().examples()[0],
            }
        )
    }
}

impl std::error::Error for MissingFigure {}
