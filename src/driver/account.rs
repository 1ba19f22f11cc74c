//! What large frames that arrive are charged to.

use std::sync::Arc;

use crate::net::Ledger;
use crate::store::Store;

/// The budget of the store: what is arriving has its place there before it comes.
pub(super) struct Account(pub(super) Arc<Store>);

impl Ledger for Account {
    fn reserve(&self, bytes: usize) {
        self.0.reserve(bytes);
    }

    fn release(&self, bytes: usize) {
        self.0.release(bytes);
    }
}
