//! The first words on a link: who this node is, and whether the other one fits the cluster.

use bytes::Bytes;

use super::codec::{self, CodecError, Kind};
use super::message::Hello;
use super::refused::{Difference, Refused};
use super::{Node, PROTOCOL};
use crate::placement::{Generation, NodeId};

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
        };
        codec::put(&mut frame, &hello);
        codec::seal(frame, self.header())
    }

    /// Judges a peer's Hello: its generation, or why it is refused.
    pub fn judge_hello(&mut self, peer: NodeId, bytes: Bytes) -> Result<Generation, Refused> {
        let malformed = |e: CodecError| Refused::NoHello(e.to_string());
        let (kind, _, body) = codec::open(bytes).map_err(malformed)?;
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
        self.membership.learn_name(peer, &hello.name);
        self.learn_flushes(&hello.flushes);
        Ok(hello.identity.generation)
    }
}
