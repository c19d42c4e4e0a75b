//! Is there an answer in events of which something else goes out when the network cuts it elsewhere, or when
//! each event is read in full though one before was like it?
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_core::authorize::OnDeniedTool;
use bartizan_core::mask::{AnswerStream, Guard, Stopped};
use bartizan_core::validate::Protocol;
use bartizan_pii::{Action, Config, Masker, Scanner};
use libfuzzer_sys::fuzz_target;

#[path = "../model.rs"]
mod model;

static GUARD: LazyLock<Arc<Guard>> = LazyLock::new(|| {
    let scanner = Scanner::new(&Config::default()).expect("the built-in recognizers load");
    Arc::new(Guard::new(Masker::new(Arc::new(scanner), Action::MASK)))
});

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (which, first, second, raw) = input;
    let (protocol, path) = model::PATHS[usize::from(which) % model::PATHS.len()];
    let mut cuts = [first, second].map(|cut| usize::from(cut).min(raw.len()));
    cuts.sort_unstable();
    let [first, second] = cuts;
    let whole = run(protocol, path, &[raw]);
    let cut = run(protocol, path, &[&raw[..first], &raw[first..second], &raw[second..]]);
    assert_eq!(whole, cut, "{}", String::from_utf8_lossy(raw));
    if !raw.contains(&b'\r') {
        // Of lines that end so no form is ever known.
        let full = ends_with(raw, "\r");
        // Of these there are forms.
        let pairs = ends_with(raw, "\r\n");
        for other in [full, pairs] {
            let (out, ended) = run(protocol, path, &[&other]);
            assert_eq!(
                (lines(&out), &ended),
                (lines(&whole.0), &whole.1),
                "{}",
                String::from_utf8_lossy(raw)
            );
        }
    }
});

fn ends_with(raw: &[u8], line_end: &str) -> Vec<u8> {
    raw.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(line_end.as_bytes())
}

fn lines(out: &[u8]) -> String {
    String::from_utf8_lossy(out).replace("\r\n", "\n").replace('\r', "\n")
}

fn run(protocol: Protocol, path: &str, chunks: &[&[u8]]) -> (Vec<u8>, Result<(), Stopped>) {
    let grant = model::grant(protocol, OnDeniedTool::Remove);
    let call = br#"{"model":"good","max_tokens":9,"stream":true}"#;
    let mut call = model::read(&grant, path, call).expect("the call is sound");
    let mut stream = AnswerStream::new(call.take_listener(), Some(Arc::clone(&GUARD)), &grant);
    let mut out = Vec::new();
    for chunk in chunks {
        if let Err(stopped) = stream.feed(chunk, &grant, &mut out) {
            return (out, Err(stopped));
        }
    }
    let ended = stream.finish(&grant, &mut out);
    (out, ended)
}
