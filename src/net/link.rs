//! One connection: its Hello, its lanes, its end.
//!
//! The acceptor sends its Hello as the first frame of its control lane; the dialer shows it to the
//! caller and sends its own when the caller accepts; the acceptor shows that one to its caller.
//! Until a side's caller has accepted, that side opens no lane and reads none but the beginning of
//! the control lane, so whatever arrives early waits in QUIC's buffers.
//!
//! Then one task per lane and direction. A writer takes everything that waits for its lane in one
//! batch per wake-up, a reader cuts all chunks that are there and passes the frames on in one
//! event: a task switch, a lock and a packet per batch, not per frame.

use std::mem::take;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::{timeout, timeout_at};

use super::arriving::{LARGE_FRAME, Reservation};
use super::connect::refusal;
use super::endpoint::{
    Connection, ConnectionError, Hub, ReadError, RecvStream, SendStream, WriteError, close_code,
};
use super::events::Gone;
use super::lane::{Cutter, TooLong};
use super::table::Outbox;
use super::{BULK, CONTROL, DialError, Event, LANES, LARGE, LinkId};
use crate::placement::peer::{Generation, NodeId};

/// Why a link is closed whose lane ended.
const ENDED: &str = "a lane was ended";

/// Chunks that a reader takes at once; one is about a packet's content.
const CHUNKS: usize = 16;

/// A connection to a named peer.
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) peer: NodeId,
    /// The address dialed, or the one it came from.
    pub(super) addr: SocketAddr,
    pub(super) dialed: bool,
    pub(super) connection: Connection,
    /// It carries nothing but the lane of bulk, from its dialer to its acceptor.
    bulk: AtomicBool,
    writers: [Notify; LANES],
    /// A large frame waits, or may be written by now.
    pub(super) large: Notify,
    /// What may be arriving on it of large frames.
    pub(super) arriving: Arc<Semaphore>,
    /// Lanes that have a writer, one bit each.
    lanes_out: AtomicU8,
    /// A lane without a writer has something to write.
    writer_missing: Notify,
    /// Lanes that the peer has opened, one bit each.
    lanes_in: AtomicU8,
    /// Grows with everything written and read.
    traffic: AtomicU64,
    pub(super) writing: AtomicUsize,
    /// Out of the table: nothing of it may reach the caller but its end.
    retired: AtomicBool,
    /// It was closed for the caller, who is to hear of its end all the same.
    tells_down: AtomicBool,
    /// Why we closed it.
    closed: OnceLock<String>,
}

impl Link {
    pub(super) fn new(
        id: LinkId,
        peer: NodeId,
        addr: SocketAddr,
        dialed: bool,
        connection: Connection,
        arriving: Arc<Semaphore>,
    ) -> Link {
        Link {
            id,
            peer,
            addr,
            dialed,
            connection,
            bulk: AtomicBool::new(false),
            writers: Default::default(),
            large: Notify::new(),
            arriving,
            lanes_out: AtomicU8::new(0),
            writer_missing: Notify::new(),
            lanes_in: AtomicU8::new(0),
            traffic: AtomicU64::new(0),
            writing: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            tells_down: AtomicBool::new(false),
            closed: OnceLock::new(),
        }
    }

    pub(super) fn close(&self, code: u64, reason: &str) {
        let _ = self.closed.set(reason.to_owned());
        self.connection.close(close_code(code), reason.as_bytes());
    }

    pub(super) fn retire(&self, tells_down: bool) {
        self.tells_down.store(tells_down, Ordering::Relaxed);
        self.retired.store(true, Ordering::Release);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(super) fn make_bulk(&self) {
        self.bulk.store(true, Ordering::Relaxed);
        if self.dialed {
            // Its writer comes with it.
            self.lanes_out.fetch_or(1 << BULK, Ordering::AcqRel);
        }
    }

    pub(super) fn is_bulk(&self) -> bool {
        self.bulk.load(Ordering::Relaxed)
    }

    /// Why we closed it.
    pub(super) fn reason(&self) -> Option<String> {
        self.closed.get().cloned()
    }

    /// What [`Link::is_silent_since`] compares with.
    pub(super) fn seen(&self) -> u64 {
        self.traffic.load(Ordering::Relaxed)
    }

    /// Whether nothing was written or read since then, and nothing is being written.
    pub(super) fn is_silent_since(&self, seen: u64) -> bool {
        self.seen() == seen && self.writing.load(Ordering::Relaxed) == 0
    }

    pub(super) fn wake_writer(&self, lane: usize) {
        match self.lanes_out.load(Ordering::Acquire) & 1 << lane {
            0 => self.writer_missing.notify_one(),
            _ => self.writers[lane].notify_one(),
        }
    }

    pub(super) fn touched(&self) {
        self.traffic.fetch_add(1, Ordering::Relaxed);
    }
}

/// Codes of our CLOSE frames. Refusals by the caller are above them.
pub(super) mod code {
    pub(crate) const CLOSED: u64 = 0;
    pub(crate) const SURPLUS: u64 = 1;
    pub(crate) const REPLACED: u64 = 2;
    pub(crate) const VIOLATION: u64 = 3;
    pub(crate) const NO_HELLO: u64 = 4;
    pub(crate) const WRONG_PEER: u64 = 5;
    /// A connection for bulk without a link to the same life of its dialer.
    pub(crate) const UNWANTED: u64 = 6;
    /// The caller's code is added to this.
    pub(crate) const REFUSED: u64 = 1 << 32;
}

/// Why a link never came to be, or ended.
#[derive(Debug)]
pub(super) enum Failure {
    Timeout,
    Lost(ConnectionError),
    /// The peer broke the rules of this layer.
    Violation(String),
    /// The peer ended a lane, which only that of bulk may.
    Ended,
    /// The caller refused it, and knows.
    Declined,
    /// A newer life of the peer is connected.
    Stale(Generation, SocketAddr),
    /// Nobody takes our events any more.
    Gone,
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Failure {
        Failure::Lost(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        match error {
            ReadError::ConnectionLost(error) => Failure::Lost(error),
            _ => Failure::Violation("a lane was reset".to_owned()),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        match error {
            WriteError::ConnectionLost(error) => Failure::Lost(error),
            _ => Failure::Violation("a lane was stopped".to_owned()),
        }
    }
}

impl From<TooLong> for Failure {
    fn from(TooLong { announced, limit }: TooLong) -> Failure {
        Failure::Violation(format!("a frame of {announced} bytes, where {limit} are allowed"))
    }
}

impl From<Gone> for Failure {
    fn from(Gone: Gone) -> Failure {
        Failure::Gone
    }
}

/// The caller's answer to a Hello.
pub(super) enum Verdict {
    Accepted { outbox: Arc<Outbox>, announce: bool, generation: Generation },
    Stale(Generation, SocketAddr),
    Declined,
}

/// A link that the caller accepted, ready to be served.
pub(super) struct Accepted {
    pub(super) outbox: Arc<Outbox>,
    announce: bool,
    generation: Generation,
    /// The control lane, or that of bulk.
    pub(super) lane_in: LaneIn,
    /// The acceptor's, which carried its Hello; the dialer's is yet to be opened.
    control_out: Option<SendStream>,
}

/// Brings a link from the handshake to the caller's acceptance. On a failure the link is closed.
pub(super) async fn greet(hub: &Hub, link: &Arc<Link>) -> Result<Accepted, Failure> {
    let result = try_greet(hub, link).await;
    match &result {
        Ok(_) => {}
        Err(Failure::Timeout) => {
            link.close(code::NO_HELLO, "no Hello, or no answer to it, in time")
        }
        Err(Failure::Violation(reason)) => link.close(code::VIOLATION, reason),
        Err(Failure::Ended) => link.close(code::VIOLATION, ENDED),
        Err(Failure::Stale(generation, addr)) => {
            link.close(code::REPLACED, &superseded(*generation, *addr));
        }
        Err(Failure::Lost(error)) => tell_superseded(hub, error).await,
        Err(Failure::Declined) => {}
        Err(Failure::Gone) => link.close(code::CLOSED, ""),
    }
    result
}

async fn try_greet(hub: &Hub, link: &Arc<Link>) -> Result<Accepted, Failure> {
    let patience = hub.options.hello_timeout;
    let control_out = match link.dialed {
        true => None,
        false => Some(within(patience, open_greeting(hub, link, CONTROL)).await?),
    };
    let (lane_in, hello) = within(patience, read_hello(hub, link)).await?;
    let (answer, mut verdict) = oneshot::channel();
    hub.await_verdict(link.clone(), answer);
    let hello = Event::Hello {
        link: link.id,
        peer: link.peer,
        addr: link.addr,
        dialed: link.dialed,
        bytes: hello,
    };
    let given = within(patience, async {
        hub.events.send(hello).await?;
        tokio::select! {
            biased;
            verdict = &mut verdict => verdict.map_err(|_| Failure::Declined),
            error = link.connection.closed() => Err(Failure::Lost(error)),
        }
    });
    let given = match given.await {
        // The question is withdrawn, unless an answer was being given at that very moment.
        Err(failure @ (Failure::Timeout | Failure::Lost(_) | Failure::Gone)) => {
            match hub.forget_verdict(link.id) {
                true => Err(failure),
                false => verdict.await.map_err(|_| Failure::Declined),
            }
        }
        given => given,
    };
    match given? {
        Verdict::Accepted { outbox, announce, generation } => {
            Ok(Accepted { outbox, announce, generation, lane_in, control_out })
        }
        Verdict::Stale(generation, addr) => Err(Failure::Stale(generation, addr)),
        Verdict::Declined => Err(Failure::Declined),
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(patience, work).await.unwrap_or(Err(Failure::Timeout))
}

/// Opens the lane whose first frame is the Hello.
pub(super) async fn open_greeting(hub: &Hub, link: &Link, lane: u8) -> Result<SendStream, Failure> {
    let mut stream = link.connection.open_uni().await?;
    // Before the operations in the same packets: control is small and others wait for it.
    let _ = stream.set_priority(1);
    let hello = hub.hello();
    let length = u32::try_from(hello.len()).expect("a Hello is far below 4 GiB").to_le_bytes();
    let head = Bytes::from([&[lane][..], &length].concat());
    stream.write_all_chunks(&mut [head, hello]).await?;
    Ok(stream)
}

async fn read_hello(hub: &Hub, link: &Link) -> Result<(LaneIn, Bytes), Failure> {
    let stream = link.connection.accept_uni().await?;
    let mut lane = LaneIn::new(hub, stream, hub.options.hello_bytes_max);
    while lane.frames.is_empty() {
        lane.read(hub, link).await?;
        match lane.number {
            Some(CONTROL) => {}
            Some(BULK) if !link.dialed => link.make_bulk(),
            _ => {
                let reason = "the first lane is not the control lane";
                return Err(Failure::Violation(reason.to_owned()));
            }
        }
    }
    let hello = lane.frames.remove(0);
    Ok((lane, hello))
}

/// Serves an accepted link until it ends, and tells the caller of its beginning and its end.
pub(super) async fn serve(
    hub: &Arc<Hub>,
    link: &Arc<Link>,
    accepted: Accepted,
    expected: Option<NodeId>,
) {
    let Accepted { outbox, announce, generation, lane_in, control_out } = accepted;
    if announce {
        let up = Event::Up { peer: link.peer, link: link.id, generation };
        let _ = hub.events.send(up).await;
    }
    let (reading, mut all_read) = mpsc::channel(1);
    let failure = run(hub, link, &outbox, lane_in, control_out, reading).await;
    if let Failure::Violation(reason) = &failure {
        link.close(code::VIOLATION, reason);
    } else {
        // Only for its readers and writers, should it not be closed yet.
        link.connection.close(close_code(code::CLOSED), b"");
    }
    let left = hub.table.lock().leave(link);
    let last = left.is_some();
    for bulk in left.into_iter().flatten() {
        bulk.retire(false);
        bulk.close(code::CLOSED, "the link beside it is gone");
    }
    // What arrived in whole before the end still comes before the Down.
    if !link.is_retired() {
        let _: Option<()> = all_read.recv().await;
    }
    if let Failure::Lost(error) = &failure {
        tell_superseded(hub, error).await;
    }
    if let Some(error) = refused_late(link, &failure) {
        let failed = Event::DialFailed { addr: link.addr, expected, error };
        let _ = hub.events.send(failed).await;
    }
    if last || link.tells_down.load(Ordering::Relaxed) {
        let reason = match (link.closed.get(), failure) {
            (Some(reason), _) => reason.clone(),
            (None, Failure::Lost(error)) => error.to_string(),
            (None, failure) => format!("{failure:?}"),
        };
        let _ = hub.events.send(Event::Down { peer: link.peer, reason }).await;
    }
}

/// The reason in a CLOSE frame with REPLACED: which life is connected instead, and where.
pub(super) fn superseded(generation: Generation, addr: SocketAddr) -> String {
    format!("a newer life of this node is connected: {} at {addr}", generation.0)
}

/// The way back.
fn parse_superseded(reason: &[u8]) -> Option<(Generation, SocketAddr)> {
    let (_, life) = std::str::from_utf8(reason).ok()?.rsplit_once(": ")?;
    let (generation, addr) = life.split_once(" at ")?;
    Some((Generation(generation.parse().ok()?), addr.parse().ok()?))
}

/// Tells the caller, should that be why the link ended.
async fn tell_superseded(hub: &Hub, error: &ConnectionError) {
    if let ConnectionError::ApplicationClosed(close) = error
        && close.error_code == close_code(code::REPLACED)
        && let Some((generation, addr)) = parse_superseded(&close.reason)
    {
        let _ = hub.events.send(Event::Superseded { generation, addr }).await;
    }
}

/// The peer's caller refused our Hello after ours had accepted the peer's.
fn refused_late(link: &Link, failure: &Failure) -> Option<DialError> {
    match failure {
        Failure::Lost(error) if link.dialed => refusal(error),
        _ => None,
    }
}

/// `reading` is held by every reader; when all have ended, its channel closes.
async fn run(
    hub: &Arc<Hub>,
    link: &Arc<Link>,
    outbox: &Arc<Outbox>,
    control_in: LaneIn,
    control_out: Option<SendStream>,
    reading: mpsc::Sender<()>,
) -> Failure {
    let control_out = match control_out {
        Some(stream) => stream,
        None => match within(hub.options.hello_timeout, open_greeting(hub, link, CONTROL)).await {
            Ok(stream) => stream,
            Err(failure) => return failure,
        },
    };
    start_writer(hub, link, outbox, usize::from(CONTROL), Some(control_out));
    start_reader(hub, link, control_in, reading.clone());
    loop {
        tokio::select! {
            biased;
            () = link.writer_missing.notified() => {
                for lane in 0..LANES {
                    let missing = link.lanes_out.load(Ordering::Acquire) & 1 << lane == 0;
                    if missing && outbox.has(link.id, lane) {
                        start_writer(hub, link, outbox, lane, None);
                    }
                }
            }
            stream = link.connection.accept_uni() => match stream {
                Ok(stream) => {
                    let lane = LaneIn::new(hub, stream, hub.options.frame_bytes_max);
                    start_reader(hub, link, lane, reading.clone());
                }
                Err(error) => return error.into(),
            },
            datagram = link.connection.read_datagram() => match datagram {
                Ok(_) if link.is_retired() => {}
                Ok(bytes) => {
                    link.touched();
                    hub.events.offer(Event::Datagram { peer: link.peer, link: link.id, bytes });
                }
                Err(error) => return error.into(),
            },
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Lanes
// ---------------------------------------------------------------------------------------------

fn start_writer(
    hub: &Hub,
    link: &Arc<Link>,
    outbox: &Arc<Outbox>,
    lane: usize,
    stream: Option<SendStream>,
) {
    // Before the writer's first look, so that nobody who comes after it calls for another.
    link.lanes_out.fetch_or(1 << lane, Ordering::AcqRel);
    let (link, outbox) = (link.clone(), outbox.clone());
    hub.tasks.start(Box::pin(async move {
        let stream = match stream {
            Some(stream) => Ok(stream),
            None => open_lane(&link, lane).await,
        };
        let failure = match stream {
            Ok(mut stream) => write_lane(&link, &outbox, lane, &mut stream).await,
            Err(failure) => failure,
        };
        if let Failure::Violation(reason) = failure {
            link.close(code::VIOLATION, &reason);
        }
    }));
}

async fn open_lane(link: &Link, lane: usize) -> Result<SendStream, Failure> {
    let mut stream = link.connection.open_uni().await?;
    if lane == usize::from(BULK) {
        // Behind the operations, where it has to share a connection with them.
        let _ = stream.set_priority(-1);
    }
    stream.write_all(&[lane as u8]).await?;
    Ok(stream)
}

/// Runs until the link ends.
pub(super) async fn write_lane(
    link: &Link,
    outbox: &Arc<Outbox>,
    lane: usize,
    stream: &mut SendStream,
) -> Failure {
    loop {
        let Some(mut batch) = outbox.take(link.id, lane) else {
            tokio::select! {
                biased;
                () = link.writers[lane].notified() => continue,
                error = link.connection.closed() => return error.into(),
            }
        };
        link.writing.fetch_add(1, Ordering::Relaxed);
        let result = async {
            let mut from = 0;
            while from < batch.chunks.len() {
                let written = stream.write_chunks(&mut batch.chunks[from..]).await?;
                from += written.chunks;
                batch.wrote(written.bytes);
                link.touched();
            }
            Ok::<(), WriteError>(())
        };
        let result = result.await;
        link.writing.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = result {
            return error.into();
        }
    }
}

fn start_reader(hub: &Arc<Hub>, link: &Arc<Link>, mut lane: LaneIn, reading: mpsc::Sender<()>) {
    let (hub, link) = (hub.clone(), link.clone());
    let shared = hub.clone();
    hub.tasks.start(Box::pin(async move {
        let _reading = reading;
        let failure = read_lane(&shared, &link, &mut lane).await;
        match failure {
            Failure::Violation(reason) => link.close(code::VIOLATION, &reason),
            Failure::Ended => link.close(code::VIOLATION, ENDED),
            Failure::Gone if !link.is_retired() => link.close(code::CLOSED, "its caller is gone"),
            _ => {}
        }
    }));
}

pub(super) async fn read_lane(hub: &Hub, link: &Link, lane: &mut LaneIn) -> Failure {
    loop {
        if lane.has_frames()
            && let Err(gone) = lane.pass_on(hub, link).await
        {
            return gone.into();
        }
        if let Err(failure) = lane.read(hub, link).await {
            // What the same chunks completed before a violation goes with it: who breaks the
            // rules here is not believed the rest.
            return match failure {
                Failure::Timeout => Failure::Violation("a frame came too slowly".to_owned()),
                failure => failure,
            };
        }
    }
}

/// The receiving end of a lane.
pub(super) struct LaneIn {
    stream: RecvStream,
    /// It carries one frame, and is no lane.
    single: bool,
    /// The lane's number, once its first byte is there.
    number: Option<u8>,
    cutter: Cutter,
    /// Cut, and not yet passed on.
    frames: Vec<Bytes>,
    /// The place of the large frame that is arriving, and those of the ones that were cut.
    reserved: Option<Reservation>,
    arrived: Vec<Reservation>,
    chunks: [Bytes; CHUNKS],
    /// Which of the chunks are not cut yet.
    uncut: Range<usize>,
}

impl LaneIn {
    fn new(hub: &Hub, stream: RecvStream, first_frame_max: usize) -> LaneIn {
        LaneIn {
            stream,
            single: false,
            number: None,
            cutter: Cutter::new(first_frame_max, hub.options.frame_bytes_max),
            frames: Vec::new(),
            reserved: None,
            arrived: Vec::new(),
            chunks: Default::default(),
            uncut: 0..0,
        }
    }

    /// A stream that carries a single large frame.
    pub(super) fn large(hub: &Hub, stream: RecvStream) -> LaneIn {
        LaneIn { single: true, ..LaneIn::new(hub, stream, hub.options.frame_bytes_max) }
    }

    pub(super) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Hands what was cut to the caller.
    pub(super) async fn pass_on(&mut self, hub: &Hub, link: &Link) -> Result<(), Gone> {
        let number = self.number.expect("frames come after the lane's number");
        let (frames, arrived) = (take(&mut self.frames), take(&mut self.arrived));
        hub.events.frames(link, number, frames, arrived).await
    }

    /// Waits for bytes and cuts all that are there. There may be no whole frame among them. The rest
    /// waits until these frames are passed on where a large one is next: or it would wait for a place
    /// that one of these has.
    pub(super) async fn read(&mut self, hub: &Hub, link: &Link) -> Result<(), Failure> {
        if self.uncut.is_empty() {
            let chunks = self.stream.read_chunks(&mut self.chunks);
            let chunks = match &self.reserved {
                None => chunks.await?,
                Some(place) => {
                    let until = place.until(self.cutter.arrived());
                    timeout_at(until, chunks).await.map_err(|_| Failure::Timeout)??
                }
            };
            let Some(count) = chunks else { return Err(Failure::Ended) };
            link.touched();
            self.uncut = 0..count;
        }
        loop {
            if matches!(self.number, Some(BULK | LARGE))
                && self.reserved.is_none()
                && let Some(bytes) = self.cutter.begun().filter(|bytes| *bytes > LARGE_FRAME)
            {
                if !self.arrived.is_empty() {
                    return Ok(());
                }
                self.reserved = Some(hub.arriving.reserve(link, bytes).await?);
                self.cutter.make_room();
            }
            let Some(at) = self.uncut.next() else { return Ok(()) };
            let chunk = take(&mut self.chunks[at]);
            self.cut(chunk, link)?;
        }
    }

    fn cut(&mut self, mut chunk: Bytes, link: &Link) -> Result<(), Failure> {
        if self.number.is_none() && chunk.has_remaining() {
            let number = chunk.get_u8();
            if self.single != (number == LARGE) || usize::from(number) > LANES {
                return Err(Failure::Violation(format!("there is no lane {number}")));
            }
            let bit = 1 << number;
            let twice = link.lanes_in.fetch_or(bit, Ordering::Relaxed) & bit != 0;
            if twice && !self.single {
                return Err(Failure::Violation(format!("lane {number} was opened twice")));
            }
            self.number = Some(number);
        }
        let cut = self.frames.len();
        self.cutter.feed(chunk, &mut self.frames)?;
        if self.frames.len() > cut {
            self.arrived.extend(self.reserved.take());
        }
        Ok(())
    }
}

/// Closes a link of our dialing that another one replaces, once nothing moves on it.
pub(super) async fn close_surplus(hub: Arc<Hub>, link: Arc<Link>) {
    loop {
        let seen = link.seen();
        tokio::select! {
            biased;
            _ = link.connection.closed() => return,
            () = tokio::time::sleep(hub.options.surplus_linger) => {}
        }
        let table = hub.table.lock();
        if table.sending(link.peer).is_none_or(|(sending, _)| sending.id == link.id) {
            return;
        }
        if link.is_silent_since(seen) {
            link.close(code::SURPLUS, "another link to the same node is used");
            return;
        }
    }
}
