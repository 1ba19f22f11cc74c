//! One client's connection: reads commands, answers what this node's store can answer on the spot,
//! hands the rest to the node in batches, and writes the replies in order.
//!
//! Commands overlap up to a [`Window`], but one waits for earlier unfinished ones that touch a key it
//! touches; commands about the connection, a whole database or very many keys wait for all, and all
//! wait for them. Memory is bounded: a client that does not read its replies is not read either, and
//! a long command has to have a place before it is read ([`Arrival`]). Such a one is kept as it came,
//! and what goes to the node of it is not copied, so one place is enough for all of its way.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::arrival::{Arrival, Change, late};
use super::decode::{Decoded, Decoder, Limits};
use super::encode::Encoder;
use super::listener::Clients;
use super::session::{Progress, Session, Verdict};
use super::window::Window;
use super::{Command, CommandError};
use crate::handle::{Mailbox, SHORT_BYTES, Submission};
use crate::node::event::Failure;

/// Replies are sent when they have grown to this, in bytes, even if more could be added.
pub(super) const OUT_BYTES: usize = 256 << 10;
/// Memory that an idle connection keeps for replies.
const RETAINED_BYTES: usize = 16 << 10;
/// Least room for a read.
pub(super) const READ_BYTES: usize = 16 << 10;

/// What a client is told whose command took too long to arrive.
const LATE: &[u8] = b"ERR the rest of a long command did not arrive, and others wait for its place";

/// What a client is told that sends so much before its password.
const TOO_LONG: &[u8] = b"ERR Protocol error: unauthenticated command of more than 65536 bytes";

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    received: BytesMut,
    /// A long command that is there, with its place.
    whole: Bytes,
    arrival: Arrival,
    /// Bytes that are missing of the command at hand, at least.
    wanted: usize,
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
            whole: Bytes::new(),
            arrival: Arrival::default(),
            wanted: 1,
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
                self.write().await?;
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
            let next = pause == Pause::Nothing && !self.window.is_full() && !self.ended;
            let (entering, long) =
                (next && self.arrival.is_waiting(), next && self.arrival.is_long());
            let reading = next && !entering;
            let room = self.arrival.room(self.received.len(), self.wanted);
            if reading {
                self.received.reserve(room);
            }
            // Of a long command no more than there is a place for.
            let most = if long { room } else { usize::MAX };
            let there = self.received.len();
            let mut into = (&mut self.received).limit(most);
            tokio::select! {
                biased;
                () = self.mailbox.take(&mut arrived), if !self.window.is_empty() => {
                    for (token, reply) in arrived.drain(..) {
                        self.window.arrive(token, reply);
                    }
                }
                read = self.stream.read_buf(&mut into), if reading => {
                    // Whoever closes its side may still want the replies to what it asked.
                    self.ended = read? == 0;
                }
                change = self.arrival.change(there, &self.clients.handle), if entering || long => {
                    if let Change::Late = change {
                        self.out.error(LATE);
                        self.stream.write_all(self.out.as_bytes()).await?;
                        return self.stream.shutdown().await;
                    }
                }
            }
        }
    }

    /// Writes the replies that are complete, and carries out the commands at hand.
    fn work(&mut self) -> Pause {
        let batch = self.clients.handle.batch();
        while self.out.len() < OUT_BYTES
            && let Some(slot) = self.window.pop()
        {
            self.session.finish(slot, &mut self.out);
        }
        let mut done = 0;
        let pause = loop {
            if self.out.len() >= OUT_BYTES {
                break Pause::Replies;
            }
            if self.window.is_full() {
                break Pause::Earlier;
            }
            let Connection { session, window, out, submissions, .. } = self;
            match session.go_on(batch, window, out, submissions) {
                Progress::Done => {}
                Progress::Waiting => break Pause::Earlier,
                Progress::Sending => break Pause::Replies,
            }
            let whole = self.whole.clone();
            let bytes = if whole.is_empty() { &self.received[done..] } else { &whole[..] };
            let (consumed, verdict) = match self.decoder.next(bytes) {
                Ok(Decoded::Command { consumed, .. }) if self.arrival.is_long() => {
                    self.keep(done, consumed);
                    done = 0;
                    // Once more, from where it is now.
                    continue;
                }
                Ok(Decoded::Command { args, consumed }) => {
                    self.session.keep(whole.clone());
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
                    if !self.session.is_authenticated()
                        && self.received.len() + wanted > SHORT_BYTES
                    {
                        // It would take a place that those who may need it would wait for.
                        self.out.error(TOO_LONG);
                        return Pause::End;
                    }
                    self.expect(wanted);
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
            match whole.is_empty() {
                true => done += consumed,
                false => self.whole = Bytes::new(),
            }
            self.session.keep(Bytes::new());
            self.decoder.restrict(!self.session.is_authenticated());
        };
        self.received.advance(done);
        pause
    }

    /// So many bytes are missing of a command, at least.
    fn expect(&mut self, wanted: usize) {
        self.wanted = wanted;
        let bytes = self.received.len() + wanted;
        self.arrival.announce(bytes, &self.clients.handle);
        if bytes <= SHORT_BYTES && self.received.capacity() > 2 * SHORT_BYTES {
            // A long command has gone by, and its memory would stay.
            self.received = BytesMut::from(&self.received[..]);
        }
    }

    /// A long command is there: it gets its place, and leaves behind what came after it.
    fn keep(&mut self, from: usize, bytes: usize) {
        let mut received = std::mem::take(&mut self.received);
        received.advance(from);
        self.received.extend_from_slice(&received[bytes..]);
        received.truncate(bytes);
        if let Some(place) = self.arrival.take() {
            self.whole = place.around(received.freeze());
        }
    }

    /// Sends the replies so far. A client that does not read them, and has a place that others wait
    /// for, is not waited for.
    async fn write(&mut self) -> std::io::Result<()> {
        let placed = self.arrival.is_long() || !self.whole.is_empty() || self.session.has_place();
        let mut left = self.out.as_bytes();
        while !left.is_empty() {
            tokio::select! {
                biased;
                written = self.stream.write(left) => match written? {
                    0 => return Err(ErrorKind::WriteZero.into()),
                    written => left = &left[written..],
                },
                () = late(Instant::now(), 0, &self.clients.handle), if placed => {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    }

    /// The node has stopped: say so, and close.
    async fn end(&mut self, failure: Failure) -> std::io::Result<()> {
        self.out.error(format!("ERR {failure}").as_bytes());
        self.stream.write_all(self.out.as_bytes()).await?;
        self.stream.shutdown().await
    }
}
