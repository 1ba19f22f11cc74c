//! Who else holds a partition: one session per peer, one bit per entry and session.
//!
//! A session number belongs to (node, generation) and is chosen by the side that opens it; a
//! message with another number, or another generation of either side, says nothing about this
//! session. The epoch rises whenever a session number of the partition changes, so that a set of
//! bits computed under another table of sessions is recognised.

use crate::placement::{Generation, NodeId};

/// Most sessions of a partition: bits of an entry.
pub const SESSIONS_MAX: usize = 8;

/// One session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// With whom.
    pub peer: NodeId,
    /// With which life of it.
    pub generation: Generation,
    /// My number for it.
    pub number: u64,
}

/// The sessions of one partition; the position of a session is its bit.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    epoch: u32,
    open: [Option<Session>; SESSIONS_MAX],
}

impl Sessions {
    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Opens a session, or renews the one with that peer, and returns its bit; `None` if all are
    /// taken.
    pub fn open(&mut self, session: Session) -> Option<u8> {
        let same = self.open.iter().position(|s| s.is_some_and(|s| s.peer == session.peer));
        let slot = same.or_else(|| self.open.iter().position(Option::is_none))?;
        self.open[slot] = Some(session);
        self.epoch = self.epoch.wrapping_add(1);
        Some(slot as u8)
    }

    /// Closes the session with a peer, if there is one.
    pub fn close(&mut self, peer: NodeId) {
        for slot in &mut self.open {
            if slot.is_some_and(|s| s.peer == peer) {
                *slot = None;
                self.epoch = self.epoch.wrapping_add(1);
            }
        }
    }

    /// The open sessions, with their bits.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Session)> {
        self.open.iter().enumerate().filter_map(|(bit, s)| Some((bit as u8, s.as_ref()?)))
    }
}
