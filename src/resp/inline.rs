//! Inline commands: lines of words, for people with telnet.

use super::args::Span;

/// Splits a line into words as Redis' `sdssplitargs`: double quotes with escapes, single quotes
/// with only `\'`. Answers whether the quotes were in order.
///
/// Kept although nobody needs quotes from a program: inline commands are for people with telnet.
pub(super) fn unquote(mut line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> bool {
    // C's isspace. Vertical tab and form feed separate words but do not end one, as in Redis.
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    spans.clear();
    loop {
        line = &line[line.iter().position(|byte| !blank(byte)).unwrap_or(line.len())..];
        if line.is_empty() {
            return true;
        }
        let start = words.len() as u32;
        let mut quote = None;
        loop {
            let (byte, taken) = match (quote, line) {
                (None, [] | [b' ' | b'\t' | b'\n' | b'\r', ..]) => break,
                (None, [mark @ (b'"' | b'\''), rest @ ..]) => {
                    quote = Some(*mark);
                    line = rest;
                    continue;
                }
                (Some(_), []) => return false,
                (Some(mark), [byte, rest @ ..]) if *byte == mark => {
                    // A closing quote ends the word, and nothing may stick to it.
                    if !rest.first().is_none_or(blank) {
                        return false;
                    }
                    line = rest;
                    break;
                }
                (Some(b'"'), [b'\\', b'x', high, low, ..])
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    (hex(*high) << 4 | hex(*low), 4)
                }
                (Some(b'"'), [b'\\', escaped, ..]) => {
                    let byte = match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        other => *other,
                    };
                    (byte, 2)
                }
                (Some(b'\''), [b'\\', b'\'', ..]) => (b'\'', 2),
                (_, [byte, ..]) => (*byte, 1),
            };
            words.push(byte);
            line = &line[taken..];
        }
        spans.push(Span { start, end: words.len() as u32 });
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
