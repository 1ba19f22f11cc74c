//! A peer-to-peer gossip cache.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod api;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
mod driver;
pub mod error;
pub mod handle;
pub mod net;
pub mod node;
pub mod placement;
#[cfg(feature = "resp")]
pub mod resp;
pub mod store;
pub mod tls;

pub use api::{Builder, Cache, Node};
pub use config::Config;
pub use error::{CacheError, Failure, StartError};
pub use node::event::{Level, MemberState, MemberView, Written};
pub use placement::{Generation, NodeId, Zone};
pub use tls::ClusterKey;
