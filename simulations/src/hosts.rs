//! Sets of hosts.

/// A set of hosts, by their indices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostSet {
    words: Vec<u64>,
}

impl HostSet {
    /// Adds a host.
    pub fn insert(&mut self, host: usize) {
        let word = host / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (host % 64);
    }

    /// Whether a host is in it.
    pub fn contains(&self, host: usize) -> bool {
        self.words.get(host / 64).is_some_and(|word| word >> (host % 64) & 1 == 1)
    }

    /// Keeps only what is in the other set, too.
    pub fn retain(&mut self, other: &HostSet) {
        self.words.truncate(other.words.len());
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= other);
    }

    /// Whether the two have a host in common.
    pub fn meets(&self, other: &HostSet) -> bool {
        self.words.iter().zip(&other.words).any(|(own, other)| own & other != 0)
    }
}

impl FromIterator<usize> for HostSet {
    fn from_iter<I: IntoIterator<Item = usize>>(hosts: I) -> HostSet {
        let mut set = HostSet::default();
        hosts.into_iter().for_each(|host| set.insert(host));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_different_lengths_meet_where_they_do() {
        let mut few: HostSet = [1, 3].into_iter().collect();
        let many: HostSet = [3, 900].into_iter().collect();
        assert!(few.meets(&many) && many.contains(900) && !few.contains(900));
        few.retain(&many);
        assert!(few.contains(3) && !few.contains(1));
        assert!(!few.meets(&HostSet::default()));
    }
}
