//! Sweeping for what is dead: expired and flushed entries that nobody reads. Little at a time, more
//! often while much is found.

use crate::store::{Clock, Mono, Now, Store};

/// Time between two sweeps, in milliseconds.
const SWEEP_MS: u64 = 20;
/// The same while there is much to sweep.
const SWEEP_SOON_MS: u64 = 5;
/// Buckets of one shard looked at in one sweep.
const BUCKETS: usize = 1024;

/// Where sweeping stands.
#[derive(Debug, Default)]
pub struct Sweeper {
    shard: usize,
    next: Mono,
}

impl Sweeper {
    /// Sweeps if it is time to.
    pub fn tick(&mut self, store: &Store, clock: &Clock, now: Now) {
        if now.mono < self.next {
            return;
        }
        let removed = store.sweep(self.shard, BUCKETS, clock, now.mono);
        self.shard = (self.shard + 1) % store.shards();
        // After a flush, or when many deadlines meet, a quarter of what is looked at is dead.
        let much = 4 * removed > BUCKETS;
        self.next = now.mono.plus_ms(if much { SWEEP_SOON_MS } else { SWEEP_MS });
    }

    /// When [`Sweeper::tick`] wants to be called.
    pub fn next_deadline(&self) -> Mono {
        self.next
    }
}
