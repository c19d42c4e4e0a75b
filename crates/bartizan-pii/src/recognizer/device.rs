//! Is this the address or number of a device? Network interfaces, mobile phones, and UUIDs.

use crate::{
    Anchor, Recognizer,
    recognizer::{
        checksum::{luhn, uniform},
        formed,
    },
};

const MAC: &[&str] = &["mac", "hardware", "ethernet", "interface", "wlan", "bssid", "adapter"];
const IMEI: &[&str] = &["imei", "meid", "device", "handset"];

pub(crate) const ROWS: &[Recognizer] = formed![
    MAC_ADDRESS, "a hardware address of six or eight pairs, or in Cisco's three groups",
        ["XX:XX:XX:XX:XX:XX:XX:XX", "XX:XX:XX:XX:XX:XX", "XX-XX-XX-XX-XX-XX", "XXXX.XXXX.XXXX"],
        mac, 0.7, MAC,
        at [
            Anchor::Marks { mark: b':', apart: (3, 3), count: 5, word: (2, 2) },
            Anchor::Marks { mark: b'-', apart: (3, 3), count: 5, word: (2, 2) },
            Anchor::Marks { mark: b'.', apart: (5, 5), count: 2, word: (4, 4) },
        ],
        yes ["00:1A:2B:3C:4D:5E", "01-b3-4a-67-d9-cf", "Cisco MAC: 0012.3456.789A"],
        no ["00:1A:2B:3C:4D", "FF:FF:FF:FF:FF:FF", "00:1G:2B:3C:4D:5E", "00:1A-2B:3C:4D:5E"];
    IMEI, "the number of a mobile device with its check digit, beside a word",
        ["999999999999999", "99-999999-999999-9", "99 999999 999999 9"], imei, 0.25, IMEI,
        yes ["IMEI 353204071258835"], no ["353204071258835", "IMEI 353204071258836"];
    UUID, "a universally unique identifier",
        ["XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"], hexadecimal, 0.7, &["uuid", "guid"],
        at [Anchor::Marks { mark: b'-', apart: (5, 5), count: 4, word: (8, 8) }],
        yes ["550e8400-e29b-41d4-a716-446655440000"], no ["550g8400-e29b-41d4-a716-446655440000"];
];

fn hexadecimal(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

/// The address of everybody (all ones) and that of nobody (all zeros) are no device's.
fn mac(text: &[u8]) -> bool {
    hexadecimal(text) && !(uniform(text) && matches!(text.first(), Some(b'F' | b'0')))
}

fn imei(text: &[u8]) -> bool {
    luhn(text) && !uniform(text)
}
