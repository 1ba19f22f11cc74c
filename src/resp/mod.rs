//! The Redis protocol: how a client's bytes become a typed command, and a reply becomes bytes.

pub mod decode;
pub mod encode;
pub mod error;
mod number;
#[cfg(test)]
mod reader;

pub use decode::{Args, Decoded, Decoder, Limits, OwnedArgs, ProtocolError};
pub use encode::{Encoder, Protocol};
pub use error::CommandError;
pub use number::parse_i64;
