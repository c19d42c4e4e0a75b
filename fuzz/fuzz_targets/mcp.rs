//! Is there a message of MCP that names what its caller has no right to, and passes? And an answer of
//! a server that shows them what they may not know?
#![no_main]

use bartizan_core::authorize::OnDeniedTool;
use bartizan_core::validate::{Payload, Protocol};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../model.rs"]
mod model;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (asked, answered) = input;
    let grant = model::grant(Protocol::Mcp, OnDeniedTool::Refuse);
    if let Ok(call) = model::read(&grant, "/v1/mcp", asked) {
        let Payload::Whole(sent) = call.body() else { unreachable!("it was read whole") };
        let message: Value = serde_json::from_slice(sent).expect("what passes is JSON");
        let params = &message["params"];
        let name = match message["method"].as_str() {
            Some("tools/call" | "prompts/get") => Some(&params["name"]),
            Some("resources/read" | "resources/subscribe") => Some(&params["uri"]),
            _ => None,
        };
        let granted = name.is_none_or(|name| name.as_str().is_some_and(|n| n.starts_with("good")));
        assert!(granted, "{name:?} is not granted");
        assert!(message.is_object(), "one message");
    }
    let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mut call = model::read(&grant, "/v1/mcp", list).expect("the call is sound");
    let mut listener = call.take_listener().expect("its answer is listened to");
    let heard = listener.hear_whole(answered, &grant);
    let seen = heard.instead.unwrap_or_else(|| answered.to_vec());
    let Ok(seen) = serde_json::from_slice::<Value>(&seen) else {
        assert!(seen.iter().all(u8::is_ascii_whitespace), "what is no message passes");
        return;
    };
    for (list, member) in [("tools", "name"), ("prompts", "name"), ("resources", "uri")] {
        for one in seen["result"][list].as_array().into_iter().flatten() {
            let name = one[member].as_str().expect("what is listed has a name");
            assert!(name.starts_with("good"), "{name:?} is shown");
        }
    }
});
