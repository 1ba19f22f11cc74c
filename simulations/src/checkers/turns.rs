//! Turns: how much a node does at a time. Whatever it does in one turn, everybody else waits for.

use super::Violation;
use crate::time::Time;

/// Most sessions opened in one turn: each counts for at least 64 of 4,096 entries.
const OPENED_MAX: u64 = 65;
/// Most bytes of exchange said in one turn: 12 KiB and a push of 16, and as much again in answers to
/// what was heard.
const SAID_MAX: usize = 56 << 10;

/// What a node did in one turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Sessions opened.
    pub opened: u64,
    /// Bytes of exchange said.
    pub said: usize,
}

/// Complains about a turn in which too much was done. `longest`: bytes of the longest value.
pub fn judge(at: Time, node: usize, work: Work, longest: usize) -> Option<Violation> {
    let said_max = SAID_MAX + longest;
    let text = match work {
        Work { opened, .. } if opened > OPENED_MAX => format!("opened {opened} sessions"),
        Work { said, .. } if said > said_max => format!("said {said} bytes of exchange"),
        _ => return None,
    };
    let text = format!("{text} in one turn");
    Some(Violation { invariant: "turns", at, key: None, node: Some(node), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_at_a_time_is_noticed() {
        let judge = |work| judge(Time(0), 0, work, 100);
        let most = Work { opened: OPENED_MAX, said: SAID_MAX + 100 };
        assert_eq!(judge(most), None);
        assert!(judge(Work { opened: most.opened + 1, ..most }).is_some());
        assert!(judge(Work { said: most.said + 1, ..most }).is_some());
    }
}
