//! Is there a call to a model that names what its caller has no right to, and passes? And is what goes
//! on in its place always a call that is read alike?
#![no_main]

use bartizan_core::authorize::OnDeniedTool;
use bartizan_core::validate::{Call, Payload};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../model.rs"]
mod model;

/// Where the name of a tool stands in one API or another.
const PLACES: [&str; 4] = ["/name", "/function/name", "/custom/name", "/mcp_server_name"];

fuzz_target!(|body: &[u8]| {
    for (protocol, path) in model::PATHS {
        let grant = model::grant(protocol, OnDeniedTool::Remove);
        let Ok(call) = model::read(&grant, path, body) else { continue };
        let sent = sent(&call);
        let Ok(document) = serde_json::from_slice::<Value>(&sent) else {
            assert!(sent.is_empty(), "what is no JSON passes");
            continue;
        };
        if let Some(model) = call.model() {
            assert!(model.starts_with("good"), "`{model}` is not granted");
            assert_eq!(
                document["model"], **model,
                "it is judged by another name than it is sent by"
            );
        }
        let tools = document["tools"].as_array().into_iter().flatten();
        for name in tools.flat_map(|tool| PLACES.map(|place| tool.pointer(place))).flatten() {
            let granted = name.as_str().is_none_or(|name| name.starts_with("good"));
            assert!(granted, "`{name}` is offered");
        }
        let again = model::read(&grant, path, &sent).expect("what goes on can be read");
        assert_eq!(again.estimate().tokens_out, call.estimate().tokens_out);
    }
});

fn sent(call: &Call<()>) -> Bytes {
    match call.body() {
        Payload::Whole(bytes) => bytes.clone(),
        Payload::Stream(()) => Bytes::new(),
    }
}
