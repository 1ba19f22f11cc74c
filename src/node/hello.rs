//! The first words on a link: who this node is, and whether the other one fits the cluster. And what
//! two say to each other after that of what they know of all.

use bytes::Bytes;

use super::codec::{self, CodecError, Kind};
use super::message::{Hello, State};
use super::refused::{Difference, Refused};
use super::{Node, PROTOCOL};
use crate::placement::{Generation, NodeId};
use crate::store::Now;

impl Node {
    /// What this node says first on every link.
    pub fn hello(&self) -> Bytes {
        let mut frame = codec::begin(Kind::Hello);
        let hello = Hello {
            protocol: PROTOCOL,
            partitions: self.store.options().partitions.get(),
            replicas: self.options.replicas.get(),
            identity: self.identity().clone(),
            name: self.options.name.clone(),
            flushes: self.store.flushes(),
            members: self.membership.digest(),
        };
        codec::put(&mut frame, &hello);
        codec::seal(frame, self.header())
    }

    /// Judges a peer's Hello: its generation, or why it is refused.
    pub fn judge_hello(
        &mut self,
        peer: NodeId,
        bytes: Bytes,
        now: Now,
    ) -> Result<Generation, Refused> {
        let malformed = |e: CodecError| Refused::NoHello(e.to_string());
        let (kind, header, body) = codec::open(bytes).map_err(malformed)?;
        if kind != Kind::Hello {
            return Err(Refused::NoHello(format!("it is a {kind:?}")));
        }
        let hello: Hello = codec::take(&mut &body[..]).map_err(malformed)?;
        if hello.identity.id != peer {
            return Err(Refused::OtherName(hello.identity.id));
        }
        if hello.protocol.0 > PROTOCOL.1 || hello.protocol.1 < PROTOCOL.0 {
            let (oldest, newest) = hello.protocol;
            return Err(Refused::Constant(Difference::Protocol(oldest, newest)));
        }
        let ours = self.store.options().partitions.get();
        if hello.partitions != ours {
            let theirs = hello.partitions;
            return Err(Refused::Constant(Difference::Partitions { theirs, ours }));
        }
        let ours = self.options.replicas.get();
        if hello.replicas != ours {
            let theirs = hello.replicas;
            return Err(Refused::Constant(Difference::Replicas { theirs, ours }));
        }
        self.membership.greet(peer, &hello.name, hello.members);
        // It may be in another life, with another clock.
        self.timekeeping.forget(peer);
        // Before anything is stamped above what the peer has flushed: of two, this one may follow.
        let late = self.lateness.is_late();
        self.timekeeping.observe(peer, header, (0, 0), late, &self.clock, now);
        self.keep_time(now);
        self.learn_flushes(&hello.flushes);
        Ok(hello.identity.generation)
    }

    /// What a peer knows of the members, and of flushes.
    pub(super) fn on_state(&mut self, from: NodeId, body: &[u8], now: Now) {
        match codec::take::<State>(&mut &body[..]) {
            Ok(state) => {
                self.learn_flushes(&state.flushes);
                let (header, flushes) = (self.header(), self.store.flushes());
                self.membership.merge(from, state, flushes, now, &mut self.outbox, header);
            }
            Err(error) => self.on_bad_bytes(from, error),
        }
    }

    /// A digest of what a peer knows of the members.
    pub(super) fn on_digest(&mut self, from: NodeId, body: &[u8], now: Now) {
        match codec::take(&mut &body[..]) {
            Ok(digest) => {
                let flushes = self.store.flushes();
                self.membership.compared(from, digest, flushes, now, &mut self.outbox);
            }
            Err(error) => self.on_bad_bytes(from, error),
        }
    }
}
