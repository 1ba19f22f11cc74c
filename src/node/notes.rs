//! What one role noted for another while it acted.

use super::Node;
use crate::store::Now;

impl Node {
    /// Hands notes on to whom they concern.
    pub(super) fn pass_notes_on(&mut self, now: Now) {
        for peer in std::mem::take(&mut self.outbox.sent) {
            self.responsiveness.sent(peer, now.mono);
        }
        for peer in std::mem::take(&mut self.outbox.expected) {
            self.responsiveness.expected(peer, now.mono);
        }
        for peer in std::mem::take(&mut self.outbox.ahead) {
            self.timekeeping.has_stamped(peer, now.mono);
        }
        for peer in std::mem::take(&mut self.outbox.given_up) {
            self.responsiveness.given_up(peer);
        }
        for (peer, partition) in std::mem::take(&mut self.outbox.missed) {
            self.lateness.note_missed(peer, partition);
        }
    }
}
