//! foca's packets in our encoding, and what they say about members.

use std::borrow::Cow;

use bytes::{Buf, BufMut};
use foca::{Header, Member};

use super::Identity;
use crate::node::codec::{self, CodecError, Full};

/// foca's packets in our encoding.
pub(super) struct Bincode;

#[derive(Debug, thiserror::Error)]
pub(super) enum PacketError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

fn take_from<T: serde::de::DeserializeOwned>(buf: &mut impl Buf) -> Result<T, PacketError> {
    let mut rest = buf.chunk();
    let before = rest.len();
    let item = codec::take(&mut rest)?;
    let used = before - rest.len();
    buf.advance(used);
    Ok(item)
}

impl foca::Codec<Identity> for Bincode {
    type Error = PacketError;

    fn encode_header(
        &mut self,
        header: &Header<Identity>,
        mut buf: impl BufMut,
    ) -> Result<(), PacketError> {
        Ok(codec::put_within(&mut buf, header)?)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, PacketError> {
        take_from(&mut buf)
    }

    fn encode_member(
        &mut self,
        member: &Member<Identity>,
        mut buf: impl BufMut,
    ) -> Result<(), PacketError> {
        Ok(codec::put_within(&mut buf, member)?)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Identity>, PacketError> {
        take_from(&mut buf)
    }
}

/// A packet, looked into before foca gets it.
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
    /// The part of it that is the header.
    head: &'a [u8],
    pub(super) header: Header<Identity>,
    /// What it says about members.
    pub(super) updates: Vec<Update<'a>>,
}

/// What a packet says about one member.
pub(super) struct Update<'a> {
    bytes: &'a [u8],
    pub(super) member: Member<Identity>,
}

impl<'a> Packet<'a> {
    /// `None` if its header cannot be read.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let mut rest = bytes;
        let header = codec::take(&mut rest).ok()?;
        let head = &bytes[..bytes.len() - rest.len()];
        let count = rest.try_get_u16().unwrap_or(0);
        let mut updates = Vec::new();
        for _ in 0..count {
            let before = rest;
            let Ok(member) = codec::take(&mut rest) else { break };
            let used = before.len() - rest.len();
            updates.push(Update { bytes: &before[..used], member });
        }
        Some(Packet { bytes, head, header, updates })
    }

    /// The packet with only those updates.
    pub(super) fn keep(self, keeps: impl Fn(&Member<Identity>) -> bool) -> Cow<'a, [u8]> {
        if self.updates.iter().all(|update| keeps(&update.member)) {
            return Cow::Borrowed(self.bytes);
        }
        let kept = || self.updates.iter().filter(|update| keeps(&update.member));
        let mut bytes = Vec::with_capacity(self.bytes.len());
        bytes.put_slice(self.head);
        bytes.put_u16(kept().count() as u16);
        kept().for_each(|update| bytes.put_slice(update.bytes));
        Cow::Owned(bytes)
    }
}
