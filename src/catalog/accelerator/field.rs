//! The figures that an accelerator may have.

use std::fmt;

use crate::catalog::precision::ComputeFormat;
use crate::foundations::units::Dimension;

/// What a [`Field`] is about, for grouping in listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    /// Memory and arithmetic of the chip.
    Chip,
    /// Links to other chips and to the host.
    Link,
    /// Electrical power.
    Power,
    /// Money.
    Price,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:ident, $kind:ident;)*) => {
        /// A figure of an accelerator. Its name is the key in data files and scenarios.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
        }

        impl Field {
            /// Every field, in listing order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant),*];
            pub(super) const COUNT: usize = [$($name),*].len();

            /// Name, as data files and scenarios write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it measures, and so its unit.
            #[must_use]
            pub const fn dimension(self) -> Dimension {
                match self { $(Self::$variant => Dimension::$unit,)* }
            }

            /// What it is about.
            #[must_use]
            pub const fn kind(self) -> FieldKind {
                match self { $(Self::$variant => FieldKind::$kind,)* }
            }
        }
    };
}

fields! {
    /// Bytes that a process may allocate.
    Memory = "memory", Bytes, Chip;
    /// Peak bytes per second of that memory.
    MemoryBandwidth = "memory_bandwidth", Bandwidth, Chip;
    /// Peak dense rate in IEEE single precision.
    PeakFp32 = "fp32", Flops, Chip;
    /// Peak dense rate in 19-bit single precision on matrix units.
    PeakTf32 = "tf32", Flops, Chip;
    /// Peak dense rate in 16-bit floating point.
    PeakBf16 = "bf16", Flops, Chip;
    /// Peak dense rate in 8-bit floating point.
    PeakFp8 = "fp8", Flops, Chip;
    /// Peak dense rate in 4-bit floating point.
    PeakFp4 = "fp4", Flops, Chip;
    /// Peak dense rate in 8-bit integers.
    PeakInt8 = "int8", Flops, Chip;
    /// Bytes per second and direction over the scale-up links.
    LinkBandwidth = "link_bandwidth", Bandwidth, Link;
    /// Chips that the scale-up links join; 1 where chips have none and `link_bandwidth` is that of
    /// PCIe, between any of a server's chips.
    LinkDomain = "link_domain", Number, Link;
    /// Bytes per second and direction over the scale-out network.
    ScaleOutBandwidth = "scale_out_bandwidth", Bandwidth, Link;
    /// Bytes per second and direction to the host's memory.
    HostBandwidth = "host_bandwidth", Bandwidth, Link;
    /// Design power of the chip.
    Tdp = "tdp", Power, Power;
    /// Power of the chip with nothing to do.
    IdlePower = "idle_power", Power, Power;
    /// Power of the chip while it decodes a batch of one.
    BatchOnePower = "batch_one_power", Power, Power;
    /// Power of server or rack per chip, at full load.
    ServerPower = "server_power", Power, Power;
    /// Power at the facility's meter per chip, at full load, cooling included.
    FacilityPower = "facility_power", Power, Power;
    /// Price of one chip as it is sold: a module, a card, or its share of a rack system.
    Purchase = "purchase", Money, Price;
    /// Capital per chip of a whole cluster: servers, network and storage included.
    ClusterCost = "cluster_cost", Money, Price;
    /// Rent on demand.
    OnDemand = "on_demand", MoneyPerHour, Price;
    /// Rent under a contract of a year or so.
    Reserved = "reserved", MoneyPerHour, Price;
    /// Rent that may be taken away at any time.
    Spot = "spot", MoneyPerHour, Price;
    /// An owner's whole cost: capital, power, space, network, staff.
    OwnerCost = "owner_cost", MoneyPerHour, Price;
}

impl Field {
    /// The field of a peak rate.
    #[must_use]
    pub const fn peak(format: ComputeFormat) -> Self {
        match format {
            ComputeFormat::Fp32 => Self::PeakFp32,
            ComputeFormat::Tf32 => Self::PeakTf32,
            ComputeFormat::Bf16 => Self::PeakBf16,
            ComputeFormat::Fp8 => Self::PeakFp8,
            ComputeFormat::Fp4 => Self::PeakFp4,
            ComputeFormat::Int8 => Self::PeakInt8,
        }
    }

    /// `value` with its unit, to six digits, as the data files write it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        let in_units = |scale: f64, unit: &str| format!("{} {unit}", digits(value / scale));
        match self.dimension() {
            Dimension::Bytes => in_units(1_073_741_824.0, "GiB"),
            Dimension::Bandwidth if value >= 1e12 => in_units(1e12, "TB/s"),
            Dimension::Bandwidth => in_units(1e9, "GB/s"),
            Dimension::Flops => in_units(1e12, "TFLOPS"),
            Dimension::Power => in_units(1.0, "W"),
            Dimension::Money => format!("${}", digits(value)),
            Dimension::MoneyPerHour if digits(value * 100.0).contains('.') => {
                format!("${} /h", digits(value))
            }
            Dimension::MoneyPerHour => format!("${value:.2} /h"),
            _ => digits(value),
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// Six decimals at most and no trailing zeros: conversions between units leave no dust.
fn digits(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
