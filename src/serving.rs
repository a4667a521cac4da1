//! Floor 4: how servers batch, cache and route. Knows requests, not agents.

mod batch;
mod block_size;
mod deploy;
pub mod endpoint;
pub mod interruption;
pub mod kv_cache;
pub mod link;
mod prefix_tree;
pub mod replica;
pub mod request;
pub mod router;
pub mod scheduling;
mod sequence;
pub mod step_table;
pub mod tiers;
pub mod usage;

pub use endpoint::{Endpoint, EndpointSpec};
pub use kv_cache::KvCache;
pub use link::{Link, LinkSpec, LinkUsage};
pub use replica::{Replica, ReplicaSpec, UnderWay};
pub use request::{Fetch, Finished, Piece, Request, RequestId, Stage};
pub use router::{Moment, Open, Router, RouterPolicy};
pub use scheduling::{Scheduling, Standing};
pub use tiers::{Tiers, TiersSpec};
pub use usage::{Counter, Usage};
