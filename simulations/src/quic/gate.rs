//! How a process is stopped, and how it ends: its tasks are not polled, or are gone.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A task.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Stands before all tasks of a process. Closed, none of them goes on, as if the process had been
/// sent SIGSTOP: what wakes them meanwhile is remembered.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// No task goes on from here.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// They go on, in the order in which they were woken.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.closed = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether a task has to wait; it is woken when it may go on.
    fn holds(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            state.waiting.push(cx.waker().clone());
        }
        state.closed
    }
}

/// A task behind a gate.
pub struct Gated {
    gate: Arc<Gate>,
    job: Job,
}

impl Gated {
    /// Puts a task behind a gate.
    pub fn new(gate: Arc<Gate>, job: Job) -> Gated {
        Gated { gate, job }
    }
}

impl Future for Gated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.gate.holds(cx) {
            return Poll::Pending;
        }
        self.job.as_mut().poll(cx)
    }
}

/// A task that can be ended from outside, on the spot. Aborting it through the runtime would only
/// let it end when it is polled next.
#[derive(Clone)]
pub struct Mortal {
    job: Arc<Mutex<Option<Job>>>,
}

impl Mortal {
    /// A task that lives until it is done, or ended.
    pub fn new(job: Job) -> Mortal {
        Mortal { job: Arc::new(Mutex::new(Some(job))) }
    }

    /// Drops it where it stands. Must not be called by the task itself.
    pub fn end(&self) {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(job);
    }
}

impl Future for Mortal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        match job.as_mut().map(|job| job.as_mut().poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => {
                *job = None;
                Poll::Ready(())
            }
        }
    }
}

impl fmt::Debug for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mortal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_task_goes_on_where_it_was_and_an_ended_one_does_not() {
        let gate = Arc::new(Gate::default());
        let polls = Arc::new(Mutex::new(0));
        let count = polls.clone();
        let job = Mortal::new(Box::pin(std::future::poll_fn(move |cx| {
            *count.lock().unwrap() += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        let mut task = Gated::new(gate.clone(), Box::pin(job.clone()));
        let mut poll = || Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        gate.close();
        assert!(poll().is_pending() && poll().is_pending());
        assert_eq!(*polls.lock().unwrap(), 1, "it stands still");
        gate.open();
        assert!(poll().is_pending());
        assert_eq!(*polls.lock().unwrap(), 2);
        job.end();
        assert!(poll().is_ready());
    }
}
