//! What a frame holds: items one after the other, or one with a large value behind it.

use bytes::Bytes;

use super::Node;
use super::codec::{self, Carries, CodecError};
use super::event::Notice;
use crate::placement::NodeId;
use crate::store::Now;

impl Node {
    pub(super) fn batch<T: serde::de::DeserializeOwned>(
        &mut self,
        from: NodeId,
        body: &Bytes,
        now: Now,
        mut each: impl FnMut(&mut Node, NodeId, T, Now),
    ) {
        for item in codec::items::<T>(body) {
            match item {
                Ok(item) => each(self, from, item, now),
                Err(error) => self.on_bad_bytes(from, error),
            }
        }
    }

    pub(super) fn large<T: Carries + serde::de::DeserializeOwned>(
        &mut self,
        from: NodeId,
        body: Bytes,
        now: Now,
        each: impl FnOnce(&mut Node, NodeId, (u64, T), Now),
    ) {
        match codec::take_with_value(body) {
            Ok(item) => each(self, from, item, now),
            Err(error) => self.on_bad_bytes(from, error),
        }
    }

    pub(super) fn on_bad_bytes(&mut self, from: NodeId, error: CodecError) {
        match error {
            CodecError::Unknown { .. } => self.stats.unknown_frames += 1,
            _ => self.stats.malformed_frames += 1,
        }
        self.outbox.notice(Notice::Dropped { peer: from, reason: error.to_string() });
    }
}
