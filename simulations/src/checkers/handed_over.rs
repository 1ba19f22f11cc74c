//! Handed over: a node that leaves for good keeps nothing that others have not taken, where nothing
//! else happens than that nodes leave: what goes with it is lost, and nobody excuses that.

use super::Violation;
use crate::plan::{Fault, Plan, Timed};
use crate::time::Time;

/// Complains about a node that has left and kept so many partitions.
pub fn judge(plan: &Plan, at: Time, node: usize, kept: usize) -> Option<Violation> {
    let quiet =
        |fault: &Timed<Fault>| matches!(fault.what, Fault::Start { .. } | Fault::Leave { .. });
    if kept == 0 || !plan.is_calm() || !plan.faults.iter().all(quiet) {
        return None;
    }
    Some(Violation {
        invariant: "handed-over",
        at,
        key: None,
        node: Some(node),
        text: format!("left, and kept {kept} partitions that nobody had taken yet"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{kill, leaving};

    #[test]
    fn who_leaves_with_what_nobody_has_is_noticed() {
        let plan = leaving::LEAVING.plan(1, None);
        assert_eq!(judge(&plan, Time(0), 1, 0), None);
        assert!(judge(&plan, Time(0), 1, 1).is_some());
        let killed = kill::KILL.plan(1, None);
        assert_eq!(judge(&killed, Time(0), 1, 1), None, "others died");
    }
}
