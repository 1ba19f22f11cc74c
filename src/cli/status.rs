//! `status`: a node's state and counters.

use std::process::ExitCode;

use super::client::Connect;
use super::{Outcome, output};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Status {
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
Examples:
  chickadee status
  chickadee status --connect 10.0.0.1:6379";

impl Status {
    pub(super) fn run(self) -> Outcome {
        let reply = self.connect.client()?.ask(&[b"CHICKADEE", b"STATUS"])?;
        let pairs = reply.pairs()?;
        let rows: Vec<_> =
            pairs.iter().map(|(name, value)| vec![name.clone(), value.text()]).collect();
        output::print(output::table(&rows).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
