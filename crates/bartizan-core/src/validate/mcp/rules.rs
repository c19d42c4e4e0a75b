//! What is laid down for an endpoint that speaks MCP, beside rights by name?

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretSlice;
use serde_json::{Map, Value};

use super::mirrors::Mirrors;
use super::pins::Pins;
use super::session::SessionKey;
use crate::validate::schema::{Schema, Violation};

/// What is laid down for an endpoint that speaks MCP.
#[derive(Debug)]
pub struct Rules {
    /// With what sessions are bound to their callers.
    pub key: SessionKey,
    /// From which web pages calls may come. One that names no page comes from none.
    pub origins: Vec<Arc<str>>,
    /// By which names callers reach it, beside its addresses and `localhost`; `None` where nobody has said, and
    /// any will do.
    pub hosts: Option<Vec<Arc<str>>>,
    /// What the arguments of tools must be, by the pattern of their right.
    pub terms: BTreeMap<Arc<str>, Vec<Term>>,
    /// What the tools are.
    pub pins: Pins,
    /// Which arguments are mirrored in header fields.
    pub mirrors: Mirrors,
}

/// What a part of the arguments of a tool must be.
#[derive(Clone, Debug)]
pub struct Term {
    /// Which part: a JSON Pointer (RFC 6901); empty for all of them.
    pub pointer: Arc<str>,
    /// What it must be.
    pub schema: Arc<Schema>,
}

impl Rules {
    /// Nothing but a key: no web page may call, hosts may be called anything, arguments may be anything, changed tools are told.
    #[must_use]
    pub fn new(secret: &SecretSlice<u8>) -> Self {
        let (key, pins) = (SessionKey::new(secret), Pins::default());
        let (origins, terms, mirrors) = (Vec::new(), BTreeMap::new(), Mirrors::default());
        Self { key, origins, hosts: None, terms, pins, mirrors }
    }
}

impl Term {
    /// How the arguments differ from it. A part that is not there is nothing that it could be.
    #[must_use]
    pub fn check(&self, arguments: &Map<String, Value>) -> Vec<Violation> {
        // The one copy is of a document that is about to be checked.
        let arguments = Value::Object(arguments.clone());
        let Some(part) = arguments.pointer(&self.pointer) else {
            let pointer = self.pointer.to_string();
            return vec![Violation { pointer, detail: "must be there".into() }];
        };
        let mut violations = self.schema.check(part);
        for violation in &mut violations {
            violation.pointer.insert_str(0, &self.pointer);
        }
        violations
    }
}
