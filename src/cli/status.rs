//! `status`: a node's state and counters.

use std::process::ExitCode;

use super::client::Connect;
use super::{Outcome, output, watch};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Status {
    /// Goes on, once a second, to show how far the node is with what it owns
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
Examples:
  chickadee status
  chickadee status --watch
  chickadee status --connect 10.0.0.1:6379";

impl Status {
    pub(super) fn run(self) -> Outcome {
        if self.watch {
            return watch::run(self.connect);
        }
        let reply = self.connect.client()?.ask(&[b"CHICKADEE", b"STATUS"])?;
        let pairs = reply.pairs()?;
        let rows: Vec<_> =
            pairs.iter().map(|(name, value)| vec![name.clone(), value.text()]).collect();
        output::print(output::table(&rows).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
