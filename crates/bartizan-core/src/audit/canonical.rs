//! How is JSON written so that equal values have equal bytes? In the canonical form of RFC 8785.
//!
//! Every number is a double there, as it is in ECMAScript: an integer beyond 2^53 that no double
//! equals comes out as its neighbour. Whoever must keep such a number writes it as a string.

use std::cmp::Ordering;
use std::io::Write;

use serde_json::{Map, Number, Value};

use crate::decimal;

/// Up to here every integer is a double of its own.
pub const EXACT: u64 = 1 << 53;

/// Appends the canonical form of `value` to `out`.
pub fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => number(n, out),
        Value::String(text) => string(text, out),
        Value::Array(items) => array(items, out),
        Value::Object(members) => object(members, out),
    }
}

/// Appends the canonical form of an object: its members sorted by name, in UTF-16 code units
/// (RFC 8785 section 3.2.3).
pub fn object(members: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| by_utf16(a, b));
    out.push(b'{');
    for (place, (name, member)) in sorted.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        value(member, out);
    }
    out.push(b'}');
}

/// Appends a string with the escapes of RFC 8785 section 3.2.2.2, and no others.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Whole stretches are copied: what needs an escape is rare.
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        escape(byte, out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends an integer; one beyond [`EXACT`] as the nearest double.
pub fn integer(n: u64, out: &mut Vec<u8>) {
    if n > EXACT { double(n as f64, out) } else { decimal::write(n, out) }
}

fn array(items: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        value(item, out);
    }
    out.push(b']');
}

fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

/// Where the first byte stands that needs an escape. Looks at sixteen at a time: this stands in
/// the way of every record.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let (chunks, _) = bytes.as_chunks::<16>();
    let plain =
        chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |any, &b| any | special(b)));
    let looked_at = plain.count() * 16;
    let at = bytes.iter().skip(looked_at).position(|&byte| special(byte))?;
    Some(looked_at + at)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn number(n: &Number, out: &mut Vec<u8>) {
    match (n.as_u64(), n.as_i64()) {
        (Some(whole), _) => integer(whole, out),
        (None, Some(negative)) => {
            out.push(b'-');
            integer(negative.unsigned_abs(), out);
        }
        // A JSON value holds no number that is not one: zero never stands for it.
        (None, None) => double(n.as_f64().unwrap_or_default(), out),
    }
}

/// ECMAScript's Number::toString (ECMA-262 section 6.1.6.1.20): the shortest digits that read
/// back as the same double, with an exponent from 1e21 up and below 1e-6.
fn double(x: f64, out: &mut Vec<u8>) {
    if x == 0.0 {
        // Negative zero is written as zero, too.
        return out.push(b'0');
    }
    if x < 0.0 {
        out.push(b'-');
    }
    let scientific = shortest(x.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or_default() + 1;
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or_default());
    let written = match point {
        22.. | ..=-6 => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        1..=21 if length <= point => format!("{digits}{}", zeros(point - length)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            format!("{whole}.{fraction}")
        }
    };
    out.extend_from_slice(written.as_bytes());
}

/// As few digits as read back as `x`. Of two equally near, ECMAScript wants the even one, where
/// Rust's shortest form takes the upper; Rust's form of given length takes the even one too.
fn shortest(x: f64) -> String {
    let shortest = format!("{x:e}");
    let decimals = shortest.bytes().take_while(|&byte| byte != b'e').count().saturating_sub(2);
    let nearest = format!("{x:.decimals$e}");
    if nearest.parse() == Ok(x) { nearest } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn canonical(of: &Value) -> String {
        let mut out = Vec::new();
        value(of, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn reread(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_example_of_rfc_8785_section_3_2_comes_out_as_printed_there() {
        let input = r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#;
        let output = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(reread(input), output);
    }

    #[test]
    fn members_are_sorted_by_utf_16_as_in_rfc_8785_section_3_2_3() {
        let input =
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let output = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
        assert_eq!(reread(input), output);
    }

    #[test]
    fn numbers_are_written_as_in_rfc_8785_appendix_b() {
        for (bits, text) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut out = Vec::new();
            double(f64::from_bits(bits), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{bits:016x}");
        }
    }

    #[test]
    fn whole_numbers_keep_their_digits_as_far_as_a_double_does() {
        assert_eq!(canonical(&json!([0, 7, -1, EXACT, 1.0])), "[0,7,-1,9007199254740992,1]");
        assert_eq!(canonical(&json!(u64::MAX)), "18446744073709552000");
        assert_eq!(canonical(&json!(i64::MIN)), "-9223372036854776000");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(of in any_json()) {
            let once = canonical(&of);
            prop_assert_eq!(reread(&once), once);
        }
    }
}
