//! What the roles want done: outputs in order, and batches per peer and lane.
//!
//! Everything that waits for a peer leaves in one frame: requests and responses are gathered while
//! inputs are handled, and sealed when the outputs are drained. Beside the outputs stand notes from
//! one role to another (writes that missed an owner, requests sent and given up), which
//! `node/mod.rs` hands on.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::answers::Answers;
use super::codec::{self, Carries, Header, Kind};
use super::event::{
    BULK_LANE, CONTROL_LANE, LARGE_LANE, Notice, OPERATION_LANES, OpId, Output, Reply,
};
use super::message::{Exchange, Lateness, Request, Response};
use crate::placement::{NodeId, Partition};

/// A batch is sealed when it has grown to this, so that one lane's large batch does not hold up
/// the others.
const BATCH_BYTES: usize = 64 << 10;

/// Entries that a batch concerns, at most but for its last item: whoever receives it does nothing
/// else until it is through with all of them.
pub(super) const BATCH_ENTRIES: usize = 64;

/// What is gathered for one peer and lane.
#[derive(Debug)]
struct Batch {
    frame: BytesMut,
    entries: usize,
}

/// A request or response whose value is longer leaves alone, where it holds up no other: a link that
/// is filled by one for some milliseconds would be felt by all operations.
pub const LARGE_BYTES: usize = 64 << 10;

/// The outputs of one node.
#[derive(Debug, Default)]
pub struct Outbox {
    outputs: VecDeque<Output>,
    batches: BTreeMap<(NodeId, u8, Kind), Batch>,
    full: Vec<(NodeId, u8, BytesMut)>,
    /// Large frames and the values at their end, each to one or several.
    large: Vec<(Vec<NodeId>, BytesMut, Bytes)>,
    /// Large answers under way, and requests that wait for their turn.
    pub answers: Answers,
    /// Requests put into batches since the last look, by peer.
    pub sent: Vec<NodeId>,
    /// Peers that were asked something else, to which some frame answers.
    pub expected: Vec<NodeId>,
    /// Requests whose answer nobody waits for any more, by peer.
    pub given_up: Vec<NodeId>,
    /// Peers that have stamped what this node's clock does not believe.
    pub ahead: Vec<NodeId>,
    /// Writes that did not reach an owner.
    pub missed: Vec<(NodeId, Partition)>,
    /// Bytes of exchange messages so far.
    pub exchange_bytes: u64,
}

/// The lane of a partition's operations.
pub fn lane(partition: Partition) -> u8 {
    (partition.0 % u16::from(OPERATION_LANES)) as u8
}

impl Outbox {
    /// Whether one role noted anything for another. After most inputs none has.
    pub fn has_notes(&self) -> bool {
        let Outbox { sent, expected, given_up, ahead, missed, .. } = self;
        let peers = [sent, expected, given_up, ahead];
        !missed.is_empty() || peers.iter().any(|peers| !peers.is_empty())
    }

    /// Adds an output.
    pub fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Answers a command.
    pub fn reply(&mut self, id: OpId, reply: Reply) {
        self.push(Output::Reply { id, reply });
    }

    /// Tells the operator.
    pub fn notice(&mut self, notice: Notice) {
        self.push(Output::Notice(notice));
    }

    /// Asks a peer.
    pub fn request(&mut self, to: NodeId, lane: u8, number: u64, request: &Request) {
        self.request_of_all(&[to], lane, number, request);
    }

    /// Asks several peers the same.
    pub fn request_of_all(&mut self, to: &[NodeId], lane: u8, number: u64, request: &Request) {
        let bytes = request.value_bytes();
        if bytes > LARGE_BYTES && !to.is_empty() {
            let (frame, value) = codec::begin_with_value(Kind::LargeRequest, number, request);
            self.large.push((to.to_vec(), frame, value));
        } else {
            for to in to {
                self.batch(*to, lane, Kind::Requests, &(number, request), 1);
            }
        }
        self.sent.extend(to);
    }

    /// Answers a peer. Of a large answer it hears at once, where it waits for others'.
    pub fn response(&mut self, to: NodeId, lane: u8, number: u64, response: &Response) {
        let bytes = response.value_bytes();
        if bytes > LARGE_BYTES {
            self.coming(to, lane, number, bytes);
            self.answers.sent(to, number, bytes);
            let (frame, value) = codec::begin_with_value(Kind::LargeResponse, number, response);
            return self.large.push((vec![to], frame, value));
        }
        self.batch(to, lane, Kind::Responses, &(number, response), 1);
    }

    /// Tells a peer that what it waits for is of that size.
    pub fn coming(&mut self, to: NodeId, lane: u8, number: u64, bytes: usize) {
        self.batch(to, lane, Kind::Coming, &(number, bytes as u64), 1);
    }

    /// Tells a peer that its large answer is there.
    pub fn took(&mut self, from: NodeId, number: u64) {
        self.batch(from, CONTROL_LANE, Kind::Took, &number, 1);
    }

    /// Sends an exchange message on the lane of the partition's operations.
    pub fn exchange(&mut self, to: NodeId, partition: Partition, message: &Exchange) {
        self.exchange_on(to, lane(partition), message);
    }

    /// Sends an exchange message with more in it than may go beside operations. It may arrive before
    /// and after whatever is sent on other lanes; the exchange does not count on their order.
    pub fn bulk(&mut self, to: NodeId, message: &Exchange) {
        self.exchange_on(to, BULK_LANE, message);
    }

    fn exchange_on(&mut self, to: NodeId, lane: u8, message: &Exchange) {
        let bytes = self.batch(to, lane, Kind::Exchange, message, message.entries());
        self.exchange_bytes += bytes as u64;
    }

    /// Sends a message about being late.
    pub fn lateness(&mut self, to: NodeId, message: &Lateness) {
        self.batch(to, CONTROL_LANE, Kind::Lateness, message, 1);
    }

    /// Sends one item in a frame of its own on the control lane.
    pub fn control<T: serde::Serialize>(&mut self, to: NodeId, kind: Kind, item: &T) {
        let mut frame = codec::begin(kind);
        codec::put(&mut frame, item);
        self.full.push((to, CONTROL_LANE, frame));
    }

    /// Sends raw bytes in a frame of their own on the control lane.
    pub fn control_raw(&mut self, to: NodeId, kind: Kind, bytes: &[u8]) {
        let mut frame = codec::begin(kind);
        frame.extend_from_slice(bytes);
        self.full.push((to, CONTROL_LANE, frame));
    }

    /// The next output; seals the batches when nothing else is left.
    pub fn pop(&mut self, header: impl FnOnce() -> Header) -> Option<Output> {
        let sealed = self.batches.is_empty() && self.full.is_empty() && self.large.is_empty();
        if self.outputs.is_empty() && !sealed {
            let header = header();
            for (to, lane, frame) in self.full.drain(..) {
                let bytes = codec::seal(frame, header);
                self.outputs.push_back(Output::Frame { to, lane, bytes, value: Bytes::new() });
            }
            for ((to, lane, _), batch) in std::mem::take(&mut self.batches) {
                let bytes = codec::seal(batch.frame, header);
                self.outputs.push_back(Output::Frame { to, lane, bytes, value: Bytes::new() });
            }
            for (peers, frame, value) in self.large.drain(..) {
                let (lane, bytes) = (LARGE_LANE, codec::seal(frame, header));
                for to in peers {
                    let (bytes, value) = (bytes.clone(), value.clone());
                    self.outputs.push_back(Output::Frame { to, lane, bytes, value });
                }
            }
        }
        self.outputs.pop_front()
    }

    /// Puts an item into its batch. Returns how many bytes it takes.
    fn batch<T: serde::Serialize>(
        &mut self,
        to: NodeId,
        lane: u8,
        kind: Kind,
        item: &T,
        entries: usize,
    ) -> usize {
        let begin = || Batch { frame: codec::begin(kind), entries: 0 };
        let batch = self.batches.entry((to, lane, kind)).or_insert_with(begin);
        let before = batch.frame.len();
        codec::put(&mut batch.frame, item);
        let bytes = batch.frame.len() - before;
        batch.entries += entries;
        if batch.frame.len() >= BATCH_BYTES || batch.entries >= BATCH_ENTRIES {
            let batch = self.batches.remove(&(to, lane, kind)).expect("just filled");
            self.full.push((to, lane, batch.frame));
        }
        bytes
    }
}

/// A SWIM packet as a datagram.
pub fn datagram(bytes: &[u8], header: Header) -> Bytes {
    let mut frame = codec::begin(Kind::Swim);
    frame.extend_from_slice(bytes);
    codec::seal(frame, header)
}
