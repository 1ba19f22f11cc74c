//! `get`: prints a value.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::client::Connect;
use super::reply::{Reply, ReplyError};
use super::{Outcome, output};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Get {
    /// The key
    key: OsString,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
Prints the value and a line end. If there is none, prints nothing and ends with code 1.

Examples:
  chickadee get greeting
  chickadee get greeting --connect :6380 || echo missing";

impl Get {
    pub(super) fn run(self) -> Outcome {
        match self.connect.client()?.ask(&[b"GET", self.key.as_bytes()])? {
            Reply::Text(mut value) => {
                value.push(b'\n');
                output::print(&value);
                Ok(ExitCode::SUCCESS)
            }
            // As redis-cli shows it, but not where a script would take it for a value.
            Reply::Nothing => {
                output::complain("(nil)");
                Ok(ExitCode::FAILURE)
            }
            _ => Err(ReplyError::Malformed.into()),
        }
    }
}
