//! A peer-to-peer gossip cache.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod net;
pub mod placement;
pub mod store;
pub mod tls;
