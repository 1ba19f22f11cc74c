//! Copies: once all agree, every owner of a key has it that one of them has, unless one had to evict.
//!
//! Where hosts had been apart, an owner may have forgotten something later under the same floor than
//! what was written on the other side meanwhile, and does not take it: a copy less, and no lie.

use std::collections::BTreeMap;

/// What the owners of keys hold: by key, the owners that hold a live value without an end.
#[derive(Debug, Default)]
pub struct Copies {
    held: BTreeMap<String, Vec<usize>>,
}

impl Copies {
    /// A node holds a key.
    pub fn hold(&mut self, node: usize, key: &str) {
        match self.held.get_mut(key) {
            Some(nodes) => nodes.push(node),
            None => {
                self.held.insert(key.to_owned(), vec![node]);
            }
        }
    }

    /// Which key lacks a copy, where.
    pub fn missing(&self, owners: impl Fn(&str) -> Vec<usize>) -> Option<String> {
        self.held.iter().find_map(|(key, holders)| {
            let lacks = owners(key).into_iter().find(|owner| !holders.contains(owner))?;
            Some(format!("node {lacks} does not hold {key}, which nodes {holders:?} hold"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_copy_is_noticed() {
        let mut copies = Copies::default();
        copies.hold(0, "k1");
        copies.hold(1, "k1");
        assert_eq!(copies.missing(|_| vec![0, 1]), None);
        assert!(copies.missing(|_| vec![0, 1, 2]).is_some());
    }
}
