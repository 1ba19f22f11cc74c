//! `explain`: where a key belongs, and what its holders hold of it. The first thing to ask when a key
//! is missing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::client::Connect;
use super::reply::{Reply, ReplyError};
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
The node that is asked comes first, then the owners in order, then others that hold the partition.
HOLDS is a value, the mark of one that is gone, or nothing. FLOOR is up to where a node has
forgotten: it takes nothing older, unless it holds something older still. KNOWN TO are those who are
known to cover what is held; once all are, it may be forgotten without leaving a mark.

Examples:
  chickadee explain user:42
  chickadee explain user:42 --connect 10.0.0.1:6379";

/// The columns, and the fields they show.
const COLUMNS: [(&str, &str); 9] = [
    ("NODE", "name"),
    ("ROLE", "role"),
    ("HOLDS", "holds"),
    ("VERSION", "version"),
    ("ENDS (MS)", "deadline_ms"),
    ("FLOOR", "floor"),
    ("MISS IN DOUBT", "miss_in_doubt"),
    ("KNOWN TO", "known_to"),
    ("OUT OF STEP WITH", "out_of_step_with"),
];

impl Explain {
    pub(super) fn run(self) -> Outcome {
        let mut client = self.connect.client()?;
        let reply = client.ask(&[b"CHICKADEE", b"EXPLAIN", self.key.as_bytes()])?;
        let mut about = Vec::new();
        let mut rows = vec![COLUMNS.map(|(title, _)| title.to_owned()).to_vec()];
        for (name, value) in reply.pairs()? {
            match value {
                Reply::List(holders) if name == "holders" => {
                    for holder in holders {
                        rows.push(row(holder)?);
                    }
                }
                value => about.push(vec![name, value.text()]),
            }
        }
        let text = format!("{}\n{}", output::table(&about), output::table(&rows));
        output::print(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(holder: Reply) -> Result<Vec<String>, ReplyError> {
    let fields = holder.pairs()?;
    let shown = |(_, name): (&str, &str)| {
        let found = fields.iter().find(|(known, _)| known == name);
        let text = found.map(|(_, value)| value.text()).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| "-".to_owned())
    };
    Ok(COLUMNS.map(shown).to_vec())
}
