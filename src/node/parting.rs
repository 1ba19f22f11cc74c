//! How a node goes: for a restart, with a goodbye, or for good, after handing over what it holds.
//!
//! To leave for good is to believe oneself no owner (rule R9): the node tells everybody that its
//! weight is 0, stays a member meanwhile, takes commands, and hands over as every holder does that
//! owns no more. A deadline bounds it: what nobody has taken by then is gone with the process, unless
//! others have copies.

use super::codec::Kind;
use super::event::{OpId, Reply};
use super::{Node, Now};
use crate::store::Mono;

/// A node that leaves for good.
#[derive(Debug)]
pub(super) struct Leaving {
    /// Who asked, and is told when it has been done.
    asked: Vec<OpId>,
    /// It goes then at the latest.
    until: Mono,
}

impl Node {
    /// From now on no command is taken. Whoever hears a goodbye closes the link, so it waits for the
    /// answers that are under way, unless asked to stop once more.
    pub(super) fn stop(&mut self, now: Now) {
        if self.coordinator.stopping {
            self.say_goodbye(now);
        }
        self.coordinator.stopping = true;
    }

    pub(super) fn say_goodbye(&mut self, now: Now) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        let header = self.header();
        self.membership.leave(now, &mut self.outbox, header);
        for peer in self.links.clone() {
            self.outbox.control_raw(peer, Kind::Bye, &[]);
        }
    }

    /// Begins to leave for good, or joins in.
    pub(super) fn leave(&mut self, id: OpId, within_ms: u64, now: Now) {
        let until = now.mono.plus_ms(within_ms);
        match &mut self.leaving {
            Some(leaving) => {
                leaving.asked.push(id);
                leaving.until = leaving.until.min(until);
            }
            None => {
                self.leaving = Some(Leaving { asked: vec![id], until });
                let header = self.header();
                self.membership.own_nothing(now, &mut self.outbox, header);
                let state = self.membership.state(self.store.flushes(), false, now);
                for peer in self.links.clone() {
                    self.outbox.control(peer, Kind::State, &state);
                }
                self.rebuild_ring(now);
            }
        }
    }

    /// Tells whoever asked once everything is handed over, or it is time.
    pub(super) fn consider_left(&mut self, now: Now) {
        let Some(leaving) = &self.leaving else {
            return;
        };
        let kept = self.sessions.handing_off();
        // Alone, there is nobody to take anything.
        let alone = self.ring.seats().iter().all(|seat| seat.weight == 0);
        if kept > 0 && !alone && now.mono < leaving.until {
            return;
        }
        let leaving = self.leaving.take().expect("looked at just now");
        for id in leaving.asked {
            self.outbox.reply(id, Reply::Left { kept });
        }
    }
}
