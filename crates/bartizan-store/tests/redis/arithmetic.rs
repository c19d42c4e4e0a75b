//! Are the numbers of the script exact, however large?

use bartizan_testkit::redis::RedisServer;

const NUMBER: &str = include_str!("../../src/redis/number.lua");

/// For a list of pairs: sum, difference, product, order and both as they are read and written.
const ASK: &str = "
local all = {}
for place = 1, #ARGV, 2 do
  local a, b = parse(ARGV[place]), parse(ARGV[place + 1])
  all[#all + 1] = table.concat({ text(a), text(b), text(add(a, b)), text(sub(a, b)),
    text(times(a, b)), tostring(less(a, b)), text(least(a, b)) }, ' ')
end
return all";

/// Numbers at which something changes: limbs of seven digits, 2^53, 9e15, the ends of integers.
fn interesting() -> Vec<u128> {
    let mut numbers = vec![0, 1, 9_999_999, 10_000_000, 10_000_001, u128::from(u64::MAX)];
    for power in [14, 15, 16, 18, 21, 28] {
        let ten = 10_u128.pow(power);
        numbers.extend([ten - 1, ten, ten + 1, 9 * ten - 1, 9 * ten]);
    }
    let (mut dice, two) = (0x9E37_79B9_7F4A_7C15_u128, 1_u128 << 53);
    numbers.extend([two - 1, two, two + 1, two * 1_000 + 7]);
    for bits in 1..64 {
        dice = dice.wrapping_mul(0xD129_0B26_88CC_2C83).rotate_left(17) ^ bits;
        numbers.push(dice & ((1 << bits) - 1));
    }
    numbers
}

#[test]
fn sums_differences_and_products_are_exact_beyond_the_reach_of_doubles() {
    let server = RedisServer::start(&[]);
    let numbers = interesting();
    let (script, most) = (format!("{NUMBER}{ASK}"), 1_u128 << 64);
    for a in &numbers {
        let mut words = vec!["EVAL".to_owned(), script.clone(), "0".to_owned()];
        words.extend(numbers.iter().flat_map(|b| [a.to_string(), b.to_string()]));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = server.cli(&words);
        let mut lines = said.lines();
        for b in &numbers {
            // Products of 64 bits each are what a GCRA needs.
            let product = if *a < most && *b < most { (a * b).to_string() } else { "?".into() };
            let expected = [
                a.to_string(),
                b.to_string(),
                (a + b).to_string(),
                a.saturating_sub(*b).to_string(),
                product.clone(),
                (a < b).to_string(),
                a.min(b).to_string(),
            ];
            let line = lines.next().unwrap_or_else(|| panic!("{said}"));
            let told: Vec<&str> = line.split(' ').collect();
            assert_eq!(told.len(), expected.len(), "{a} and {b}: {line}");
            for (told, expected) in told.iter().zip(&expected).filter(|(_, e)| *e != "?") {
                assert_eq!(told, expected, "{a} and {b}: {line}");
            }
        }
    }
}
