//! Does a real identity provider work as it is? Its tokens, its keys as they turn, its outages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::gateway::Gateway;
use crate::http::{Answer, Ask, ask};
use crate::provider::{Provider, node};

const SIGNED: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// A gateway that believes the provider; `more` stands in its row, `rest` below `auth`.
fn gateway(provider: &Provider, more: &str, rest: &str) -> Gateway {
    let audiences = [SIGNED.as_slice(), &["opaque"]].concat().join("\", \"http://gate.test/");
    Gateway::configured(&format!(
        r#"
auth:
  oidc:
    - name: idp
      issuer: "{}"
      audience: ["http://gate.test/{audiences}"]
      algorithms: [RS256, ES256, EdDSA]
      claims: {{ subject: [sub, client_id], tenant: tenant, roles: realm_access.roles }}
      grants_at_most: {{ roles: [service], scopes: ["data:*"] }}
{more}
{rest}
access: {{ roles: {{ service: {{ permissions: [{{ resource: document, actions: ["*"] }}] }}, admin: {{ permissions: [] }} }} }}
actions: {{ enabled: false }}
endpoints:
  - {{ path: "/documents/{{name}}", verbs: [GET, SUMMARIZE], scopes: ["data:read"], resource: document, handler: health }}
  - {{ path: /roles, verbs: [GET], roles: [admin], handler: health }}
  - {{ path: /write, verbs: [GET], scopes: ["data:write"], handler: health }}
"#,
        provider.url
    ))
}

fn get(token: &str) -> Ask {
    ask("GET", "/documents/a%20b?x=1").bearer(token)
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    get(token).at(gateway.address).await.status
}

/// Asks until the answer is this one.
async fn until(gateway: &Gateway, token: &str, expected: u16) {
    let end = Instant::now() + Duration::from_secs(30);
    while status(gateway, token).await != expected {
        assert!(Instant::now() < end, "still not {expected}");
    }
}

#[tokio::test]
async fn tokens_of_a_real_provider_count_for_what_they_say_and_no_more() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "      typ: at+jwt", "");
    for format in SIGNED {
        let token = provider.token(format).await;
        assert_eq!(status(&gateway, &token).await, 200, "{format}");
        assert_eq!(ask("GET", "/roles").bearer(&token).at(gateway.address).await.status, 403);
        assert_eq!(ask("GET", "/write").bearer(&token).at(gateway.address).await.status, 403);
        let (head, sign) = token.rsplit_once('.').unwrap();
        let swapped: String = sign.chars().rev().collect();
        let answer = get(&format!("{head}.{swapped}")).at(gateway.address).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    let records = gateway.records();
    let known = records.iter().find(|record| record["event"] == "AUTH_SUCCESS").unwrap();
    assert_eq!(known["principal"]["issuer"], "idp", "{known}");
    assert_eq!(known["principal"]["id"], "svc", "{known}");
    assert_eq!(known["principal"]["tenant"], "acme", "{known}");
    assert_eq!(known["principal"]["method"], "jwt", "{known}");
    // An opaque token is nothing to a gateway that may not ask.
    let opaque = provider.token("opaque").await;
    assert_eq!(status(&gateway, &opaque).await, 401);
    assert_eq!(provider.asked("/token/introspection").await, 0);
}

#[tokio::test]
async fn keys_turn_under_load_and_not_one_good_token_is_refused() {
    let provider = Arc::new(Provider::start());
    let gateway = Arc::new(gateway(&provider, "      refresh: 1s", ""));
    let old = provider.token("ES256").await;
    assert_eq!(status(&gateway, &old).await, 200);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = (0..3).map(|format| {
        let (provider, gateway) = (Arc::clone(&provider), Arc::clone(&gateway));
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut refused = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let token = provider.token(SIGNED[format]).await;
                let answer: Answer = get(&token).at(gateway.address).await;
                if answer.status != 200 {
                    refused.push(answer.status);
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
            refused
        })
    });
    let load: Vec<_> = load.collect();
    let fetches = async |more: u64| {
        let from = provider.asked("/jwks").await;
        let end = Instant::now() + Duration::from_secs(60);
        while provider.asked("/jwks").await < from + more {
            assert!(Instant::now() < end, "the keys are not fetched any more");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for _ in 0..2 {
        provider.tell("publish").await;
        fetches(2).await;
        provider.tell("switch").await;
        let before = asked.load(Ordering::Relaxed);
        while asked.load(Ordering::Relaxed) < before + 30 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        provider.tell("retire").await;
        fetches(2).await;
    }
    stop.store(true, Ordering::Relaxed);
    for loader in load {
        assert_eq!(loader.await.unwrap(), [0; 0]);
    }
    assert!(asked.load(Ordering::Relaxed) >= 60);
    // The key of the first token is gone, and so is what it signed.
    until(&gateway, &old, 401).await;
}

#[tokio::test]
async fn keys_that_turn_without_notice_are_known_within_a_minute_and_a_flood_buys_few_fetches() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "", "  bad_credentials_per_minute: 100000");
    let old = provider.token("ES256").await;
    assert_eq!(status(&gateway, &old).await, 200);
    let made_up = |i: usize| {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"made-up-{i}"}}"#);
        let (_, rest) = old.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    };
    let began = Instant::now();
    for i in 0..300 {
        assert_eq!(status(&gateway, &made_up(i)).await, 401);
    }
    provider.tell("rotate").await;
    let new = provider.token("ES256").await;
    let mut i = 300;
    while status(&gateway, &new).await != 200 {
        assert_eq!(status(&gateway, &made_up(i)).await, 401);
        i += 1;
        assert!(began.elapsed() < Duration::from_secs(60), "a minute was not enough");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let fetched = provider.asked("/jwks").await;
    assert!(fetched <= 7, "{fetched} fetches in {:?}", began.elapsed());
}

#[tokio::test]
async fn an_outage_of_the_provider_turns_nobody_away_who_has_a_signed_token() {
    let provider = Provider::start();
    let asking = "      refresh: 1s\n      introspection: { client_id: gateway, client_secret: gateway-secret, cache: 1s }";
    let gateway = gateway(&provider, asking, "");
    let mut tokens = Vec::new();
    for format in [SIGNED, SIGNED].concat() {
        tokens.push(provider.token(format).await);
    }
    let opaque = provider.token("opaque").await;
    assert_eq!(status(&gateway, &opaque).await, 200);
    assert_eq!(status(&gateway, &tokens[0]).await, 200);
    provider.tell("down").await;
    // One nobody could ask about: not refused as bad, and not let in.
    until(&gateway, &opaque, 503).await;
    for token in &tokens {
        assert_eq!(status(&gateway, token).await, 200);
    }
    provider.tell("up").await;
    until(&gateway, &opaque, 200).await;
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_and_ends_when_it_is_taken_back() {
    let provider = Provider::start();
    let asking =
        "      introspection: { client_id: gateway, client_secret: gateway-secret, cache: 1s }";
    let gateway = gateway(&provider, asking, "");
    let token = provider.token("opaque").await;
    for _ in 0..20 {
        assert_eq!(status(&gateway, &token).await, 200);
    }
    let asked = provider.asked("/token/introspection").await;
    assert!(asked < 15, "asked {asked} times about 20 requests");
    assert_eq!(ask("GET", "/write").bearer(&token).at(gateway.address).await.status, 403);
    let records = gateway.records();
    let known = records.iter().find(|record| record["event"] == "AUTH_SUCCESS").unwrap();
    assert_eq!(known["principal"]["method"], "introspection", "{known}");
    provider.revoke(&token).await;
    until(&gateway, &token, 401).await;
    assert_eq!(status(&gateway, "made-up").await, 401);
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_counts_with_a_proof_and_only_once_with_each() {
    let provider = Provider::start();
    let asking = "      introspection: { client_id: gateway, client_secret: gateway-secret }";
    let gateway = gateway(&provider, asking, "  dpop: { origins: [\"https://gate.example\"] }");
    for format in ["ES256", "opaque"] {
        let token = provider.bound_token(format).await;
        let proof = async |htm: &str, more: &str| {
            let htu = "https://gate.example/documents/a%2520b";
            provider.tell(&format!("proof?htm={htm}&htu={htu}{more}")).await
        };
        let good = format!("&token={token}");
        let shown = async |verb: &str, scheme: &str, proof: Option<&str>| {
            let asked = ask(verb, "/documents/a%20b?x=1");
            let asked = asked.header("authorization", format!("{scheme} {token}"));
            let asked = match proof {
                Some(proof) => asked.header("dpop", proof),
                None => asked,
            };
            asked.at(gateway.address).await
        };
        let once = proof("GET", &good).await;
        assert_eq!(shown("GET", "DPoP", Some(&once)).await.status, 200, "{format}");
        let again = shown("GET", "DPoP", Some(&once)).await;
        assert_eq!(again.status, 401);
        let challenge = again.header("www-authenticate");
        assert!(challenge.starts_with("DPoP ") && challenge.contains("invalid_dpop_proof"));
        assert!(challenge.contains("algs=\""), "{challenge}");
        let custom = proof("SUMMARIZE", &good).await;
        assert_eq!(shown("SUMMARIZE", "dpop", Some(&custom)).await.status, 200);
        // Whoever falls short is told so in the scheme that they speak: Bearer would be a step down.
        let htu = "https://gate.example/write";
        let lacking = provider.tell(&format!("proof?htm=GET&htu={htu}{good}")).await;
        let asked = ask("GET", "/write").header("authorization", format!("DPoP {token}"));
        let answer = asked.header("dpop", lacking).at(gateway.address).await;
        assert_eq!(answer.status, 403);
        let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        let challenge = challenges[0].to_str().unwrap();
        assert!(challenges.len() == 1 && challenge.starts_with("DPoP "), "{challenges:?}");
        assert!(challenge.contains("insufficient_scope") && challenge.contains("data:write"));
        let stolen = proof("GET", "&token=another").await;
        let other = proof("POST", &good).await;
        let early = proof("GET", &format!("{good}&iat=1000000000")).await;
        let fresh = proof("GET", &good).await;
        for (verb, scheme, proof) in [
            ("GET", "DPoP", None),
            ("GET", "DPoP", Some("garbage")),
            ("GET", "DPoP", Some(stolen.as_str())),
            ("GET", "DPoP", Some(other.as_str())),
            ("GET", "DPoP", Some(early.as_str())),
            ("GET", "Bearer", Some(fresh.as_str())),
            ("GET", "Bearer", None),
        ] {
            assert_eq!(shown(verb, scheme, proof).await.status, 401, "{format} {scheme} {proof:?}");
        }
        assert_eq!(shown("GET", "DPoP", Some(&fresh)).await.status, 200, "and it was still good");
    }
    // A token that is bound to nothing gains nothing by a proof.
    let bearer = provider.token("ES256").await;
    let htu = "https://gate.example/documents/a%2520b";
    let proof = provider.tell(&format!("proof?htm=GET&htu={htu}&token={bearer}")).await;
    let asked = ask("GET", "/documents/a%20b").header("authorization", format!("DPoP {bearer}"));
    assert_eq!(asked.header("dpop", proof).at(gateway.address).await.status, 401);
    let nobody = ask("GET", "/documents/x").at(gateway.address).await;
    let challenges: Vec<_> = nobody.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2, "{challenges:?}");
}

#[tokio::test]
async fn a_client_that_knows_only_the_standard_comes_through_with_nonces_and_without() {
    let provider = Provider::start();
    for (nonce, expected) in
        [(false, "dpop\n200\n200\n200\n"), (true, "dpop\nnonce 200\n200\n200\n")]
    {
        let rest = format!("  dpop: {{ origins: [\"https://gate.example\"], nonce: {nonce} }}");
        let gateway = gateway(&provider, "", &rest);
        let mut client = node("dpop_client.mjs");
        client.args([provider.url.clone(), gateway.address.to_string()]);
        let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
