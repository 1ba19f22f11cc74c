//! What somebody who mistyped a name meant.

/// The known name that is close to this one, if there is one: a third of its letters may be wrong.
pub(super) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let nearest = known.iter().map(|known| (distance(name, known), *known)).min()?;
    let letters = name.chars().count().min(nearest.1.len());
    (nearest.0 <= letters / 3).then_some(nearest.1)
}

/// How many letters have to be added, left out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_close_is_suggested() {
        const KNOWN: &[&str] = &["name", "seed", "log", "zone", "max_memory", "weight"];
        for (name, meant) in [
            ("nmae", "name"),
            ("seeds", "seed"),
            ("max_memroy", "max_memory"),
            ("maxmemory", "max_memory"),
            ("weigth", "weight"),
            ("logs", "log"),
        ] {
            assert_eq!(nearest(name, KNOWN), Some(meant), "{name}");
        }
        for name in ["node", "port", "colour", "memory", "x", "", "so", "bind"] {
            assert_eq!(nearest(name, KNOWN), None, "{name}");
        }
    }
}
