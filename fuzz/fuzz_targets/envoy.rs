//! Is a question of Envoy read in one way only, and is what is read one that a request can ask?
#![no_main]

use bartizan_core::admit::envoy::{Question, passes};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;

/// How a frame begins: not compressed, and so long.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

fuzz_target!(|message: &[u8]| {
    let body = framed(message);
    let Ok(read) = Question::parse(&body) else { return };
    let target = read.asked.target.to_string();
    assert!(target.starts_with('/') && read.asked.target.authority().is_none(), "{target}");
    assert!(read.headers.iter().all(|(name, _)| !name.as_str().starts_with(':')));
    let sizes = read.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    assert!(sizes.sum::<usize>() <= message.len(), "more than was there");

    // What a later version of Envoy says besides changes nothing: of every sort that is on the wire.
    for unknown in
        [&[0xa0, 0x06, 0x01][..], &[0xa2, 0x06, 0x02, b'h', b'i'], &[0xa5, 0x06, 1, 2, 3, 4]]
    {
        let more = framed(&[message, unknown].concat());
        assert_eq!(Question::parse(&more).as_ref(), Ok(&read));
    }
    // And what is cut off, compressed or longer than it says is no question.
    assert!(Question::parse(&[&[1], &body[1..]].concat()).is_err());
    assert!(Question::parse(&body[..body.len() - 1]).is_err());
    assert!(Question::parse(&[&body[..], &[0]].concat()).is_err());

    let answer = passes(&read.headers, &[], &HeaderMap::new());
    let said = u32::from_be_bytes([answer[1], answer[2], answer[3], answer[4]]);
    assert_eq!(said as usize, answer.len() - 5);
});
