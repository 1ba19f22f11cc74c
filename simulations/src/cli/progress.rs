//! How far a run is: one line on a terminal, nothing in a log.

use std::io::{IsTerminal, Write, stderr};

/// One line that is written over and over.
pub(super) struct Progress {
    shown: bool,
}

/// Begins the line, and empties it.
const EMPTY: &str = "\r\x1b[2K";
/// Width of the bar, in characters.
const WIDTH: u64 = 30;

impl Progress {
    /// Shown only where somebody can look at it.
    pub(super) fn new() -> Progress {
        Progress { shown: stderr().is_terminal() }
    }

    /// So many of so many are done.
    pub(super) fn at(&self, done: u64, all: u64, failed: u64) {
        if self.shown {
            let line = line(done, all, failed);
            // A terminal that went away is no reason to stop.
            let _ = write!(stderr(), "{EMPTY}{line}").and_then(|()| stderr().flush());
        }
    }

    /// Makes room for another line.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(stderr(), "{EMPTY}").and_then(|()| stderr().flush());
        }
    }
}

fn line(done: u64, all: u64, failed: u64) -> String {
    let full = (u128::from(done) * u128::from(WIDTH) / u128::from(all.max(1))) as usize;
    let rest = (WIDTH as usize).saturating_sub(full);
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    format!("[{}{}] {done}/{all} seeds{failed}", "#".repeat(full), ".".repeat(rest))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bar_fills() {
        assert_eq!(super::line(0, 10, 0), format!("[{}] 0/10 seeds", ".".repeat(30)));
        assert_eq!(super::line(10, 10, 2), format!("[{}] 10/10 seeds, 2 failed", "#".repeat(30)));
        assert!(super::line(1, u64::MAX, 0).ends_with("] 1/18446744073709551615 seeds"));
    }
}
