//! `members`: the members that a node knows.

use std::process::ExitCode;

use super::client::Connect;
use super::reply::{Reply, ReplyError};
use super::{Outcome, output};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Members {
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
STATE is what gossip says: alive, suspect or down. ANSWERS is what this node sees, and faster.

Examples:
  chickadee members
  chickadee members --connect 10.0.0.1:6379";

impl Members {
    pub(super) fn run(self) -> Outcome {
        let reply = self.connect.client()?.ask(&[b"CHICKADEE", b"MEMBERS"])?;
        let Reply::List(members) = reply else {
            return Err(ReplyError::Malformed.into());
        };
        let columns = ["NAME", "STATE", "ANSWERS", "RTT", "ADDRESS", "WEIGHT", "ZONE", "ID"];
        let mut rows = vec![columns.map(str::to_owned).to_vec()];
        for member in members {
            let fields = member.pairs()?;
            let field = |name: &str| {
                let found = fields.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.text()).filter(|text| !text.is_empty())
            };
            let shown = |name: &str| field(name).unwrap_or_else(|| "-".to_owned());
            let own = field("self").as_deref() == Some("yes");
            let rtt = field("rtt_us").and_then(|text| text.parse().ok());
            rows.push(vec![
                shown("name"),
                shown("state"),
                if own { "itself".to_owned() } else { shown("responsive") },
                rtt.filter(|us| *us > 0).map_or_else(|| "-".to_owned(), milliseconds),
                shown("address"),
                shown("weight"),
                shown("zone"),
                shown("id"),
            ]);
        }
        output::print(output::table(&rows).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}
