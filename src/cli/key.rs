//! `key`: makes cluster keys.

use clap::Subcommand;

use super::{Outcome, credentials, output};

#[derive(clap::Args, Debug)]
pub(super) struct Key {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a new cluster key and print it
    #[command(after_help = EXAMPLES)]
    New {
        /// The cluster's name: 1 to 32 of a-z, 0-9 and `-`
        #[arg(long, value_name = "NAME")]
        name: String,
    },
}

const EXAMPLES: &str = "\
Whoever has the key is a member of the cluster: keep it as you would a private key.

Examples:
  chickadee key new --name prod
  (umask 077; chickadee key new --name prod > cluster.key)
Then, on every host:
  chickadee serve --cluster-key-file cluster.key --listen 10.0.0.1:7379";

impl Key {
    pub(super) fn run(self) -> Outcome {
        let Verb::New { name } = self.verb;
        let key = credentials::generate(&name)?;
        // The key alone, so that it can be redirected into a file.
        output::print(format!("{}\n", key.to_text()).as_bytes())?;
        Ok(std::process::ExitCode::SUCCESS)
    }
}
