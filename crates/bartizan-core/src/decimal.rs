//! How is a whole number written? In decimal, and without the formatter: every exchange writes some
//! into records and header fields.

/// Appends the decimal digits of `n`.
pub fn write(n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut left = n;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.split_at(digits.len() - used).1);
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_those_of_the_formatter() {
        let edges = (0..20).map(|power| 10_u64.pow(power));
        for n in edges.flat_map(|n| [n - 1, n, n + 1]).chain([0, u64::MAX]) {
            let mut out = Vec::new();
            super::write(n, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }
}
