//! A page with pictures of what came of some seeds: one file, no scripts, nothing loaded.
//!
//! [`chart`]: axes, lines, bars; [`timeline`]: one run over time; [`spread`]: all runs.

mod chart;
mod spread;
mod timeline;

use std::fmt::Write;

use crate::plan::Plan;
use crate::run::{Outcome, Recording};

/// What is reported.
pub struct Report<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The commit that was run.
    pub commit: &'a str,
    /// What came of each seed.
    pub outcomes: &'a [Outcome],
    /// The run that is drawn over time.
    pub plan: &'a Plan,
    /// What was measured in it.
    pub recording: &'a Recording,
    /// How to run it again.
    pub again: &'a str,
}

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let Report { scenario, commit, outcomes, plan, recording, again } = self;
        let failed = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
        let verdict = match failed {
            0 => format!("<b class=held>All invariants held</b> in {}", seeds(outcomes.len())),
            _ => format!(
                "<b class=broken>{failed} of {} broke an invariant</b>",
                seeds(outcomes.len())
            ),
        };
        let mut page = format!(
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width\">\n<title>{0}: simulation</title>\n\
             <style>\n{1}</style>\n<main>\n<h1>{0}</h1>\n<p class=lead>{verdict}. Commit {2}.</p>\n",
            escape(scenario),
            include_str!("page.css"),
            escape(commit),
        );
        page += &tiles(outcomes);
        let why = if recording.outcome.violation.is_some() {
            "the first that broke an invariant"
        } else if outcomes.len() > 1 {
            "the one whose nodes took longest to agree"
        } else {
            "the only one"
        };
        let _ = write!(
            page,
            "<h2>Seed {} over time</h2>\n<p>{} nodes, {} operations of clients; {why}. \
             Run it again: <code>cargo simulate replay {}</code></p>\n",
            plan.seed,
            plan.nodes(),
            recording.outcome.operations,
            escape(again),
        );
        if let Some(violation) = &recording.outcome.violation {
            let _ = writeln!(
                page,
                "<p class=broken><code>{}</code></p>",
                escape(&violation.to_string())
            );
        }
        page += &timeline::draw(plan, recording);
        page += &spread::bytes(recording);
        page += &spread::agreement(outcomes);
        page + "</main>\n</html>\n"
    }
}

fn seeds(count: usize) -> String {
    if count == 1 { "1 seed".to_owned() } else { format!("{count} seeds") }
}

fn tiles(outcomes: &[Outcome]) -> String {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let slowest = outcomes.iter().filter_map(|outcome| outcome.agreed_ms).max();
    let slowest = slowest.map_or("never".to_owned(), |ms| format!("{:.2} s", ms as f64 / 1e3));
    let tiles = [
        ("simulated time", format!("{} s", sum(|o| o.simulated_ms) / 1_000)),
        ("operations of clients", sum(|o| o.operations).to_string()),
        (
            "bytes sent",
            format!("{:.1} MiB", sum(|o| o.traffic.bytes()) as f64 / f64::from(1 << 20)),
        ),
        ("agreed at the latest after", slowest),
    ];
    let tiles = tiles.map(|(name, value)| format!("<div><b>{value}</b>{name}</div>"));
    format!("<section class=tiles>{}</section>\n", tiles.concat())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
