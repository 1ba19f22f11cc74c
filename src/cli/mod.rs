//! The verbs of the binary, one file each.
//!
//! A verb parses its flags, says what is wrong with them in one line, and does its work with the
//! library's public surface or, for the client's verbs, over the Redis protocol. Nothing of the
//! cluster is decided here.
//!
//! What holds for all verbs: results go to standard output, everything else to standard error; the
//! exit code is 0, 1 if it did not work (`error: ...` says why), or 2 for wrong usage (`get` keeps 1
//! for what is not there, and ends with 2 for every error); no secret is taken from the command
//! line, where every user of the machine can read it.

#[cfg(not(unix))]
compile_error!("the binary is made for Unix; embed the library with `default-features = false`");

mod client;
mod credentials;
mod del;
mod demo;
mod door;
mod explain;
mod file;
mod get;
mod input;
mod key;
mod leave;
mod logging;
mod members;
mod memory;
mod nearest;
mod output;
mod quantity;
mod reply;
mod serve;
mod set;
mod settings;
mod shutdown;
mod status;
mod variables;
mod watch;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A peer-to-peer gossip cache that any Redis client can use.
#[derive(Parser, Debug)]
#[command(name = "chickadee", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  chickadee demo                              three nodes in this process, to try it out
  chickadee serve                             one node, Redis clients on 127.0.0.1:6379
  chickadee serve --listen :7380 --resp :6380 --seed 127.0.0.1:7379
                                              another one, which joins it
  chickadee members                           who is there, as the node on port 6379 sees it";

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run one node
    Serve(serve::Serve),
    /// Run a small cluster in this process, to try it out
    Demo(demo::Demo),
    /// Make cluster keys
    Key(key::Key),
    /// Show a node's state and counters
    Status(status::Status),
    /// List the members that a node knows
    Members(members::Members),
    /// Tell where a key belongs, and what a node holds of it
    Explain(explain::Explain),
    /// Take a node out of its cluster for good
    Leave(leave::Leave),
    /// Print a value
    Get(get::Get),
    /// Write a value
    Set(set::Set),
    /// Remove keys
    Del(del::Del),
}

impl Verb {
    fn run(self) -> Outcome {
        match self {
            Verb::Serve(serve) => serve.run(),
            Verb::Demo(demo) => demo.run(),
            Verb::Key(key) => key.run(),
            Verb::Status(status) => status.run(),
            Verb::Members(members) => members.run(),
            Verb::Explain(explain) => explain.run(),
            Verb::Leave(leave) => leave.run(),
            Verb::Get(get) => get.run(),
            Verb::Set(set) => set.run(),
            Verb::Del(del) => del.run(),
        }
    }
}

/// What a verb comes to, unless it fails.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Runs the binary.
pub fn run() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => cli.verb.run(),
        // Help that was asked for is a result like any other.
        Err(help) if !help.use_stderr() => match output::print_help(&help) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.into()),
        },
        Err(wrong) => wrong.exit(),
    };
    outcome.unwrap_or_else(|error| {
        output::complain(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_one_another() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_teaches_by_example() {
        fn check(verb: &clap::Command) {
            let help = verb.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let count = help
                .lines()
                .filter(|line| line.starts_with("  chickadee ") || line.contains("; chickadee "))
                .count();
            assert!(
                verb.has_subcommands() || (2..=4).contains(&count),
                "{}: {help}",
                verb.get_name()
            );
            verb.get_subcommands().for_each(check);
        }
        Cli::command().get_subcommands().for_each(check);
    }
}
