//! One client's connection: reads commands, answers what this node's store can answer on the spot,
//! hands the rest to the node in batches, and writes the replies in order.
//!
//! Commands overlap up to a window ([`WINDOW`]), but one waits for earlier unfinished ones that touch
//! a key it touches; commands about the connection or a whole database wait for all, and all wait for
//! them. Memory is bounded: a client that does not read its replies is not read either.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::decode::{Decoded, Decoder, Limits};
use super::encode::Encoder;
use super::listener::Clients;
use super::session::{Session, Verdict};
use super::{Command, CommandError};
use crate::handle::{Mailbox, Submission};
use crate::node::event::{Failure, Reply};

/// Most commands of one connection under way.
pub(super) const WINDOW: usize = 1024;
/// Replies are sent when they have grown to this, in bytes, even if more could be added.
const OUT_BYTES: usize = 256 << 10;
/// Memory that an idle connection keeps for replies.
const RETAINED_BYTES: usize = 16 << 10;
/// Least room for a read.
const READ_BYTES: usize = 16 << 10;

/// A command whose reply is not complete, or waits behind one that is not.
#[derive(Debug)]
pub(super) enum Slot {
    /// Encoded already.
    Done(Vec<u8>),
    /// Parts of it are with the node.
    Waiting {
        /// What the parts make together.
        finish: super::session::Finish,
        /// The parts.
        parts: Vec<Option<Reply>>,
        /// How many are missing.
        missing: usize,
        /// The keys it touches, as hashes.
        keys: Vec<u64>,
    },
}

/// Commands under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) slots: VecDeque<Slot>,
    /// Number of the oldest slot.
    first: u64,
    /// Hashes of the keys under way, and how often each. One command may name a million.
    keys: HashMap<u64, u32>,
}

/// Bits of a token that number the part within a command.
const PART_BITS: u32 = 24;

impl Window {
    /// The token of a part of the command that comes next.
    pub(super) fn token(&self, part: usize) -> u64 {
        ((self.first + self.slots.len() as u64) << PART_BITS) | part as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= WINDOW
    }

    pub(super) fn touches(&self, key: u64) -> bool {
        self.keys.contains_key(&key)
    }

    /// Whether a command is under way that is about a whole database or node. Such a command only
    /// starts when nothing else is under way, so it is the oldest.
    pub(super) fn is_barred(&self) -> bool {
        match self.slots.front() {
            Some(Slot::Waiting { missing: 1.., keys, .. }) => keys.is_empty(),
            _ => false,
        }
    }

    pub(super) fn push(&mut self, slot: Slot) {
        if let Slot::Waiting { keys, .. } = &slot {
            for key in keys {
                *self.keys.entry(*key).or_default() += 1;
            }
        }
        self.slots.push_back(slot);
    }

    /// Puts a part in its place.
    fn arrive(&mut self, token: u64, reply: Reply) {
        let (number, part) = (token >> PART_BITS, (token & ((1 << PART_BITS) - 1)) as usize);
        let Some(slot) = self.slots.get_mut((number - self.first) as usize) else {
            return;
        };
        if let Slot::Waiting { parts, missing, .. } = slot
            && let Some(place @ None) = parts.get_mut(part)
        {
            *place = Some(reply);
            *missing -= 1;
        }
    }

    /// Takes the oldest command if its reply is complete.
    fn pop(&mut self) -> Option<Slot> {
        if let Slot::Waiting { missing: 1.., .. } = self.slots.front()? {
            return None;
        }
        let slot = self.slots.pop_front()?;
        self.first += 1;
        if let Slot::Waiting { keys, .. } = &slot {
            for key in keys {
                if let Entry::Occupied(mut under_way) = self.keys.entry(*key) {
                    *under_way.get_mut() -= 1;
                    if *under_way.get() == 0 {
                        under_way.remove();
                    }
                }
            }
            if self.keys.is_empty() && self.keys.capacity() > 4 * WINDOW {
                self.keys = HashMap::new();
            }
        }
        Some(slot)
    }
}

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    received: BytesMut,
    decoder: Decoder,
    out: Encoder,
    window: Window,
    mailbox: Arc<Mailbox>,
    submissions: Vec<Submission>,
    session: Session,
    clients: Arc<Clients>,
    /// The client will send nothing more.
    ended: bool,
}

/// Why commands at hand are not carried out yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// There are none.
    Nothing,
    /// They have to wait for earlier ones.
    Earlier,
    /// The replies so far should be sent first.
    Replies,
    /// The connection ends.
    End,
}

impl Connection {
    pub(super) fn new(
        id: u64,
        peer: SocketAddr,
        stream: TcpStream,
        clients: Arc<Clients>,
    ) -> Connection {
        let limits = Limits {
            bulk_bytes_kept: clients.handle.value_bytes_max() + (64 << 10),
            ..Limits::default()
        };
        let mut decoder = Decoder::new(limits);
        decoder.restrict(clients.options.password.is_some());
        let mailbox = Arc::<Mailbox>::default();
        Connection {
            stream,
            received: BytesMut::new(),
            decoder,
            out: Encoder::default(),
            window: Window::default(),
            session: Session::new(id, peer, clients.clone(), mailbox.clone()),
            mailbox,
            submissions: Vec::new(),
            clients,
            ended: false,
        }
    }

    pub(super) async fn run(mut self) -> std::io::Result<()> {
        let mut arrived = Vec::new();
        loop {
            let pause = self.work();
            if !self.submissions.is_empty()
                && let Err(failure) = self.clients.handle.submit(&mut self.submissions).await
            {
                return self.end(failure).await;
            }
            if !self.out.is_empty() {
                self.stream.write_all(self.out.as_bytes()).await?;
                self.out.clear(RETAINED_BYTES);
            }
            match pause {
                Pause::End => return self.stream.shutdown().await,
                Pause::Replies => continue,
                Pause::Nothing | Pause::Earlier => {}
            }
            if self.ended && self.window.is_empty() {
                return Ok(());
            }
            let reading = pause == Pause::Nothing && !self.window.is_full() && !self.ended;
            tokio::select! {
                biased;
                () = self.mailbox.take(&mut arrived), if !self.window.is_empty() => {
                    for (token, reply) in arrived.drain(..) {
                        self.window.arrive(token, reply);
                    }
                    while let Some(slot) = self.window.pop() {
                        self.session.finish(slot, &mut self.out);
                    }
                }
                read = self.stream.read_buf(&mut self.received), if reading => {
                    // Whoever closes its side may still want the replies to what it asked.
                    self.ended = read? == 0;
                }
            }
        }
    }

    /// Carries out the commands at hand.
    fn work(&mut self) -> Pause {
        let batch = self.clients.handle.batch();
        let mut done = 0;
        let pause = loop {
            if self.window.is_full() {
                break Pause::Earlier;
            }
            if self.out.len() >= OUT_BYTES {
                break Pause::Replies;
            }
            let (consumed, verdict) = match self.decoder.next(&self.received[done..]) {
                Ok(Decoded::Command { args, consumed }) => {
                    let verdict = match Command::parse(args) {
                        Ok(command) => self.session.execute(
                            command,
                            batch,
                            &mut self.window,
                            &mut self.out,
                            &mut self.submissions,
                        ),
                        // A web page that posts to this port must not get its body carried out.
                        Err(error) if error.is_http() => break Pause::End,
                        Err(error) => self.session.refuse(&error, &mut self.window, &mut self.out),
                    };
                    (consumed, verdict)
                }
                Ok(Decoded::TooLarge { consumed }) => {
                    let error = CommandError::TooLong;
                    (consumed, self.session.refuse(&error, &mut self.window, &mut self.out))
                }
                Ok(Decoded::Incomplete { consumed, wanted }) => {
                    self.received.advance(done + consumed);
                    self.received.reserve(wanted.max(READ_BYTES));
                    return Pause::Nothing;
                }
                // Its turn comes when what was asked before is answered.
                Err(_) if !self.window.is_empty() => break Pause::Earlier,
                Err(error) => {
                    error.encode(&mut self.out);
                    break Pause::End;
                }
            };
            match verdict {
                Verdict::Done => {}
                // The decoder gives the same command again.
                Verdict::Wait => break Pause::Earlier,
                Verdict::Close => break Pause::End,
            }
            done += consumed;
            self.decoder.restrict(!self.session.is_authenticated());
        };
        self.received.advance(done);
        pause
    }

    /// The node has stopped: say so, and close.
    async fn end(&mut self, failure: Failure) -> std::io::Result<()> {
        self.out.error(format!("ERR {failure}").as_bytes());
        self.stream.write_all(self.out.as_bytes()).await?;
        self.stream.shutdown().await
    }
}
