//! The way from the links to the caller: bounded in events and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Event;
use super::arriving::Reservation;
use super::link::Link;

/// An event, and its share of the byte budget, given back when the caller takes it.
struct Queued {
    event: Event,
    _budget: Option<OwnedSemaphorePermit>,
}

/// Where an endpoint's events come out. Dropping it ends the endpoint's readers.
pub struct EventReceiver {
    queue: mpsc::Receiver<Queued>,
    batch: Vec<Queued>,
}

impl EventReceiver {
    /// The next event; `None` when the endpoint is gone and all of its events were taken.
    /// Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.queue.recv().await.map(|queued| queued.event)
    }

    /// Waits for an event, then moves it and what else is there, `limit` at most, to the end of
    /// `into`. Answers how many: zero only when the endpoint is gone or `limit` is zero. Cancel
    /// safe.
    pub async fn recv_many(&mut self, into: &mut Vec<Event>, limit: usize) -> usize {
        let count = self.queue.recv_many(&mut self.batch, limit).await;
        into.extend(self.batch.drain(..).map(|queued| queued.event));
        count
    }

    /// An event that is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.queue.try_recv().ok().map(|queued| queued.event)
    }
}

/// The caller no longer takes events: nothing is left to do.
pub(super) struct Gone;

#[derive(Clone)]
pub(super) struct EventSender {
    queue: mpsc::Sender<Queued>,
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    dropped: Arc<AtomicU64>,
}

pub(super) fn channel(events_max: usize, bytes_max: usize) -> (EventSender, EventReceiver) {
    let (sender, receiver) = mpsc::channel(events_max.max(1));
    // A batch takes its whole share in one `u32`.
    let budget_bytes = bytes_max.clamp(1, u32::MAX as usize >> 3);
    let sender = EventSender {
        queue: sender,
        budget: Arc::new(Semaphore::new(budget_bytes)),
        budget_bytes,
        dropped: Arc::default(),
    };
    (sender, EventReceiver { queue: receiver, batch: Vec::new() })
}

impl EventSender {
    pub(super) async fn send(&self, event: Event) -> Result<(), Gone> {
        self.queue.send(Queued { event, _budget: None }).await.map_err(|_| Gone)
    }

    /// For what may be lost; counted if it was.
    pub(super) fn offer(&self, event: Event) {
        if self.queue.try_send(Queued { event, _budget: None }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for room, in bytes and in events. A link that was retired meanwhile stays silent: its
    /// frames must not come behind the Up of the life that replaced it.
    pub(super) async fn frames(
        &self,
        link: &Link,
        lane: u8,
        frames: Vec<Bytes>,
        arrived: Vec<Reservation>,
    ) -> Result<(), Gone> {
        // Besides its bytes, a frame costs its handle.
        let cost = frames.iter().map(|frame| frame.len() + size_of::<Bytes>()).sum::<usize>();
        // What is larger than the whole budget passes alone.
        let cost = cost.min(self.budget_bytes) as u32;
        let budget = self.budget.clone().acquire_many_owned(cost).await.map_err(|_| Gone)?;
        let place = self.queue.reserve().await.map_err(|_| Gone)?;
        if link.is_retired() {
            return Err(Gone);
        }
        let event = Event::Frames { peer: link.peer, link: link.id, lane, frames, arrived };
        place.send(Queued { event, _budget: Some(budget) });
        Ok(())
    }
}
