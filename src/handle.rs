//! The fast path: local operations straight on the store, everything else to the driver.
//!
//! A handle is cheap to clone and shared by all connections and callers. A local operation is one
//! step on the caller's thread under one lock: no channel, no task switch. What needs a peer goes to
//! the node in batches, and its answers come back in batches.
//!
//! What it keeps true: no local answer is given by a process that was not running. Every batch reads
//! the clock once and compares it with the driver's last turn; a gap of more than 100 ms means that
//! memory may have been overtaken, and everything goes to the node, which knows what to do.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::config::SUBMISSIONS_MAX;
use crate::node::event::{Command, Failure, Reply};
use crate::node::lateness::GAP_NS_MAX;
use crate::store::{Answer, Clock, KeyRef, Mono, NotHere, Now, Operation, Store};

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

    /// Hands commands to the node. Waits while too many are under way already.
    ///
    /// # Errors
    /// Why the node takes none any more.
    pub async fn submit(&self, batch: &mut Vec<Submission>) -> Result<(), Failure> {
        // Permits are taken for as many as can be had at all.
        while !batch.is_empty() {
            let count = batch.len().min(SUBMISSIONS_MAX / 4);
            let permits = self.shared.submissions.reserve_many(count).await;
            let permits = permits.map_err(|_| self.shared.end())?;
            for (permit, submission) in permits.zip(batch.drain(..count)) {
                permit.send(submission);
            }
        }
        Ok(())
    }

    /// Asks the node one thing.
    ///
    /// # Errors
    /// Why the node does not answer any more.
    pub async fn ask(&self, command: Command) -> Result<Reply, Failure> {
        let (caller, answer) = oneshot::channel();
        let submission = Submission { command, reply_to: ReplyTo::Caller(caller) };
        let sent = self.shared.submissions.send(submission).await;
        sent.map_err(|_| self.shared.end())?;
        answer.await.map_err(|_| self.shared.end())
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
