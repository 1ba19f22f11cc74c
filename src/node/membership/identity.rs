//! Who this node is, and what it does when it meets a later life of itself.
//!
//! A life begins with the wall clock as its generation, and whoever declares it down meanwhile makes
//! it take the next one; so what comes back to a node of itself is its present generation or an
//! earlier one. A later one that it did not take has one of two reasons:
//!
//! * **A former life was further.** The clock stands lower than it stood at the former start. Members
//!   remember that life, and none of them would ever believe this one: it goes above what they
//!   remember, at once.
//! * **It was replaced.** Another process was started under its name, here or elsewhere, perhaps
//!   while this one was stopped. Members talk to that one, so what this one holds grows old and
//!   nobody hears of what it takes: it has to end.
//!
//! A former life is remembered from before, so a node is told of it before it is a member, which
//! here is only who took in a peer's State: that comes first on every link of whoever was not told
//! yet, and a link on which a later life lives is closed with that reason. To whoever was a member
//! already, it is another process.
//!
//! Only the own address is no proof of one, since this process holds it: once in a life such
//! a word is taken for one of a former life, from a member that lost sight of the others. Once, since
//! two that were given one advertised address would go above each other for ever.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Membership;
use crate::node::codec::Header;
use crate::node::event::Notice;
use crate::node::outbox::Outbox;
use crate::placement::{Generation, Life, NodeId, Zone};
use crate::store::Now;

/// A member's identity, as SWIM spreads it. What foca calls the address is the node id: a node
/// whose network address changed is the same member renamed, not a death and a birth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Who.
    pub id: NodeId,
    /// Where.
    pub addr: SocketAddr,
    /// How late a word about it is: every start has a later one, and every return after having been
    /// declared down.
    pub generation: Generation,
    /// Which process.
    pub life: Life,
    /// Its share of the ring, in tokens.
    pub weight: u16,
    /// Its failure domain.
    pub zone: Zone,
}

/// What a node knows about its own lives.
#[derive(Default, Debug)]
pub(super) struct Lives {
    /// It knew a living member, in this life, and had that one's or another's State.
    pub(super) was_member: bool,
    /// It took a generation above one at its own address, as a member.
    went_above_here: bool,
    /// Another process runs under its name.
    replaced: bool,
}

/// What to do about a life of the own name.
#[derive(PartialEq, Eq, Debug)]
enum Meeting {
    /// It is this one, or an earlier one.
    Known,
    /// A former life: become this.
    GoAbove(Identity),
    /// Another process.
    Replaced,
}

impl Lives {
    fn meet(&mut self, own: &Identity, generation: Generation, addr: SocketAddr) -> Meeting {
        if (generation, addr) <= (own.generation, own.addr) || generation.0 == u64::MAX {
            return Meeting::Known;
        }
        // The flag is only set from a member, and by the first such word.
        if self.was_member
            && (addr != own.addr || std::mem::replace(&mut self.went_above_here, true))
        {
            self.replaced = true;
            return Meeting::Replaced;
        }
        Meeting::GoAbove(Identity { generation: Generation(generation.0 + 1), ..own.clone() })
    }
}

impl Membership {
    /// A life under this node's name was met, at that address. The caller settles what follows.
    pub(super) fn meet(
        &mut self,
        generation: Generation,
        addr: SocketAddr,
        now: Now,
        outbox: &mut Outbox,
    ) {
        if self.lives.replaced {
            return;
        }
        let own = self.foca.identity().clone();
        match self.lives.meet(&own, generation, addr) {
            Meeting::Known => {}
            Meeting::Replaced => outbox.notice(Notice::Replaced { generation, addr }),
            Meeting::GoAbove(identity) => {
                outbox.notice(Notice::WentAbove(identity.generation));
                self.become_identity(identity);
                // What was refused to the generation before is asked for again.
                for dial in self.dials.values_mut() {
                    dial.next = now.mono;
                }
                self.next_dials = now.mono;
                self.rejoined |= self.lives.was_member;
            }
        }
    }

    /// From now on this node owns nothing: it takes a weight of 0, and stays a member.
    pub fn own_nothing(&mut self, now: Now, outbox: &mut Outbox, header: Header) {
        let own = self.foca.identity().clone();
        let generation = Generation(own.generation.0 + 1);
        self.become_identity(Identity { generation, weight: 0, ..own });
        self.settle(now, outbox, header);
    }

    fn become_identity(&mut self, identity: Identity) {
        let _ = self.foca.change_identity(identity, &mut self.runtime);
        // Another identity begins without peers, until the next look at its members.
        let _ = self.foca.apply_many(std::iter::empty(), false, &mut self.runtime);
    }

    /// Whether another process runs under this node's name.
    pub fn is_replaced(&self) -> bool {
        self.lives.replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Identity {
        Identity {
            id: NodeId([1; 16]),
            addr: "10.0.0.1:7379".parse().unwrap(),
            generation: Generation(1_000),
            life: Life(1_000),
            weight: 128,
            zone: Zone::default(),
        }
    }

    fn elsewhere() -> SocketAddr {
        "10.0.0.2:7379".parse().unwrap()
    }

    #[test]
    fn the_own_life_and_earlier_ones_are_nothing_new() {
        for was_member in [false, true] {
            let mut lives = Lives { was_member, ..Lives::default() };
            for (generation, addr) in [(1_000, own().addr), (999, own().addr), (999, elsewhere())] {
                assert_eq!(lives.meet(&own(), Generation(generation), addr), Meeting::Known);
            }
            // No life begins there, and none could come above it.
            assert_eq!(lives.meet(&own(), Generation(u64::MAX), elsewhere()), Meeting::Known);
        }
    }

    #[test]
    fn who_joins_goes_above_its_former_life() {
        let mut lives = Lives::default();
        let above = |generation| Meeting::GoAbove(Identity { generation, ..own() });
        let met = |lives: &mut Lives, generation, addr| lives.meet(&own(), generation, addr);
        assert_eq!(met(&mut lives, Generation(5_000), own().addr), above(Generation(5_001)));
        assert_eq!(met(&mut lives, Generation(9_000), elsewhere()), above(Generation(9_001)));
        assert!(!lives.replaced);
    }

    #[test]
    fn a_member_is_replaced_by_a_later_life_elsewhere() {
        let mut lives = Lives { was_member: true, ..Lives::default() };
        assert_eq!(lives.meet(&own(), Generation(1_001), elsewhere()), Meeting::Replaced);
        assert!(lives.replaced);
        // Two that started in the same millisecond: one of them, the same for both.
        let mut lives = Lives { was_member: true, ..Lives::default() };
        assert_eq!(lives.meet(&own(), Generation(1_000), elsewhere()), Meeting::Replaced);
        let other = Identity { addr: elsewhere(), ..own() };
        assert_eq!(lives.meet(&other, Generation(1_000), own().addr), Meeting::Known);
    }

    #[test]
    fn at_its_own_address_a_member_goes_above_once() {
        let mut lives = Lives { was_member: true, ..Lives::default() };
        let Meeting::GoAbove(above) = lives.meet(&own(), Generation(2_000), own().addr) else {
            panic!("a former life is no other process");
        };
        assert_eq!(above.generation, Generation(2_001));
        assert_eq!(lives.meet(&above, Generation(2_000), own().addr), Meeting::Known);
        assert_eq!(lives.meet(&above, Generation(2_002), own().addr), Meeting::Replaced);
    }
}
