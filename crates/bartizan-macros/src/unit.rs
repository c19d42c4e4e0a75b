//! What do `1MB` and `30s` mean?

const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// A size in bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    read(text, &SIZES)
}

/// A length of time in milliseconds.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    read(text, &TIMES)
}

/// A number from 0 to 1, in thousandths.
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let whole: u16 = whole.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(thousandths).filter(|all| *all <= 1000)
}

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor).filter(|all| *all > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_weights_are_read_as_the_configuration_reads_them() {
        assert_eq!(bytes("1MB"), Some(1_000_000));
        assert_eq!(bytes("1 MiB"), Some(1_048_576));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(milliseconds("30s"), Some(30_000));
        assert_eq!(thousandths("0.5"), Some(500));
        assert_eq!(thousandths("1"), Some(1000));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for text in ["", "MB", "1.5MB", "-1", "0", "99999999999999GB", "1mb"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        for text in ["30", "30 fortnights", "0s"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
        for text in ["1.1", "2", "-0.5", "0.1234", ".5", "half"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
