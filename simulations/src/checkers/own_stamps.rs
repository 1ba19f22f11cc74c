//! Own stamps: no node's clock goes back behind what it has stamped by more than is believed: whoever
//! hears of what it stamps next would refuse it, and what is to end would live for longer.

use chickadee::store::clock::AHEAD_MS_MAX;

use super::Violation;
use crate::time::Time;

/// What two corrections in a row may add, in milliseconds: a clock is followed slowly.
const SLACK_MS: u64 = 200;

/// Complains if a node's last stamp is too far ahead of its physical time, both in milliseconds since
/// 1970.
pub fn judge(at: Time, node: usize, stamped_ms: u64, physical_ms: u64) -> Option<Violation> {
    let ahead_ms = stamped_ms.saturating_sub(physical_ms);
    (ahead_ms > AHEAD_MS_MAX + SLACK_MS).then(|| Violation {
        invariant: "own-stamps",
        at,
        key: None,
        node: Some(node),
        text: format!("has stamped {ahead_ms} ms ahead of its own clock"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_went_back_behind_its_stamps_is_noticed() {
        assert_eq!(judge(Time(0), 0, 10_000, 10_000 - AHEAD_MS_MAX), None);
        assert_eq!(judge(Time(0), 0, 10_000, 20_000), None);
        assert!(judge(Time(0), 0, 10_000, 9_000).is_some());
    }
}
