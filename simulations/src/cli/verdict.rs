//! What is said of a failure: enough to get it again.

use std::process::Command;
use std::sync::OnceLock;

use simulations::checkers::Violation;
use simulations::plan::Plan;

/// A broken invariant, in one line.
pub(super) fn failure(plan: &Plan, violation: &Violation) -> String {
    format!("FAIL {} seed={} {violation}", plan.scenario, plan.seed)
}

/// How to run a plan again, where its arguments are known.
pub(super) fn replay(again: &str) -> String {
    format!("replay: cargo simulate replay {again}")
}

/// What the sources that this was built from are at now, marked `dirty` if something is not
/// committed; or `unknown`: only what is committed can be run again. An older build does not know
/// better.
pub(super) fn commit() -> &'static str {
    static COMMIT: OnceLock<String> = OnceLock::new();
    COMMIT.get_or_init(|| {
        let arguments = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
        let sources = env!("CARGO_MANIFEST_DIR");
        let told = Command::new("git").arg("-C").arg(sources).args(arguments).output();
        let told = told.ok().filter(|told| told.status.success());
        let hash = told.and_then(|told| String::from_utf8(told.stdout).ok());
        let hash = hash.map(|hash| hash.trim().to_owned()).filter(|hash| !hash.is_empty());
        hash.unwrap_or_else(|| "unknown".to_owned())
    })
}
