//! `set`: writes a value.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use super::client::Connect;
use super::{Outcome, output, quantity};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Set {
    /// The key
    key: OsString,
    /// The value
    #[arg(allow_negative_numbers = true)]
    value: OsString,
    /// How long it is kept at most, such as 10s, 5m or 250ms [default: as long as there is room]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    ttl: Option<Duration>,
    #[command(flatten)]
    connect: Connect,
}

const EXAMPLES: &str = "\
Examples:
  chickadee set greeting hello
  chickadee set session:7 open --ttl 30m
  chickadee set --connect :6380 -- key --value-with-dashes";

impl Set {
    pub(super) fn run(self) -> Outcome {
        let mut words = vec![&b"SET"[..], self.key.as_bytes(), self.value.as_bytes()];
        let ttl = self.ttl.map(|ttl| ttl.as_millis().to_string());
        if let Some(ttl) = &ttl {
            words.extend([&b"PX"[..], ttl.as_bytes()]);
        }
        let reply = self.connect.client()?.ask(&words)?;
        output::print(format!("{}\n", reply.text()).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let ttl = quantity::duration(text)?;
    match ttl.is_zero() {
        false => Ok(ttl),
        true => Err(format!("`{text}` is no time at all; the least is 1ms")),
    }
}
