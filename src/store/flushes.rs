//! Flush stamps: one per namespace, and one for all. Everything at or below them is dead at once.

use super::clock::Stamp;
use super::entry::Namespace;

/// The flush stamps: everything at or below them is dead at once.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Flushes {
    all: Stamp,
    by_namespace: Vec<(Namespace, Stamp)>,
}

/// Most namespaces that can have a flush stamp of their own.
pub const FLUSHES_MAX: usize = 1024;

impl Flushes {
    /// The stamp up to which a namespace was flushed.
    pub fn of(&self, namespace: Namespace) -> Stamp {
        match self.by_namespace.binary_search_by_key(&namespace, |(n, _)| *n) {
            Ok(at) => self.all.max(self.by_namespace[at].1),
            Err(_) => self.all,
        }
    }

    /// Records a flush of one namespace, or of all. Returns whether that is news.
    pub fn raise(&mut self, namespace: Option<Namespace>, stamp: Stamp) -> bool {
        let Some(namespace) = namespace else {
            let news = stamp > self.all;
            self.raise_all(stamp);
            return news;
        };
        if stamp <= self.of(namespace) {
            return false;
        }
        match self.by_namespace.binary_search_by_key(&namespace, |(n, _)| *n) {
            Ok(at) => self.by_namespace[at].1 = stamp,
            Err(at) if self.by_namespace.len() < FLUSHES_MAX => {
                self.by_namespace.insert(at, (namespace, stamp));
            }
            // Beyond the bound one namespace's flush becomes everybody's: forgetting is allowed.
            Err(_) => self.raise_all(stamp),
        }
        true
    }

    /// Tables that mean the same are equal, because nodes compare them by a hash: what a flush of
    /// all covers is not listed.
    fn raise_all(&mut self, stamp: Stamp) {
        self.all = self.all.max(stamp);
        self.by_namespace.retain(|(_, own)| *own > self.all);
    }

    /// Takes over whatever another table has above this one. Returns whether anything was news.
    pub fn merge(&mut self, other: &Flushes) -> bool {
        let mut news = self.raise(None, other.all);
        for (namespace, stamp) in &other.by_namespace {
            news |= self.raise(Some(*namespace), *stamp);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Hlc, Writer};

    fn at(n: u64) -> Stamp {
        Stamp { hlc: Hlc(n), writer: Writer(1) }
    }

    #[test]
    fn beyond_its_bound_a_table_of_flushes_forgets_more_not_less() {
        let mut flushes = Flushes::default();
        for n in 0..FLUSHES_MAX as u16 {
            assert!(flushes.raise(Some(Namespace(n)), at(u64::from(n) + 1)));
        }
        assert!(flushes.raise(Some(Namespace(u16::MAX)), at(5_000)));
        assert_eq!(flushes.of(Namespace(0)), at(5_000));
        let mut other = Flushes::default();
        assert!(other.merge(&flushes));
        assert!(!other.merge(&flushes), "no news");
        assert!(other == flushes, "tables that mean the same are equal");
    }
}
