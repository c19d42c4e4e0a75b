//! What is shown of an identity? Never what opens anything.

use std::sync::Arc;

use bartizan_core::authenticate::api_key::Record;
use bartizan_core::issue::{Client, User};
use bartizan_core::time::Timestamp;
use serde_json::{Value, json};

/// A key as a line of a list.
pub(super) fn key(record: &Record, now: Timestamp) -> (String, Value) {
    let Record { id, subject, scopes, roles, tenant, environment, .. } = record;
    let state = match (record.revoked, record.expires) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        (None, _) => "active",
    };
    let when = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
    let (expires, used) = (when(record.expires), when(record.last_used));
    let previous = record.previous.as_ref().map(|old| old.until).filter(|until| *until > now);
    let rotating = previous.filter(|_| record.revoked.is_none());
    let rotating =
        rotating.map_or_else(String::new, |until| format!("  the one before it until {until}"));
    let text = format!(
        "{id}  {state}  for {subject}{}  scopes {}  roles {}  expires {}  last used {}{rotating}",
        of(tenant),
        words(scopes),
        words(roles),
        expires.as_deref().unwrap_or("never"),
        used.as_deref().unwrap_or("never"),
    );
    let json = json!({
        "id": &**id, "state": state, "subject": &**subject, "scopes": list(scopes),
        "roles": list(roles), "tenant": tenant.as_deref(), "environment": environment.as_deref(),
        "expires": expires, "revoked": when(record.revoked), "last_used": used,
        "rotating_until": when(record.previous.as_ref().map(|old| old.until)),
    });
    (text, json)
}

/// A user as a line of a list.
pub(super) fn user(user: &User) -> (String, Value) {
    let User { name, scopes, roles, tenant, disabled, .. } = user;
    let state = if *disabled { "disabled" } else { "active" };
    let (of, scoped, held) = (of(tenant), words(scopes), words(roles));
    let text = format!("{name}  {state}{of}  scopes {scoped}  roles {held}");
    let json = json!({
        "username": &**name, "state": state, "scopes": list(scopes), "roles": list(roles),
        "tenant": tenant.as_deref(),
    });
    (text, json)
}

/// A client as a line of a list.
pub(super) fn client(client: &Client) -> (String, Value) {
    let Client { id, scopes, roles, tenant, grants, disabled, .. } = client;
    let state = if *disabled { "disabled" } else { "active" };
    let grants: Vec<_> = grants.iter().map(|grant| grant.as_str()).collect();
    let text = format!(
        "{id}  {state}{}  scopes {}  roles {}  grants {}",
        of(tenant),
        words(scopes),
        words(roles),
        grants.join(" ")
    );
    let json = json!({
        "client_id": &**id, "state": state, "scopes": list(scopes), "roles": list(roles),
        "tenant": tenant.as_deref(), "grants": grants, "proof": client.proof.method(),
        "acts_at_most": { "scopes": client.acts_at_most.scopes, "roles": client.acts_at_most.roles },
    });
    (text, json)
}

/// The organisation, where there is one.
fn of(tenant: &Option<Arc<str>>) -> String {
    tenant.as_ref().map_or_else(String::new, |tenant| format!("  of {tenant}"))
}

fn words(words: &[Arc<str>]) -> String {
    if words.is_empty() { "-".into() } else { words.join(" ") }
}

fn list(words: &[Arc<str>]) -> Vec<&str> {
    words.iter().map(|word| &**word).collect()
}
