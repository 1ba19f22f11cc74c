//! Who else holds a partition: one session per peer, one bit per entry and session.
//!
//! A session number is chosen by the side that opens it, belongs to one life of that side, and only
//! grows. A message that does not echo the current number says nothing about this session. The epoch
//! is another one whenever one of a partition's own numbers changes, in any life, so that an
//! acknowledgement given under another table of sessions is recognised.

use super::clock::{Mono, Stamp};
use super::partition::{Cursor, FLOORS, Role};
use crate::placement::{Life, NodeId};

/// Most sessions of a partition: bits of an entry.
pub const SESSIONS_MAX: usize = 8;

/// How far a node's own entries were offered to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan {
    /// Everything is still to be offered, if what is read first is wanted first: of that, what is
    /// behind this place.
    Hot(Cursor),
    /// Everything behind this place is still to be offered.
    At(Cursor),
    /// Everything but what was installed since, which waits in the partition's list.
    Done,
}

impl Scan {
    /// Everything is still to be offered.
    pub const START: Scan = Scan::Hot(Cursor::START);
}

/// A floor offered by a peer, with what it takes to adopt it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offered {
    /// Its floors.
    pub floors: [Stamp; FLOORS],
    /// The nodes that are valid at the peer: those cover what it has forgotten itself.
    pub valid: Vec<(NodeId, Life)>,
    /// What these floors are made of.
    pub knowledge: Vec<Forgotten>,
}

/// Part of what makes a floor: a process has forgotten so many entries of a partition by itself.
/// Whoever knows of it covers them all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Forgotten {
    /// Who.
    pub by: (NodeId, Life),
    /// How many.
    pub count: u64,
}

/// One session, as this side sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// With whom.
    pub peer: NodeId,
    /// With which life of it.
    pub life: Life,
    /// This side's number.
    pub mine: u64,
    /// The peer's number; zero as long as it was not heard.
    pub theirs: u64,
    /// The peer's epoch, as last heard under the current numbers; relayed acknowledgements that
    /// carry it are believed.
    pub epoch: Option<u32>,
    /// What the peer is to the partition, as last heard under the current numbers.
    pub role: Role,
    /// Whether it counts this node as an owner, so that its writes come here.
    pub counts_me: bool,
    /// Whether it answered the current question: it has offered all it had.
    pub done: bool,
    /// The current question for all that the peer has. Grows when the answer no longer counts.
    pub ask: u32,
    /// The peer's question, and up to which one this side has answered.
    pub asked: u32,
    /// See `asked`.
    pub answered: u32,
    /// This node is valid at the peer: has adopted its floor, and has had its own entries below it
    /// judged.
    pub valid: bool,
    /// The peer is valid here: it said so under the current number. See
    /// [`Session::is_trusted`].
    pub trusted: bool,
    /// It was told what it takes to become valid under the current number.
    pub told: bool,
    /// Processes of which this side has learnt since what they have forgotten, and this peer is not
    /// known to cover it.
    pub lacks: Vec<(NodeId, Life)>,
    /// What the peer offered for becoming valid.
    pub offered: Option<Box<Offered>>,
    /// How far this node's own entries were offered.
    pub scan: Scan,
    /// Its bit was cleared, and neither a comparison nor a scan has begun since.
    pub fresh: bool,
    /// What was offered it may have outlived, and somebody is being asked.
    pub doubted: bool,
    /// It had no room for something that was offered, because it boots.
    pub no_room: bool,
    /// What was installed up to then is being compared, where anything is.
    pub compared: Mono,
    /// When this side last answered a question of a comparison that goes on.
    pub answering: Option<Mono>,
    /// When it was last heard under the current numbers.
    pub heard: Mono,
    /// How often this side has said how it stands.
    pub said: u32,
    /// The latest that the peer has said of how it stands, under its current number.
    pub latest: u32,
}

impl Session {
    /// Whether what this side has forgotten, the peer is known to cover.
    pub fn is_trusted(&self) -> bool {
        self.trusted && self.lacks.is_empty()
    }

    /// Whether both sides trust each other and nothing is left to be said.
    pub fn is_in_step(&self) -> bool {
        self.valid && self.is_trusted() && self.asked == self.answered
    }
}

/// The sessions of one partition; the position of a session is its bit.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    epoch: u32,
    mask: u8,
    open: [Option<Box<Session>>; SESSIONS_MAX],
}

impl Sessions {
    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The bits of all open sessions.
    pub fn mask(&self) -> u8 {
        self.mask
    }

    /// Whether these are the bits of all open sessions.
    pub fn are_all(&self, bits: u8) -> bool {
        bits & self.mask == self.mask
    }

    /// The bit of the session with a peer.
    pub fn bit(&self, peer: NodeId) -> Option<u8> {
        self.iter().find(|(_, session)| session.peer == peer).map(|(bit, _)| bit)
    }

    /// The session of a bit.
    pub fn get(&self, bit: u8) -> Option<&Session> {
        self.open.get(usize::from(bit))?.as_deref()
    }

    /// The session of a bit.
    pub(super) fn get_mut(&mut self, bit: u8) -> Option<&mut Session> {
        self.open.get_mut(usize::from(bit))?.as_deref_mut()
    }

    /// The session with a peer.
    pub fn with(&self, peer: NodeId) -> Option<&Session> {
        self.iter().map(|(_, session)| session).find(|session| session.peer == peer)
    }

    /// The peers that are valid here: they cover what this side has forgotten by itself.
    pub fn valid(&self) -> Vec<(NodeId, Life)> {
        let valid = self.iter().filter(|(_, session)| session.trusted);
        valid.map(|(_, session)| (session.peer, session.life)).collect()
    }

    /// The peers that are known to cover all that this side's floors stand for.
    pub fn synced(&self) -> Vec<(NodeId, Life)> {
        let trusted = self.iter().filter(|(_, session)| session.is_trusted());
        trusted.map(|(_, session)| (session.peer, session.life)).collect()
    }

    /// Opens a session, in place of one with the same peer; `None` if all are taken.
    pub(super) fn open(&mut self, peer: NodeId, life: Life, number: u64) -> Option<u8> {
        let free = || self.open.iter().position(Option::is_none).map(|slot| slot as u8);
        let bit = self.bit(peer).or_else(free)?;
        self.mask |= 1 << bit;
        self.epoch = epoch_of(number);
        self.open[usize::from(bit)] = Some(Box::new(Session {
            peer,
            life,
            mine: number,
            theirs: 0,
            epoch: None,
            role: Role::None,
            counts_me: false,
            done: false,
            ask: 1,
            asked: 0,
            answered: 0,
            valid: false,
            trusted: false,
            told: false,
            lacks: Vec::new(),
            offered: None,
            scan: Scan::START,
            fresh: true,
            doubted: false,
            no_room: false,
            compared: Mono(0),
            answering: None,
            heard: Mono(0),
            said: 0,
            latest: 0,
        }));
        Some(bit)
    }

    /// A new number for a session: whoever was valid here has to become so again.
    pub(super) fn renew(&mut self, bit: u8, number: u64) {
        if let Some(session) = self.get_mut(bit) {
            session.mine = number;
            session.trusted = false;
            session.told = false;
            session.lacks.clear();
            session.done = false;
            session.ask = session.ask.wrapping_add(1);
            self.epoch = epoch_of(number);
        }
    }

    /// Closes a session.
    pub(super) fn close(&mut self, bit: u8) {
        if self.open[usize::from(bit)].take().is_some() {
            self.mask &= !(1 << bit);
        }
    }

    /// The open sessions, with their bits.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Session)> {
        self.open.iter().enumerate().filter_map(|(bit, s)| Some((bit as u8, s.as_deref()?)))
    }

    /// The open sessions whose bit is missing.
    pub(super) fn lack(&self, bits: u8) -> impl Iterator<Item = &Session> {
        self.iter().filter(move |(bit, _)| bits & 1 << bit == 0).map(|(_, session)| session)
    }

    /// The open sessions.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.open.iter_mut().filter_map(|session| session.as_deref_mut())
    }
}

/// The epoch that begins with a session number: short, because every acknowledgement carries it. (One
/// that counted from zero in each life was the same in the next: late-messages seed 32.)
fn epoch_of(number: u64) -> u32 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 43) as u32
}
