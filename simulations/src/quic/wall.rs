//! The wall clock of a host: as wrong as the plan wants it, in every life of its process.

use std::sync::{Arc, Mutex, PoisonError};

use chickadee::handle::WallClock;
use tokio::time::Instant;

use crate::time::{Clocks, Time};

/// A wall clock that can be set.
#[derive(Clone, Debug)]
pub struct Wall {
    begun: Instant,
    clocks: Arc<Mutex<Clocks>>,
}

impl Wall {
    /// The clock of a host of a run that began then.
    pub fn new(begun: Instant, clocks: Clocks) -> Wall {
        Wall { begun, clocks: Arc::new(Mutex::new(clocks)) }
    }

    /// Sets it.
    pub fn set(&self, clocks: Clocks) {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner) = clocks;
    }
}

impl WallClock for Wall {
    fn now_ms(&self) -> u64 {
        let time = Time(self.begun.elapsed().as_nanos() as u64);
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner).read(time).wall_ms
    }
}
