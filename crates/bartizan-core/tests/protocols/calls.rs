//! What does a call say, and what of it is not granted?

use std::sync::Arc;

use bartizan_core::authorize::endpoint::Cost;
use bartizan_core::authorize::{Denial, NameRule, Named, OnDeniedTool};
use bartizan_core::mask::{Guard, Profile};
use bartizan_core::validate::usage::{Asks, Tier};
use bartizan_core::validate::{Invalid, Protocol, Unfit};
use bartizan_pii::{Action, Config, Masker, Scanner};
use serde_json::json;

use super::place::{Place, rules, sent};

const CHAT: &str = "/v1/chat/completions";

fn openai() -> Place {
    Place::new(Protocol::OpenAi)
}

#[test]
fn the_worst_case_counts_and_a_bound_is_put_in_where_there_is_none() {
    let cost = Cost { max_output_tokens: 100, ..Cost::default() };
    let place = Place { cost, ..openai() };
    for (path, body, tokens_out, bound) in [
        (CHAT, json!({ "model": "m" }), 100, Some("max_completion_tokens")),
        ("/v1/responses", json!({ "model": "m" }), 100, Some("max_output_tokens")),
        ("/v1/completions", json!({ "model": "m", "best_of": 3 }), 300, Some("max_tokens")),
        (CHAT, json!({ "max_tokens": 7 }), 7, None),
        (CHAT, json!({ "max_tokens": 7, "max_completion_tokens": 9, "n": 3 }), 27, None),
        (CHAT, json!({ "max_tokens": u64::MAX, "n": 2 }), u64::MAX, None),
        ("/v1/embeddings", json!({ "model": "e", "input": "x" }), 0, None),
    ] {
        let call = place.read(path, &body.to_string()).unwrap();
        assert_eq!(call.estimate().tokens_out, tokens_out, "{body}");
        let mut expected = body;
        if let Some(bound) = bound {
            expected[bound] = 100.into();
        }
        assert_eq!(sent(&call), expected);
    }
}

#[test]
fn what_may_cost_more_than_tokens_by_themselves_is_seen_before_it_is_sent() {
    let asks = |protocol, path, body: serde_json::Value| {
        Place::new(protocol).read(path, &body.to_string()).unwrap().estimate().asks
    };
    let chat = |body| asks(Protocol::OpenAi, CHAT, body);
    let messages = |body| asks(Protocol::Anthropic, "/v1/messages", body);
    let plain = Asks { cache: true, ..Asks::default() };
    assert_eq!(chat(json!({ "messages": [{ "content": "audio" }] })), plain);
    assert!(chat(json!({ "modalities": ["text", "audio"] })).audio);
    let sound = json!({ "type": "input_audio", "input_audio": { "data": "" } });
    assert!(chat(json!({ "messages": [{ "content": [sound] }] })).audio);
    assert_eq!(chat(json!({ "service_tier": "priority" })).tier, Some(Tier::Priority));
    assert_eq!(messages(json!({ "max_tokens": 1 })), Asks::default());
    let kept = json!({ "cache_control": { "type": "ephemeral", "ttl": "1h" } });
    assert!(messages(json!({ "system": [kept] })).cache);
    assert_eq!(messages(json!({ "speed": "fast" })).tier, Some(Tier::Fast));
}

#[test]
fn what_cannot_be_counted_is_refused_and_never_taken_for_nothing() {
    for body in [
        r#"{"max_tokens":-1}"#,
        r#"{"max_tokens":"9"}"#,
        r#"{"n":1.5}"#,
        r#"{"model":7}"#,
        r#"{"stream":"yes"}"#,
        r#"{"model":"a","model":"b"}"#,
        "[]",
    ] {
        for place in [openai(), Place::new(Protocol::Anthropic)] {
            if place.protocol == Protocol::Anthropic && body.contains("\"n\"") {
                continue;
            }
            let path = if place.protocol == Protocol::OpenAi { CHAT } else { "/v1/messages" };
            let read = place.read(path, body).map(drop);
            assert!(matches!(read, Err(Unfit::Invalid(_))), "{body}: {read:?}");
        }
    }
}

#[test]
fn usage_is_asked_for_in_streams_and_the_rest_stays_as_it_was_written() {
    let body = r#"{ "model": "m",  "seed": 18446744073709551615, "stream": true }"#;
    let call = openai().read(CHAT, body).unwrap();
    assert_eq!(sent(&call)["stream_options"], json!({ "include_usage": true }));
    let bartizan_core::validate::Payload::Whole(bytes) = call.body() else { panic!() };
    assert!(bytes.ends_with(br#" "model": "m",  "seed": 18446744073709551615, "stream": true }"#));
    for (path, body) in [
        (CHAT, json!({ "stream": false })),
        (CHAT, json!({ "stream": true, "stream_options": { "include_usage": true } })),
        ("/v1/responses", json!({ "stream": true })),
    ] {
        assert_eq!(sent(&openai().read(path, &body.to_string()).unwrap()), body);
    }
    let partly = json!({ "stream": true, "stream_options": { "x": 1 } });
    let call = openai().read(CHAT, &partly.to_string()).unwrap();
    assert_eq!(sent(&call)["stream_options"], json!({ "x": 1, "include_usage": true }));
}

#[test]
fn a_model_is_named_by_its_alias_and_only_where_there_is_a_right_to_it() {
    for (protocol, path) in [
        (Protocol::OpenAi, CHAT),
        (Protocol::Anthropic, "/v1/messages"),
        (Protocol::Anthropic, "/v1/messages/count_tokens"),
    ] {
        let mut place = Place::new(protocol);
        let mut models = rules(&["gpt-4o*", "o3"]);
        models.push(NameRule {
            pattern: "fast".into(),
            stands_for: Some("gpt-4o-mini".into()),
            ..NameRule::default()
        });
        models[1].roles = vec!["research".into()];
        place.names.models = Some(Arc::new(Named::new(models)));
        let read = |model: &str| {
            let body = json!({ "model": model, "max_tokens": 1 }).to_string();
            let call = place.read(path, &body)?;
            let sent = sent(&call)["model"].as_str().unwrap().to_owned();
            assert_eq!(call.model().map(|model| &**model), Some(sent.as_str()));
            Ok::<_, Unfit>(sent)
        };
        assert_eq!(read("gpt-4o-2024-08-06").unwrap(), "gpt-4o-2024-08-06");
        assert_eq!(read("fast").unwrap(), "gpt-4o-mini");
        for denied in ["o3", "o3-pro", "GPT-4o", ""] {
            let expected = Err(Unfit::Denied(Denial::Model(denied.into())));
            assert_eq!(read(denied), expected);
        }
        let nameless = place.read(path, r#"{"max_tokens":1}"#).map(drop);
        assert_eq!(nameless, Err(Unfit::Invalid(Invalid::Member("model"))));
    }
}

#[test]
fn the_list_of_models_has_the_names_that_the_caller_may_ask_for_and_no_others() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic] {
        let mut place = Place::new(protocol);
        let alias = |name: &str, meant: &str| NameRule {
            pattern: name.into(),
            stands_for: Some(meant.into()),
            ..NameRule::default()
        };
        let mut models = rules(&["o3"]);
        models.extend([alias("fast", "gpt-4o-mini"), alias("gone", "gpt-3"), alias("*", "x")]);
        models.push(NameRule { roles: vec!["research".into()], ..alias("deep", "o3") });
        place.names.models = Some(Arc::new(Named::new(models)));
        let mut listener = place.read("/v1/models", "").unwrap().take_listener().unwrap();
        let list = json!({ "data": [{ "id": "gpt-4o-mini", "created": 7 }, { "id": "o3" }] });
        let heard = listener.hear_whole(list.to_string().as_bytes(), &place.grant());
        let told: serde_json::Value = serde_json::from_slice(&heard.instead.unwrap()).unwrap();
        let fast = json!({ "id": "fast", "created": 7 });
        assert!(told["data"].as_array().unwrap().contains(&fast), "{told}");
        for hidden in ["gone", "deep", "*"] {
            assert!(!told.to_string().contains(&format!("\"{hidden}\"")), "{told}");
        }
    }
}

#[test]
fn a_model_that_is_only_a_replacement_needs_a_right_as_well() {
    let mut place = openai();
    place.names.models = Some(Arc::new(Named::new(rules(&["small"]))));
    let body = json!({ "model": "small", "models": ["small", "large"] }).to_string();
    assert_eq!(
        place.read(CHAT, &body).map(drop),
        Err(Unfit::Denied(Denial::Model("large".into())))
    );
}

#[test]
fn a_tool_without_a_right_is_refused_or_taken_out_of_the_offer() {
    let chat = json!({
        "tools": [
            { "type": "function", "function": { "name": "search" } },
            { "type": "function", "function": { "name": "delete_all" } },
            { "type": "custom", "custom": { "name": "shell" } }
        ],
        "tool_choice": { "type": "function", "function": { "name": "delete_all" } },
        "functions": [{ "name": "delete_one" }],
        "web_search_options": {}
    });
    let responses = json!({
        "tools": [{ "type": "function", "name": "search" }, { "type": "web_search" }, { "type": "mcp", "server_label": "x", "server_url": "https://x.example/" }],
        "tool_choice": "auto"
    });
    let messages = json!({
        "max_tokens": 1,
        "tools": [{ "name": "search" }, { "type": "bash_20250124", "name": "bash" }],
        "mcp_servers": [{ "name": "far", "url": "https://x.example" }],
        "tool_choice": { "type": "tool", "name": "bash" }
    });
    for (protocol, path, body, left) in [
        (
            Protocol::OpenAi,
            CHAT,
            chat,
            json!({ "tools": [{ "type": "function", "function": { "name": "search" } }] }),
        ),
        (
            Protocol::OpenAi,
            "/v1/responses",
            responses,
            json!({ "tools": [{ "type": "function", "name": "search" }], "tool_choice": "auto" }),
        ),
        (
            Protocol::Anthropic,
            "/v1/messages",
            messages,
            json!({ "max_tokens": 1, "tools": [{ "name": "search" }] }),
        ),
    ] {
        let text = body.to_string();
        let all = Place::new(protocol).read(path, &text).unwrap();
        assert_eq!(sent(&all), body, "nothing is said about tools: all pass");
        let place = Place::new(protocol).tools(&["search"], OnDeniedTool::Remove);
        assert_eq!(sent(&place.read(path, &text).unwrap()), left);
        let place = Place::new(protocol).tools(&["search"], OnDeniedTool::Refuse);
        let refused = place.read(path, &text).map(drop);
        assert!(matches!(refused, Err(Unfit::Denied(Denial::Tool(_)))), "{refused:?}");
    }
}

#[test]
fn a_server_of_tools_is_judged_by_its_address_and_not_only_by_the_name_that_its_caller_gives_it() {
    let tools = ["docs", "https://mcp.example.com/*"];
    let ask = |url: &str, on_denied| {
        let place = Place::new(Protocol::Anthropic).tools(&tools, on_denied);
        let server = json!({ "name": "docs", "type": "url", "url": url });
        let body = json!({ "max_tokens": 1, "mcp_servers": [server] }).to_string();
        place.read("/v1/messages", &body).map(|read| sent(&read).get("mcp_servers").is_some())
    };
    assert_eq!(ask("https://mcp.example.com/sse", OnDeniedTool::Refuse), Ok(true));
    for url in ["https://evil.example/sse", "https://mcp.example.com.evil.example/"] {
        let denied = Err(Unfit::Denied(Denial::Tool(url.into())));
        assert_eq!(ask(url, OnDeniedTool::Refuse), denied);
        assert_eq!(ask(url, OnDeniedTool::Remove), Ok(false));
    }
    for url in ["https://mcp.example.com@evil.example/", "https://mcp.example.com/%2e%2e/x", ""] {
        let read = ask(url, OnDeniedTool::Remove);
        assert_eq!(read, Err(Unfit::Invalid(Invalid::Member("mcp_servers"))), "{url}");
    }
}

#[test]
fn a_server_of_tools_needs_a_right_to_what_it_is_and_to_where_it_is() {
    let rights = ["mcp", "docs", "https://mcp.example.com/*", "connector_mail"];
    let ask = |tool: &serde_json::Value, on_denied| {
        let body = json!({ "model": "m", "max_output_tokens": 1, "tools": [tool] }).to_string();
        openai()
            .tools(&rights, on_denied)
            .read("/v1/responses", &body)
            .map(|read| sent(&read).get("tools").is_some())
    };
    let server =
        |label: &str, url: &str| json!({ "type": "mcp", "server_label": label, "server_url": url });
    let good = server("docs", "https://mcp.example.com/sse");
    assert_eq!(ask(&good, OnDeniedTool::Refuse), Ok(true));
    let connector =
        json!({ "type": "mcp", "server_label": "docs", "connector_id": "connector_mail" });
    assert_eq!(ask(&connector, OnDeniedTool::Refuse), Ok(true));
    for (tool, name) in [
        (server("docs", "https://evil.example/sse"), "https://evil.example/sse"),
        (server("other", "https://mcp.example.com/sse"), "other"),
        (
            json!({ "type": "mcp", "server_label": "docs", "connector_id": "connector_drive" }),
            "connector_drive",
        ),
        (
            json!({ "type": "function", "name": "docs", "server_url": "https://evil.example/" }),
            "https://evil.example/",
        ),
    ] {
        let denied = Err(Unfit::Denied(Denial::Tool(name.into())));
        assert_eq!(ask(&tool, OnDeniedTool::Refuse), denied);
        assert_eq!(ask(&tool, OnDeniedTool::Remove), Ok(false));
    }
    for tool in [
        server("docs", "https://mcp.example.com/%2e%2e/x"),
        server("docs", "http://mcp.example.com/sse"),
        json!({ "type": "mcp", "server_label": "docs" }),
        json!({ "type": "mcp", "server_label": "docs", "server_url": 7 }),
        json!({ "type": "mcp", "server_label": "docs", "Server_url": "https://mcp.example.com/", "server_url": "https://mcp.example.com/" }),
    ] {
        let unsound = Err(Unfit::Invalid(Invalid::Member("tools")));
        assert_eq!(ask(&tool, OnDeniedTool::Refuse), unsound, "{tool}");
        assert_eq!(ask(&tool, OnDeniedTool::Remove), unsound, "{tool}");
    }
}

#[test]
fn tools_that_come_with_the_conversation_or_a_stored_prompt_need_a_right_too() {
    let place = |on_denied| openai().tools(&["search", "pmpt_ours_*"], on_denied);
    let ask = |body: &serde_json::Value, on_denied| {
        place(on_denied).read("/v1/responses", &body.to_string()).map(|read| sent(&read))
    };
    let denied = |name: &str| Err(Unfit::Denied(Denial::Tool(name.into())));
    let brought = json!({ "input": [
        { "role": "user", "content": "hello" },
        { "type": "mcp_list_tools", "server_label": "x", "tools": [{ "name": "search" }, { "name": "delete_all" }] },
    ] });
    assert_eq!(ask(&brought, OnDeniedTool::Refuse), denied("delete_all"));
    let left = ask(&brought, OnDeniedTool::Remove).unwrap();
    assert_eq!(left["input"][1]["tools"], json!([{ "name": "search" }]));
    let hidden = json!({ "input": [{ "type": "x", "Tools": [{ "name": "delete_all" }] }] });
    assert!(ask(&hidden, OnDeniedTool::Remove).is_err());
    let stored = |id: &str| json!({ "prompt": { "id": id, "version": "2" } });
    assert!(ask(&stored("pmpt_ours_1"), OnDeniedTool::Refuse).is_ok());
    for on_denied in [OnDeniedTool::Refuse, OnDeniedTool::Remove] {
        assert_eq!(ask(&stored("pmpt_1"), on_denied), denied("pmpt_1"));
    }
    let text = json!({ "prompt": "Once upon a time" });
    assert!(place(OnDeniedTool::Refuse).read("/v1/completions", &text.to_string()).is_ok());
}

#[test]
fn a_tool_cannot_hide_behind_the_name_that_the_other_dialect_reads() {
    let place = openai().tools(&["good"], OnDeniedTool::Refuse);
    for path in [CHAT, "/v1/responses"] {
        for tool in [
            json!({ "type": "function", "name": "bad", "function": { "name": "good" } }),
            json!({ "type": "function", "name": "good", "function": { "name": "bad" } }),
            json!({ "type": "custom", "custom": { "name": "good" }, "function": { "name": "bad" } }),
            json!({ "function": { "name": "bad" } }),
            json!({ "type": "good", "name": "bad" }),
            json!({ "type": "good", "name": "good", "tools": [{ "type": "function", "name": "bad" }] }),
        ] {
            let body = json!({ "tools": [tool] }).to_string();
            let refused = place.read(path, &body).map(drop);
            assert_eq!(refused, Err(Unfit::Denied(Denial::Tool("bad".into()))), "{body}");
        }
    }
    let place = Place::new(Protocol::Anthropic).tools(&["good"], OnDeniedTool::Refuse);
    for tool in [
        json!({ "name": "good", "mcp_server_name": "bad" }),
        json!({ "name": "bad", "mcp_server_name": "good" }),
    ] {
        let body = json!({ "max_tokens": 1, "tools": [tool] }).to_string();
        let refused = place.read("/v1/messages", &body).map(drop);
        assert_eq!(refused, Err(Unfit::Denied(Denial::Tool("bad".into()))), "{body}");
    }
}

#[test]
fn a_name_longer_than_any_provider_takes_is_no_name_beside_one_that_is_granted() {
    let place = openai().tools(&["good"], OnDeniedTool::Remove);
    let tool =
        json!({ "type": "function", "name": "b".repeat(257), "function": { "name": "good" } });
    let refused = place.read(CHAT, &json!({ "tools": [tool] }).to_string()).map(drop);
    assert!(matches!(refused, Err(Unfit::Invalid(_))), "{refused:?}");
}

#[test]
fn what_is_masked_in_the_text_is_not_spelled_out_beside_it() {
    let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
    let guard = Guard::new(Masker::new(scanner, Action::MASK));
    let masked = Profile { response: Some(Arc::new(guard)), ..Profile::default() };
    let body = json!({ "model": "m", "max_tokens": 1, "logprobs": true, "top_logprobs": 5,
        "include": ["message.output_text.logprobs", "file_search_call.results"] });
    let left = json!({ "model": "m", "max_tokens": 1, "include": ["file_search_call.results"] });
    let text = body.to_string();
    assert_eq!(sent(&openai().read(CHAT, &text).unwrap()), body);
    let place = Place { profile: masked, ..openai() };
    assert_eq!(sent(&place.read(CHAT, &text).unwrap()), left);
}

#[test]
fn what_of_an_api_nobody_can_read_needs_an_endpoint_of_its_own() {
    for (protocol, known, unknown) in [
        (Protocol::OpenAi, CHAT, "/v1/files"),
        (Protocol::OpenAi, "/v1/models", "/v1/batches"),
        (Protocol::Anthropic, "/v1/messages", "/v1/messages/batches"),
        (Protocol::Anthropic, "/v1/models/x", "/v1/files"),
    ] {
        let place = Place::new(protocol);
        let body = if known.contains("models") { "" } else { "{}" };
        assert!(place.read(known, body).is_ok(), "{known}");
        assert_eq!(place.read(unknown, "{}").map(drop), Err(Unfit::Denied(Denial::Api)));
    }
    for (protocol, path) in
        [(Protocol::OpenAi, "/v1/batches"), (Protocol::Anthropic, "/v1/messages/batches")]
    {
        let own = Place { path, ..Place::new(protocol) };
        assert!(own.read(path, "{}").is_ok(), "{path}");
    }
}

#[test]
fn a_call_that_names_no_model_is_no_way_around_the_rights_to_models() {
    for (protocol, path) in [
        (Protocol::OpenAi, CHAT),
        (Protocol::OpenAi, "/v1/responses"),
        (Protocol::Anthropic, "/v1/messages"),
    ] {
        let place = Place::new(protocol);
        assert_eq!(place.read(path, "").map(drop), Err(Unfit::Denied(Denial::Api)), "{path}");
    }
    let stored = openai().read("/v1/responses/resp_of_somebody", "").map(drop);
    assert_eq!(stored, Err(Unfit::Denied(Denial::Api)), "it has no owner that we know");
}

#[test]
fn another_spelling_of_what_is_decided_on_is_refused() {
    for (protocol, path, body) in [
        (Protocol::OpenAi, CHAT, json!({ "model": "m", "Model": "other" })),
        (Protocol::OpenAi, CHAT, json!({ "model": "m", "max_tokens": 1, "Max_Tokens": 100_000 })),
        (Protocol::OpenAi, "/v1/responses", json!({ "model": "m", "Tools": [] })),
        (
            Protocol::Anthropic,
            "/v1/messages",
            json!({ "model": "m", "max_tokens": 1, "TOOLS": [] }),
        ),
    ] {
        let refused = Place::new(protocol).read(path, &body.to_string()).map(drop);
        assert!(matches!(refused, Err(Unfit::Invalid(_))), "{body}: {refused:?}");
    }
    let place = openai().tools(&["good"], OnDeniedTool::Remove);
    let tool = json!({ "type": "function", "function": { "name": "good", "Name": "bad" } });
    let refused = place.read(CHAT, &json!({ "tools": [tool] }).to_string()).map(drop);
    assert!(matches!(refused, Err(Unfit::Invalid(_))), "{refused:?}");
}
