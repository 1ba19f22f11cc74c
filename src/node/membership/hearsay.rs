//! What others say of members that this node hears itself.
//!
//! When a cut is mended, either side has declared the other's members down, and tells them so. A
//! node that believed it would take those for down that it was in touch with all along, until each
//! of them has heard of it and taken a later generation: for a moment nearly everybody is down for
//! nearly everybody. So a word that a member is down waits until that member, asked, has been silent
//! for [`SILENCE_MS`]. A member that says so itself is believed, and SWIM's own probing goes on.

use std::collections::BTreeMap;

use foca::{Member, State};

use super::Identity;
use crate::placement::NodeId;
use crate::store::Mono;

/// A member with a link that is said to be down, and does not answer for so long, in milliseconds,
/// is down.
const SILENCE_MS: u64 = 500;

/// Words about members that are not believed yet.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    waiting: BTreeMap<NodeId, (Member<Identity>, Mono)>,
}

impl Hearsay {
    /// Takes note of a word that a member is down. Returns whether that is news.
    pub(super) fn note(&mut self, word: Member<Identity>, now: Mono) -> bool {
        let until = now.plus_ms(SILENCE_MS);
        let id = word.id().id;
        if self.waiting.get(&id).is_some_and(|(known, _)| known.id() == word.id()) {
            return false;
        }
        self.waiting.insert(id, (word, until));
        true
    }

    /// A member was heard: whoever took it for down is wrong.
    pub(super) fn heard(&mut self, id: NodeId) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&id);
        }
    }

    /// Words that are to be believed by now.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Member<Identity>> {
        let due: Vec<NodeId> =
            self.waiting.iter().filter(|(_, (_, at))| *at <= now).map(|(id, _)| *id).collect();
        due.iter().filter_map(|id| self.waiting.remove(id)).map(|(word, _)| word).collect()
    }

    /// When there will be some.
    pub(super) fn next(&self) -> Option<Mono> {
        self.waiting.values().map(|(_, at)| *at).min()
    }
}

/// Whether that is a word about a life that counts as present.
pub(super) fn is_down(word: &Member<Identity>, present: &Identity) -> bool {
    word.state() == State::Down && word.id().generation == present.generation
}
