//! The tasks of one endpoint, so that all of them can be ended at once.
//!
//! An endpoint must be able to vanish as if its process had been killed: no task of ours or of
//! quinn's may run on, and no CLOSE frame may escape. Aborting tasks through the runtime only
//! *schedules* their end, and the socket would stay bound until they were polled again; so every
//! task's future lives in a slot that [`Tasks::kill`] empties on the spot.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::endpoint::Runtime;

pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Slot = Arc<Mutex<Option<Job>>>;

pub(super) struct Tasks {
    pub(super) runtime: Arc<dyn Runtime>,
    /// Tasks may be started from a thread that is not inside the runtime.
    context: Option<tokio::runtime::Handle>,
    registry: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    killed: bool,
    slots: BTreeMap<u64, Slot>,
}

impl Tasks {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Tasks {
        let context = tokio::runtime::Handle::try_current().ok();
        Tasks { runtime, context, registry: Arc::default() }
    }

    pub(super) fn start(&self, job: Job) {
        let slot: Slot = Arc::new(Mutex::new(Some(job)));
        let id = {
            let mut registry = self.registry.lock();
            if registry.killed {
                return;
            }
            let id = registry.next;
            registry.next += 1;
            registry.slots.insert(id, slot.clone());
            id
        };
        let _inside = self.context.as_ref().map(|context| context.enter());
        self.runtime.spawn(Box::pin(Task { id, slot, registry: self.registry.clone() }));
    }

    /// Drops every task where it stands; later ones do not start. Must not be called by one of
    /// them: it would wait for its own end.
    pub(super) fn kill(&self) {
        let slots = {
            let mut registry = self.registry.lock();
            registry.killed = true;
            std::mem::take(&mut registry.slots)
        };
        for slot in slots.into_values() {
            // Dropped outside the lock: a future's end may wake or start other tasks.
            let job = slot.lock().take();
            drop(job);
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({})", self.registry.lock().slots.len())
    }
}

struct Task {
    id: u64,
    slot: Slot,
    registry: Arc<Mutex<Registry>>,
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = self.slot.lock();
        if let Some(job) = slot.as_mut() {
            if job.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            *slot = None;
        }
        Poll::Ready(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.registry.lock().slots.remove(&self.id);
    }
}
