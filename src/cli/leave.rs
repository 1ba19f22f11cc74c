//! `leave`: takes a node out of its cluster for good.

use std::process::ExitCode;
use std::time::Duration;

use super::client::Connect;
use super::{Outcome, quantity};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Leave {
    /// How long handing over may take; the node ends then in any case
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = quantity::seconds)]
    within: Duration,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
The node hands over what it holds to those who own it from now on, and ends. To restart a node,
signal it instead (Ctrl-C, SIGTERM): its place is kept for a minute, and nothing has to move.

Examples:
  chickadee leave
  chickadee leave --within 5m --connect 10.0.0.1:6379";

impl Leave {
    pub(super) fn run(self) -> Outcome {
        let seconds = self.within.as_secs().max(1);
        let patience = Duration::from_secs(seconds.saturating_add(10));
        let seconds = seconds.to_string();
        self.connect
            .client()?
            .ask_within(patience, &[b"CHICKADEE", b"LEAVE", seconds.as_bytes()])?;
        Ok(ExitCode::SUCCESS)
    }
}
