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
Prints the value and a line end. If there is none, prints nothing and ends with code 1; if there is no
answer, or the command is wrong, with code 2.

Examples:
  chickadee get greeting
  chickadee get greeting --connect :6380; [ $? -eq 1 ] && echo missing";

impl Get {
    pub(super) fn run(self) -> Outcome {
        // Apart from what is not there, for scripts.
        self.print().or_else(|error| {
            output::complain(&format!("error: {error}"));
            Ok(ExitCode::from(2))
        })
    }

    fn print(self) -> Outcome {
        match self.connect.client()?.ask(&[b"GET", self.key.as_bytes()])? {
            Reply::Text(mut value) => {
                value.push(b'\n');
                output::print(&value)?;
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
