//! Sizes and times as people write them.

use std::time::Duration;

/// Reads a size: bytes, or a number with k, m, g or t. As in Redis' own `kb`, `mb` and `gb`, these
/// are powers of 1024, whether written `256m`, `256mb` or `256MiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let wrong = || {
        format!(
            "`{text}` is no size; allowed are bytes, or a number with a unit: 268435456, 256MiB, 2gb"
        )
    };
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit = unit.to_ascii_lowercase();
    let shift = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let bytes = u128::from(number) << shift;
    usize::try_from(bytes).map_err(|_| format!("`{text}` is more than can be addressed"))
}

/// Reads a length of time: a number with ms, s, m, h or d.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{text}` is no length of time; allowed is a number with a unit: 250ms, 10s, 5m, 2h, 7d"
        )
    };
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(ms);
    ms.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is longer than can be counted"))
}

/// Reads a length of time that is counted in seconds unless a unit is given.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => duration(text),
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("256MiB", 256 << 20),
            ("256mb", 256 << 20),
            ("64 M", 64 << 20),
            ("2gb", 2 << 30),
            ("1T", 1 << 40),
            ("7b", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "x",
            "-1",
            "1.5gb",
            "1 kilo",
            "99999999999999999999",
            "18446744073709551615t",
            "1ibb",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "10", "10sec", "s", "-1s", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
