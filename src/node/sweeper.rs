//! Sweeping for what is dead: expired and flushed entries that nobody reads. Little at a time, more
//! often while much is found.

use crate::store::{Clock, Mono, Now, Store};

/// Time between two sweeps, in milliseconds.
const SWEEP_MS: u64 = 100;
/// The same while there is much to sweep.
const SWEEP_SOON_MS: u64 = 5;
/// Buckets looked at in one sweep of one shard.
const BUCKETS: usize = 1024;
/// Shards looked at in one sweep.
const SHARDS: usize = 4;

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
        let mut removed = 0;
        for _ in 0..SHARDS.min(store.shards()) {
            removed += store.sweep(self.shard, BUCKETS, clock, now.mono);
            self.shard = (self.shard + 1) % store.shards();
        }
        // After a flush, or when many deadlines meet, a quarter of what is looked at is dead.
        let much = 4 * removed > SHARDS * BUCKETS;
        self.next = now.mono.plus_ms(if much { SWEEP_SOON_MS } else { SWEEP_MS });
    }

    /// When [`Sweeper::tick`] wants to be called.
    pub fn next_deadline(&self) -> Mono {
        self.next
    }
}
