//! The Redis protocol: how a client's bytes become a typed command, and a reply becomes bytes.
//!
//! A connection owns one [`Decoder`] and one [`Encoder`]. The decoder finds the next request in
//! the bytes received so far, [`Command::parse`] says what it means, and whoever carries it out
//! writes the reply with the encoder, which speaks RESP2 or RESP3 as the client asked.
//!
//! What holds throughout:
//!
//! * The protocol reads no socket, clock or store; only [`listener`] and the connections it accepts
//!   do.
//! * A request costs no allocation of its own: arguments stay where they were received.
//! * Every limit is checked before memory is set aside for what a client announces.
//! * What a client can see (error texts, order of checks) is what Redis 7.0 does. Where this
//!   departs, the item that departs says so.

pub mod args;
mod arrival;
pub mod command;
mod connection;
pub mod decode;
pub mod encode;
pub mod error;
pub mod glob;
mod info;
mod inline;
mod introduction;
pub mod introspect;
pub mod listener;
mod many;
mod number;
mod parse;
#[cfg(test)]
mod reader;
mod reply;
mod session;
pub mod table;
mod view;
mod window;

pub use args::{Args, OwnedArgs};
pub use command::{Command, Keys};
pub use decode::{Decoded, Decoder, Limits, ProtocolError};
pub use encode::{Encoder, Protocol};
pub use error::CommandError;
pub use number::parse_i64;
