//! Integers as Redis reads and writes them, without going through text formatting or UTF-8.

/// Reads a decimal integer as strictly as Redis' `string2ll`: an optional minus, then digits, no
/// plus, no blanks, no leading zero (`0` itself is fine, `-0` is not), nothing out of range.
///
/// Strict because INCR must give back what it was given: a text that parses is the only text of
/// that number.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        // Nineteen digits cannot overflow a u64, and no i64 has more.
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A number in decimal, in a fixed array: what [`crate::resp::Encoder`] puts behind `:`, `$`, `*`.
pub(crate) struct Decimal {
    /// Right-aligned: twenty places hold every i64 with its sign, and every u64.
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Writes a signed number.
    #[inline]
    pub(crate) fn signed(value: i64) -> Self {
        let mut decimal = Self::unsigned(value.unsigned_abs());
        if value < 0 {
            decimal.start -= 1;
            decimal.text[decimal.start] = b'-';
        }
        decimal
    }

    /// Writes an unsigned number.
    #[inline]
    pub(crate) fn unsigned(mut value: u64) -> Self {
        let mut decimal = Self { text: [0; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.text[decimal.start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return decimal;
            }
        }
    }

    /// The digits.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_text_of_a_number_is_read() {
        for text in ["", "-", "+1", " 1", "1 ", "01", "-01", "00", "-0", "1x", "0x1", "1e3"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn a_number_comes_back_as_it_was_written(value: i64, other: u64) {
            let signed = Decimal::signed(value);
            let text = value.to_string();
            prop_assert_eq!(signed.as_bytes(), text.as_bytes());
            prop_assert_eq!(parse_i64(signed.as_bytes()), Some(value));
            let unsigned = Decimal::unsigned(other);
            let text = other.to_string();
            prop_assert_eq!(unsigned.as_bytes(), text.as_bytes());
        }

        #[test]
        fn a_text_is_read_only_if_it_is_the_one_we_would_write(text in "[-+0-9 ]{0,22}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            } else {
                prop_assert!(text.parse::<i64>().map_or(true, |value| value.to_string() != text));
            }
        }
    }
}
