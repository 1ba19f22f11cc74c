//! The Redis protocol: how a client's bytes become a typed command, and a reply becomes bytes.

pub mod encode;
mod number;
#[cfg(test)]
mod reader;

pub use encode::{Encoder, Protocol};
pub use number::parse_i64;
