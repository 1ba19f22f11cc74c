//! A peer-to-peer gossip cache.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod placement;
#[cfg(feature = "resp")]
pub mod resp;
pub mod store;
pub mod tls;
