//! A peer-to-peer gossip cache.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod config;
mod driver;
pub mod error;
mod handle;
pub mod net;
pub mod node;
pub mod placement;
#[cfg(feature = "resp")]
pub mod resp;
pub mod store;
pub mod tls;

pub use config::Config;
pub use error::{CacheError, StartError};
