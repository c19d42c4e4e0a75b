//! May this client act for that one? Token exchange by RFC 8693: delegation, and always less.

use std::sync::Arc;

use serde_json::{Value, json};

use super::account::{self, Client};
use super::{Refused, User};
use crate::authenticate::claims::Claims;
use crate::authenticate::{Caller, Kind};

/// The most that act for each other in one token.
const MAX_ACTORS: usize = 4;

/// What the client gets, for somebody else.
#[derive(Debug)]
pub struct Delegated {
    /// Of the scopes of the subject's token those that were asked for.
    pub scopes: Vec<Arc<str>>,
    /// Of its roles those that the client may have when it acts for somebody.
    pub roles: Vec<Arc<str>>,
    /// Who acts: the client, and within that whoever acted before it (RFC 8693 section 4.1).
    pub actor: Value,
    /// The tokens from which it comes, by their ids: taking one of them back takes it back.
    pub origins: Vec<Arc<str>>,
}

/// What the client cannot make use of is no access token of ours that counts. RFC 8693 section
/// 2.2.2 has this code for it.
pub const NOT_VALID: Refused = Refused::InvalidRequest("the subject_token is not valid");

/// What `client` gets when it acts for `subject`, whose token it shows: never more than that has,
/// than its user still has, and than the client may.
///
/// # Errors
/// [`Refused`] where it is the token of a program or of another tenant's user, asks for more, or
/// too many act already.
pub fn delegate(
    client: &Client,
    subject: &Caller,
    user: &User,
    asked: Option<&[String]>,
) -> Result<Delegated, Refused> {
    let strange = client.tenant.is_some() && client.tenant.as_ref() != subject.tenant();
    if subject.principal().kind != Kind::User || user.disabled || strange {
        return Err(NOT_VALID);
    }
    let claims = subject.claims();
    let most = &client.acts_at_most;
    let scopes = subject.scopes().iter().filter(|scope| user.scopes.contains(scope));
    let held: Vec<_> = scopes.filter(|scope| most.allows_scope(scope)).cloned().collect();
    let roles = subject.roles().iter().filter(|role| user.roles.contains(role));
    Ok(Delegated {
        scopes: account::scopes(asked, &held)?,
        roles: roles.filter(|role| most.allows_role(role)).cloned().collect(),
        actor: actor(client, claims)?,
        origins: origins(claims)?,
    })
}

fn actor(client: &Client, claims: &Claims) -> Result<Value, Refused> {
    let mut actor = json!({ "sub": &*client.id, "kind": Kind::Client.as_str() });
    let Some(before) = claims.get("act") else { return Ok(actor) };
    let depth = std::iter::successors(Some(before), |actor| actor.get("act")).count();
    if depth >= MAX_ACTORS {
        return Err(Refused::InvalidRequest("too many act for each other already"));
    }
    if let Some(members) = actor.as_object_mut() {
        members.insert("act".into(), before.clone());
    }
    Ok(actor)
}

/// The id of the token that was shown, and those from which it comes itself.
fn origins(claims: &Claims) -> Result<Vec<Arc<str>>, Refused> {
    let own = claims.get("jti").and_then(Value::as_str).ok_or(NOT_VALID)?;
    let before = claims.get("via").and_then(Value::as_array).into_iter().flatten();
    Ok(std::iter::once(own).chain(before.filter_map(Value::as_str)).map(Arc::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticate::claims::Grants;
    use crate::authenticate::password;
    use crate::authenticate::{Identity, Principal};
    use crate::issue::GrantType;
    use crate::issue::account::Proof;

    fn texts(all: &[&str]) -> Vec<Arc<str>> {
        all.iter().map(|one| Arc::from(*one)).collect()
    }

    fn client(most: Grants) -> Client {
        Client {
            id: "agent".into(),
            proof: Proof::Public,
            scopes: texts(&["agent:own"]),
            roles: texts(&["service"]),
            tenant: None,
            grants: GrantType::ALL.into(),
            acts_at_most: most,
            disabled: false,
        }
    }

    fn user() -> User {
        User {
            name: "ann".into(),
            password: password::hash(&"x".into(), &[0; 16]).unwrap(),
            scopes: texts(&["a", "b", "c"]),
            roles: texts(&["user", "admin"]),
            tenant: None,
            disabled: false,
        }
    }

    fn subject(principal: &str, claims: &Value) -> Caller {
        let mut identity = Identity::bare(Principal::parse(principal));
        identity.scopes = texts(&["a", "b", "gone"]);
        identity.roles = texts(&["user", "admin"]);
        identity.claims = claims.as_object().unwrap().clone().into();
        Caller::assert(identity)
    }

    fn ask(most: Grants, asked: Option<&[&str]>, claims: &Value) -> Result<Delegated, Refused> {
        let asked = asked.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        delegate(&client(most), &subject("local:ann", claims), &user(), asked.as_deref())
    }

    #[test]
    fn a_client_gets_no_more_than_the_token_the_user_and_itself_have() {
        let fresh = &json!({ "jti": "1" });
        let all = ask(Grants::default(), None, fresh).unwrap();
        assert_eq!(all.scopes.join(" "), "a b", "neither `gone` nor `c`, nor its own");
        assert!(all.roles.is_empty(), "roles only where they are named");
        let one = ask(Grants::default(), Some(&["a"]), fresh).unwrap();
        assert_eq!(one.scopes.join(" "), "a");
        for more in ["c", "gone", "agent:own", "*"] {
            let more = ask(Grants::default(), Some(&[more]), fresh);
            assert_eq!(more.unwrap_err(), Refused::InvalidScope);
        }
        let most = || Grants { roles: vec!["user".into()], scopes: vec!["b".into()] };
        let bounded = ask(most(), None, fresh).unwrap();
        assert_eq!(
            (bounded.scopes.join(" "), bounded.roles.join(" ")),
            ("b".into(), "user".into())
        );
        assert_eq!(ask(most(), Some(&["a"]), fresh).unwrap_err(), Refused::InvalidScope);
    }

    #[test]
    fn who_acts_and_from_what_it_comes_is_told_to_the_first() {
        let first = ask(Grants::default(), None, &json!({ "jti": "1" })).unwrap();
        assert_eq!(first.actor, json!({ "sub": "agent", "kind": "client" }));
        let mut claims = json!({ "jti": "1" });
        for depth in 1..=MAX_ACTORS {
            let next = ask(Grants::default(), None, &claims).unwrap();
            assert_eq!(next.origins.len(), depth);
            let jti = format!("{}", depth + 1);
            let via: Vec<_> = next.origins.iter().map(|one| one.to_string()).collect();
            claims = json!({ "jti": jti, "act": next.actor, "via": via });
        }
        assert!(ask(Grants::default(), None, &claims).is_err());
    }

    #[test]
    fn nobody_acts_for_a_program_or_for_who_is_gone() {
        let ask = |subject: &Caller, user: &User| {
            delegate(&client(Grants::default()), subject, user, None).err()
        };
        let claims = json!({ "jti": "1" });
        assert_eq!(ask(&subject("client:app", &claims), &user()), Some(NOT_VALID));
        let gone = User { disabled: true, ..user() };
        assert_eq!(ask(&subject("local:ann", &claims), &gone), Some(NOT_VALID));
        assert_eq!(ask(&subject("local:ann", &json!({})), &user()), Some(NOT_VALID));
        let tenant = Client { tenant: Some("acme".into()), ..client(Grants::default()) };
        let strange = delegate(&tenant, &subject("local:ann", &claims), &user(), None);
        assert_eq!(strange.err(), Some(NOT_VALID), "of one tenant for another");
    }
}
