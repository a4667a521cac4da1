//! One measured replica, ready to serve.

use crate::performance::GpuPower;
use crate::serving::ReplicaSpec;

/// One replica alone.
#[derive(Clone, Debug)]
pub struct Server {
    /// Step times, limits and memory.
    pub replica: ReplicaSpec,
    /// Its GPUs.
    pub gpus: u32,
    /// Electrical power of one of them.
    pub power: GpuPower,
}
