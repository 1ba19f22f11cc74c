//! `status --watch`: how far a node is with what it owns, until somebody interrupts it. A node that
//! does not answer is asked again, because it may be restarting.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::client::{Client, Connect};
use super::reply::Reply;
use super::{Outcome, output};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

type Status = BTreeMap<String, Reply>;

/// Looks until it is interrupted. A node that cannot be asked at first is an error.
pub(super) fn run(connect: Connect) -> Outcome {
    let mut client = Some(connect.clone().client()?);
    let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len} partitions in sync; {msg}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    bar.set_style(style?.progress_chars("=> "));
    loop {
        let looked = match client.take() {
            Some(client) => look(client),
            None => connect.clone().client().and_then(look),
        };
        let (ready, owned, text) = match looked {
            Ok((again, status)) => {
                client = Some(again);
                shown(&status)
            }
            Err(error) => (bar.position(), bar.length().unwrap_or(0), error.to_string()),
        };
        bar.set_length(owned);
        bar.set_position(ready);
        if io::stdout().is_terminal() {
            bar.set_message(output::printable(&text));
        } else {
            let line =
                format!("{ready}/{owned} partitions in sync; {}\n", output::printable(&text));
            if !output::print_one(line.as_bytes())? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        std::thread::sleep(EVERY);
    }
}

fn look(mut client: Client) -> Result<(Client, Status), Box<dyn std::error::Error>> {
    let reply = client.ask(&[b"CHICKADEE", b"STATUS"])?;
    let status = reply.pairs()?.into_iter().collect();
    Ok((client, status))
}

/// Partitions that are in sync, all that the node owns, and the rest in words.
fn shown(status: &Status) -> (u64, u64, String) {
    let text = |name: &str| status.get(name).map(Reply::text).unwrap_or_default();
    let number = |name: &str| text(name).parse::<u64>().unwrap_or(0);
    let ready = number("partitions_ready");
    let mut words = vec![text("state"), format!("{} keys", number("keys"))];
    let counts = [
        ("partitions_old", "handing off"),
        ("partitions_under_replicated", "under-replicated"),
        ("exchanges_under_way", "exchanges under way"),
    ];
    for (name, words_for_it) in counts {
        let count = number(name);
        if count > 0 {
            words.push(format!("{count} {words_for_it}"));
        }
    }
    (ready, ready + number("partitions_booting"), words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_come_is_told() {
        let number = |name: &str, number| (name.to_owned(), Reply::Number(number));
        let status = Status::from([
            ("state".to_owned(), Reply::Text(b"booting".to_vec())),
            number("partitions_ready", 7),
            number("partitions_booting", 3),
            number("partitions_old", 2),
            number("keys", 1_000),
        ]);
        let (ready, owned, text) = shown(&status);
        assert_eq!((ready, owned), (7, 10));
        assert_eq!(text, "booting, 1000 keys, 2 handing off");
    }
}
