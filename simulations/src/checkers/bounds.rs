//! Bounds: what a node may occupy.

use super::Violation;
use crate::time::Time;

/// Complains if a store is above its limit, or a node has more operations under way than clients
/// could have asked for.
pub fn judge(
    at: Time,
    node: usize,
    footprint: usize,
    footprint_max: usize,
    pending: usize,
    pending_max: usize,
) -> Option<Violation> {
    let text = if footprint > footprint_max {
        format!("its entries take {footprint} bytes, of {footprint_max} allowed")
    } else if pending > pending_max {
        format!("{pending} operations are under way, of {pending_max} possible")
    } else {
        return None;
    };
    Some(Violation { invariant: "bounds", at, key: None, node: Some(node), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_memory_and_too_many_operations_are_noticed() {
        let judge = |footprint, pending| judge(Time(0), 0, footprint, 10, pending, 3);
        assert_eq!(judge(10, 3), None);
        assert!(judge(11, 3).is_some());
        assert!(judge(10, 4).is_some());
    }
}
