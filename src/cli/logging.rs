//! The log: one line per event on standard error, coloured only at a terminal.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Reads a level.
pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => {
            return Err(format!(
                "`{text}` is no level; allowed are off, error, warn, info, debug and trace"
            ));
        }
    })
}

/// Starts logging what this crate says. What the libraries below say is theirs to debug; whatever
/// of it matters to an operator, this crate says itself.
pub(super) fn start(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let own = Targets::new().with_target("chickadee", level);
    tracing_subscriber::registry().with(lines).with(own).init();
}
