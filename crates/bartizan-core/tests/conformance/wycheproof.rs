//! Is every signature accepted that should be, and no other? The JWS vectors of Wycheproof.

use std::fs;

use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jws::Jws;
use serde_json::{Map, Value, json};

/// Whether a vector is one of those that a row speaks of.
type Which = fn(&Vector) -> bool;

/// Vectors marked valid that are refused on purpose: which, and why.
const ON_PURPOSE: &[(Which, &str)] = &[
    (|v| v.key["kty"] == "oct", "a secret that is shared is no proof of who signed"),
    (|v| [346, 347, 350, 351].contains(&v.id), "the key names another algorithm than the token"),
    (|v| [372, 373].contains(&v.id), "not base64url"),
];

/// One vector: a text, and the public key that is said to have signed it.
struct Vector {
    id: u64,
    comment: String,
    key: Map<String, Value>,
    text: String,
    valid: bool,
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
        if holds != vector.valid && !(vector.valid && purpose) {
            wrong.push(format!("{} {}: accepted: {holds}", vector.id, vector.comment));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 20, "only {accepted} were accepted: this proves nothing");
}

fn holds(vector: &Vector) -> bool {
    let set = json!({ "keys": [vector.key] }).to_string();
    let Ok(keys) = KeySet::parse(set.as_bytes()) else { return false };
    Jws::parse(&vector.text).is_ok_and(|jws| jws.verify(&keys).is_ok())
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
