//! Is every signature accepted that should be, and no other? The JWS vectors of Wycheproof.

use std::fs;

use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jws::Jws;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Whether a vector is one of those that a row speaks of.
type Which = fn(&Vector) -> bool;

/// Vectors that are decided otherwise on purpose: which, and why.
const ON_PURPOSE: &[(Which, &str)] = &[
    (|v| [346, 347, 350, 351].contains(&v.id), "the key names another algorithm than the token"),
    (|v| [372, 373].contains(&v.id), "not base64url"),
    (|v| [367, 370].contains(&v.id), "its padding got lost on the way: what stands there is good"),
];

/// One vector: a text, and the public key that is said to have signed it.
struct Vector {
    id: u64,
    comment: String,
    key: Map<String, Value>,
    text: String,
    valid: bool,
}

/// Vectors of key sets that are decided otherwise on purpose: which, and why.
const SETS_ON_PURPOSE: &[(&str, &str)] = &[
    ("rejectsDuplicateKid", "either key may have signed, and one of them did"),
    ("rejectsKeyWithRocaVulnerability", "one in the set is passed over, as any weak key is"),
];

#[test]
fn no_key_of_a_set_counts_for_what_it_is_not_for() {
    let (mut wrong, mut accepted, mut seen) = (Vec::new(), 0, 0);
    for file in ["json_web_key_test.json", "json_web_crypto_test.json"] {
        let text = fs::read(crate::data(&format!("wycheproof/{file}"))).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        for (group, test) in file["testGroups"].as_array().unwrap().iter().flat_map(|group| {
            group["tests"].as_array().unwrap().iter().map(move |test| (group, test))
        }) {
            let Some(jws) = test["jws"].as_str() else { continue };
            let key = group.get("public").or_else(|| group.get("private")).unwrap();
            let holds = verifies(&keys(key), jws);
            seen += 1;
            accepted += usize::from(holds);
            let comment = test["comment"].as_str().unwrap();
            let purpose = SETS_ON_PURPOSE.iter().any(|(name, _)| *name == comment);
            if holds != (test["result"] == "valid") && !purpose {
                wrong.push(format!("{} {comment}: accepted: {holds}", group["comment"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40 && accepted > 5, "{accepted} of {seen} were accepted");
}

#[test]
fn no_invalid_signature_is_accepted_and_no_valid_one_refused_but_on_purpose() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 401);
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for vector in &vectors {
        let holds = holds(vector);
        accepted += usize::from(holds);
        let purpose = ON_PURPOSE.iter().any(|(is, _)| is(vector));
        if holds != vector.valid && !purpose {
            wrong.push(format!("{} {}: accepted: {holds}", vector.id, vector.comment));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 20, "only {accepted} were accepted: this proves nothing");
}

fn holds(vector: &Vector) -> bool {
    verifies(&keys(&Value::Object(vector.key.clone())), &vector.text)
}

fn verifies(keys: &[KeySet], text: &str) -> bool {
    Jws::parse(text).is_ok_and(|jws| keys.iter().any(|keys| jws.verify(keys).is_ok()))
}

/// The keys as an operator would configure them: a set of public ones, or one secret. Of a pair
/// the public half counts.
fn keys(key: &Value) -> Vec<KeySet> {
    let set = key["keys"].as_array();
    if let Some(set) = set.filter(|set| set.iter().all(|key| key["kty"] == "oct")) {
        return set.iter().flat_map(keys).collect();
    }
    if key["kty"] == "oct" {
        let secret = URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap());
        let Ok(secret) = secret else { return Vec::new() };
        let named = key["alg"].as_str().and_then(Algorithm::parse);
        return named.and_then(|alg| KeySet::secret(&secret, &[alg]).ok()).into_iter().collect();
    }
    let mut set = match key.get("keys") {
        Some(_) => key.clone(),
        None => json!({ "keys": [key] }),
    };
    for key in set["keys"].as_array_mut().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            key.as_object_mut().unwrap().remove(private);
        }
    }
    KeySet::parse(set.to_string().as_bytes()).into_iter().collect()
}

fn vectors() -> Vec<Vector> {
    let text = fs::read(crate::data("wycheproof/json_web_signature_test.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let groups = file["testGroups"].as_array().unwrap();
    groups.iter().flat_map(group).collect()
}

fn group(group: &Value) -> Vec<Vector> {
    let key = group.get("public").or_else(|| group.get("private")).unwrap().as_object().unwrap();
    let vector = |test: &Value| Vector {
        id: test["tcId"].as_u64().unwrap(),
        comment: test["comment"].as_str().unwrap().to_owned(),
        key: key.clone(),
        text: test["jws"].as_str().unwrap().to_owned(),
        valid: test["result"] == "valid",
    };
    group["tests"].as_array().unwrap().iter().map(vector).collect()
}
