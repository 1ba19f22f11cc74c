//! The fast path: local operations straight on the store, everything else to the driver.
//!
//! A handle is cheap to clone and shared by all connections and callers. A local operation is one
//! step on the caller's thread under one lock: no channel, no task switch. What needs a peer goes to
//! the node in batches, and its answers come back in batches.
//!
//! What it keeps true: no local answer is given by a process that was not running. Every batch reads
//! the clock once and compares it with the driver's last turn; a gap of more than 100 ms means that
//! memory may have been overtaken, and everything goes to the node, which knows what to do.

mod door;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::config::SUBMISSIONS_MAX;
use crate::node::event::{Command, Failure, Reply};
use crate::node::lateness::GAP_NS_MAX;
use crate::store::{Answer, Clock, KeyRef, Mono, NotHere, Now, Operation, Store};

use door::{Door, FREE_BYTES, arrives_within};
pub(crate) use door::{Place, SHORT_BYTES};

/// The clocks of a node. The monotonic one is tokio's: that of the system, read in place, unless
/// whoever built this asked for a clock that can be paused.
#[derive(Clone, Debug)]
pub struct Time {
    started: Instant,
    wall: Arc<dyn WallClock>,
}

/// What tells the time of day. A simulator brings its own, which may be wrong, and jump.
pub trait WallClock: fmt::Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The system's.
#[derive(Debug)]
struct SystemClock;

impl WallClock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
    }
}

impl Time {
    /// The real clocks, from now on.
    pub(crate) fn start() -> Time {
        Time::since(Instant::now(), Arc::new(SystemClock))
    }

    /// A monotonic clock that showed zero then, and that wall clock.
    pub fn since(started: Instant, wall: Arc<dyn WallClock>) -> Time {
        Time { started, wall }
    }

    pub(crate) fn mono(&self) -> Mono {
        Mono(self.started.elapsed().as_nanos() as u64)
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono(), wall_ms: self.wall.now_ms() }
    }

    pub(crate) fn instant(&self, mono: Mono) -> Instant {
        self.started + Duration::from_nanos(mono.0)
    }
}

/// Where the answers of one connection's commands arrive.
#[derive(Debug, Default)]
pub struct Mailbox {
    replies: Mutex<Vec<(u64, Reply)>>,
    arrived: Notify,
}

impl Mailbox {
    /// Waits until something arrived, and takes it all. Cancel safe.
    pub async fn take(&self, into: &mut Vec<(u64, Reply)>) {
        loop {
            {
                let mut replies = self.replies.lock();
                if !replies.is_empty() {
                    into.append(&mut replies);
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    fn put(&self, token: u64, reply: Reply) {
        let mut replies = self.replies.lock();
        replies.push((token, reply));
        if replies.len() == 1 {
            self.arrived.notify_one();
        }
    }
}

/// To whom an answer goes.
#[derive(Debug)]
pub enum ReplyTo {
    /// A connection's mailbox, under its own number for the command.
    Mailbox(Arc<Mailbox>, u64),
    /// One caller.
    Caller(oneshot::Sender<Reply>),
}

impl ReplyTo {
    pub(crate) fn send(self, reply: Reply) {
        match self {
            ReplyTo::Mailbox(mailbox, token) => mailbox.put(token, reply),
            // Nobody waits any more: not our concern.
            ReplyTo::Caller(caller) => drop(caller.send(reply)),
        }
    }
}

/// A command on its way to the node.
#[derive(Debug)]
pub struct Submission {
    /// What.
    pub command: Command,
    /// Who waits for the answer.
    pub reply_to: ReplyTo,
}

/// What handles and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) time: Time,
    /// The driver's last turn, in nanoseconds of [`Time`].
    pub(crate) last_turn: AtomicU64,
    pub(crate) ready: AtomicBool,
    pub(crate) changed: Notify,
    /// Another process runs under this node's name, and this one has ended.
    pub(crate) replaced: AtomicBool,
    pub(crate) door: Door,
    submissions: mpsc::Sender<Submission>,
}

impl Shared {
    /// Why commands are not answered any more.
    pub(crate) fn end(&self) -> Failure {
        match self.replaced.load(Ordering::Acquire) {
            true => Failure::Replaced,
            false => Failure::Stopping,
        }
    }
}

/// A handle on a running node.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A clock reading and what follows from it, for one batch of operations.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    now: Mono,
    late: bool,
}

impl Handle {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<Clock>,
        time: Time,
    ) -> (Handle, mpsc::Receiver<Submission>) {
        let (submissions, receiver) = mpsc::channel(SUBMISSIONS_MAX);
        let shared = Arc::new(Shared {
            door: Door::new(store.options().memory_bytes_max),
            store,
            clock,
            last_turn: AtomicU64::new(time.mono().0),
            time,
            ready: AtomicBool::new(false),
            changed: Notify::new(),
            replaced: AtomicBool::new(false),
            submissions,
        });
        (Handle { shared }, receiver)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads the clock, for the operations of one batch.
    pub fn batch(&self) -> Batch {
        let now = self.shared.time.mono();
        let last = Mono(self.shared.last_turn.load(Ordering::Acquire));
        Batch { now, late: now.since(last) >= GAP_NS_MAX }
    }

    /// Expiry time of a batch, in milliseconds since 1970.
    pub fn expiry_ms(&self, batch: Batch) -> u64 {
        self.shared.clock.expiry_ms(batch.now)
    }

    /// Answers from this node's store, if it may. `reply` is called with the answer under a lock:
    /// copy, and return.
    pub fn local<R>(
        &self,
        batch: Batch,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
        reply: impl FnOnce(Answer<&[u8]>) -> R,
    ) -> Result<R, NotHere> {
        if batch.late {
            return Err(NotHere::Late);
        }
        let Shared { store, clock, .. } = &*self.shared;
        store.apply(key, operation, clock, batch.now, reply)
    }

    /// Longest value this node takes, in bytes.
    pub fn value_bytes_max(&self) -> usize {
        self.shared.store.options().value_bytes_max
    }

    /// Hands commands to the node. Waits while too many are under way already, or too many bytes;
    /// those of values above [`SHORT_BYTES`] have been counted when they arrived.
    ///
    /// # Errors
    /// Why the node takes none any more.
    pub async fn submit(&self, batch: &mut Vec<Submission>) -> Result<(), Failure> {
        let mut placed = 0;
        while let Some(Submission { command, .. }) = batch.get_mut(placed) {
            if let Some(bytes) = longest(command).map(|bytes| bytes.len()).filter(is_short) {
                let place = match self.shared.door.try_enter(bytes) {
                    Some(place) => place,
                    None => {
                        // Those before it have the places that it waits for, perhaps.
                        self.send(batch, std::mem::take(&mut placed)).await?;
                        self.shared.door.enter(bytes).await
                    }
                };
                give(place, &mut batch[placed].command);
            }
            placed += 1;
        }
        self.send(batch, placed).await
    }

    /// Sends the first commands of a batch.
    async fn send(&self, batch: &mut Vec<Submission>, mut count: usize) -> Result<(), Failure> {
        // Permits are taken for as many as can be had at all.
        while count > 0 {
            let some = count.min(SUBMISSIONS_MAX / 4);
            let permits = self.shared.submissions.reserve_many(some).await;
            let permits = permits.map_err(|_| self.shared.end())?;
            for (permit, submission) in permits.zip(batch.drain(..some)) {
                permit.send(submission);
            }
            count -= some;
        }
        Ok(())
    }

    /// Asks the node one thing. Waits as [`Handle::submit`] does, for values of any size.
    ///
    /// # Errors
    /// Why the node does not answer any more.
    pub async fn ask(&self, mut command: Command) -> Result<Reply, Failure> {
        let bytes = longest(&mut command).map_or(0, |bytes| bytes.len());
        if bytes > FREE_BYTES {
            give(self.shared.door.enter(bytes).await, &mut command);
        }
        let (caller, answer) = oneshot::channel();
        let submission = Submission { command, reply_to: ReplyTo::Caller(caller) };
        let sent = self.shared.submissions.send(submission).await;
        sent.map_err(|_| self.shared.end())?;
        answer.await.map_err(|_| self.shared.end())
    }

    /// Waits until there is a place for so many bytes of a command that arrives, in all.
    pub(crate) async fn long_place(&self, place: Option<Place>, bytes: usize) -> Place {
        let door = &self.shared.door;
        match place {
            Some(place) => door.widen(place, bytes).await,
            None => door.enter(bytes).await,
        }
    }

    /// How long a command of which so many bytes have come, or gone, keeps a place that others want.
    pub(crate) fn patience(&self, bytes: usize) -> Duration {
        arrives_within(bytes)
    }

    /// Whether somebody waits for such a place.
    pub(crate) fn wants_long_places(&self) -> bool {
        self.shared.door.is_wanted()
    }

    /// What it keeps, and the clock that stamps it, for whoever checks both.
    #[cfg(feature = "simulation")]
    pub fn inside(&self) -> (&Arc<Store>, &Arc<Clock>) {
        (&self.shared.store, &self.shared.clock)
    }

    /// Whether this node has all of what it owns.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }
}

fn is_short(bytes: &usize) -> bool {
    (FREE_BYTES + 1..=SHORT_BYTES).contains(bytes)
}

/// The place goes with the key or the value, whichever is longer.
fn give(place: Place, command: &mut Command) {
    if let Some(bytes) = longest(command) {
        *bytes = place.around(std::mem::take(bytes));
    }
}

/// The key or the value of a command, whichever is longer.
fn longest(command: &mut Command) -> Option<&mut Bytes> {
    match command {
        Command::Key { key, operation, .. } => {
            let value = operation.value_mut().filter(|value| value.len() > key.bytes.len());
            Some(value.unwrap_or(&mut key.bytes))
        }
        Command::Explain { key } => Some(&mut key.bytes),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) use tests::alone;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::event::Level;
    use crate::placement::PartitionCount;
    use crate::store::{Key, Namespace, Rules, StoreOptions, Version, Writer};

    /// One without a node, and what was submitted to it.
    pub(crate) fn alone(max_memory: usize) -> (Handle, mpsc::Receiver<Submission>) {
        let time = Time::start();
        let store = Store::new(StoreOptions {
            partitions: PartitionCount::default(),
            shards: 1,
            memory_bytes_max: max_memory,
            value_bytes_max: max_memory / 16,
            seed: 0,
            rules: Rules::default(),
        });
        let clock = Clock::new(Writer(1), time.now());
        Handle::new(Arc::new(store), Arc::new(clock), time)
    }

    fn set(bytes: usize) -> Submission {
        let key = Key { namespace: Namespace(0), bytes: Bytes::from_static(b"k") };
        let operation = Operation::Set { value: Bytes::from(vec![0; bytes]), deadline_ms: None };
        let command = Command::Key { key, operation, level: Level::Quorum, min: Version::ZERO };
        Submission { command, reply_to: ReplyTo::Caller(oneshot::channel().0) }
    }

    #[tokio::test]
    async fn a_batch_with_more_than_there_are_places_for_goes_on_as_they_become_free() {
        let (handle, mut submissions) = alone(4 << 20);
        let mut batch: Vec<_> = (0..40).map(|_| set(60 << 10)).collect();
        batch.extend((0..100).map(|_| set(FREE_BYTES)));
        let submitting = tokio::spawn(async move { handle.submit(&mut batch).await });
        let mut at_once = 0;
        while let Ok(Some(submission)) =
            tokio::time::timeout(Duration::from_millis(200), submissions.recv()).await
        {
            at_once += 1;
            std::mem::forget(submission);
        }
        assert_eq!(at_once, (256 << 10) / (60 << 10), "as many as there are places for");
        submitting.abort();
        let (handle, mut submissions) = alone(4 << 20);
        let mut batch: Vec<_> = (0..40).map(|_| set(60 << 10)).collect();
        let submitting = tokio::spawn(async move { handle.submit(&mut batch).await });
        for _ in 0..40 {
            let next = tokio::time::timeout(Duration::from_secs(10), submissions.recv()).await;
            drop(next.expect("it does not wait for itself"));
        }
        submitting.await.unwrap().unwrap();
    }
}
