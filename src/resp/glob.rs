//! Glob patterns as Redis matches them in KEYS, CONFIG GET and COMMAND LIST: `*`, `?`, `[a-c]`,
//! `[^a]`, and a backslash before a character that means itself.
//!
//! Time is at most pattern times text: only the last star is ever reconsidered. Redis recurses at
//! each star, which a hostile pattern turns into a stall.

/// Whether the whole of `text` matches `pattern`, byte by byte, letters' case mattering.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the rest fails: behind the last star, and one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            None if p == pattern.len() => return true,
            // Only stars match nothing, and one of those was handled above.
            None => return false,
            Some(&byte) => one(&pattern[p..], byte),
        };
        match (step, retry) {
            (Some(taken), _) => {
                p += taken;
                t += 1;
            }
            (None, Some((star, from))) => {
                retry = Some((star, from + 1));
                p = star;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
}

/// How many bytes of the pattern matched this one byte of text, if they did.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (hit, taken) = in_class(class, byte);
            hit.then_some(1 + taken)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [same, ..] => (*same == byte).then_some(1),
    }
}

/// Whether a byte is in a class, and how long the class is behind its bracket. As in Redis, a
/// class that is never closed ends with the pattern, and a range may be given backwards.
fn in_class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut hit = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                hit |= *escaped == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                hit |= (*low.min(high)..=*low.max(high)).contains(&byte);
                at += 3;
            }
            [same, ..] => {
                hit |= *same == byte;
                at += 1;
            }
        }
    }
    (hit != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_redis_matches() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[abc", "b", true),
            ("[abc", "d", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[\\]]", "]", true),
            ("[]", "a", false),
            ("\\", "\\", true),
            ("save", "save", true),
            ("Save", "save", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_stall() {
        let pattern = b"*a".repeat(200);
        let text = b"a".repeat(199);
        assert!(!matches(&pattern, &text));
    }
}
