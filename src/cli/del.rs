//! `del`: removes keys.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::client::Connect;
use super::{Outcome, output};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Del {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
Prints how many of the keys there were.

Examples:
  chickadee del greeting
  chickadee del user:1 user:2 --connect :6380";

impl Del {
    pub(super) fn run(self) -> Outcome {
        let mut words = vec![&b"DEL"[..]];
        words.extend(self.keys.iter().map(|key| key.as_bytes()));
        let reply = self.connect.client()?.ask(&words)?;
        output::print(format!("{}\n", reply.text()).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
