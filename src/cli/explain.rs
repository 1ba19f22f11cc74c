//! `explain`: where a key belongs, and what a node holds of it. The first thing to ask when a key is
//! missing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::client::Connect;
use super::{Outcome, output};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// The key
    key: OsString,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
What is held is told by the node that is asked: ask the owners in turn to compare.

Examples:
  chickadee explain user:42
  chickadee explain user:42 --connect 10.0.0.1:6379";

impl Explain {
    pub(super) fn run(self) -> Outcome {
        let mut client = self.connect.client()?;
        let reply = client.ask(&[b"CHICKADEE", b"EXPLAIN", self.key.as_bytes()])?;
        let pairs = reply.pairs()?;
        let rows: Vec<_> =
            pairs.iter().map(|(name, value)| vec![name.clone(), value.text()]).collect();
        output::print(output::table(&rows).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
