//! What was written for callers who cannot come? Told where that is certain: whoever is in the durable
//! store is not known here.

use bartizan_core::authenticate::{Principal, certificate};
use bartizan_core::authorize::approval::Approvers;

use super::super::decode::Located;
use super::super::file::credential::Credential;
use super::super::file::endpoint;
use super::super::file::leaf::Word;
use super::super::file::{File, policy};
use super::super::shape;
use super::super::tree::Place;
use super::resolver::Resolver;
use super::{AccessRules, Auth};

/// Tells of it.
pub(super) fn tell(
    resolver: &mut Resolver<'_>,
    file: &File,
    auth: &Auth,
    access: &AccessRules,
    approvers: &Approvers,
) {
    if resolver.lost("/auth") {
        return;
    }
    assigned(resolver, file, auth);
    spoken_of(resolver, file, auth);
    exchanged(resolver, file, auth);
    approving(resolver, file, auth, access, approvers);
}

/// Roles that are given to somebody whom nobody vouches for.
fn assigned(resolver: &mut Resolver<'_>, file: &File, auth: &Auth) {
    let assigned = file.access.iter().flat_map(|access| &access.assign);
    for (written, roles) in assigned {
        let principal = Principal::parse(written);
        if principal.issuer.is_empty() || principal.subject.is_empty() {
            continue;
        }
        if let Some(help) = stranger(&principal.issuer, auth) {
            let message = format!("nobody is ever `{principal}`");
            resolver.warn(&roles.key, message, help);
        }
    }
}

/// Policies about them.
fn spoken_of(resolver: &mut Resolver<'_>, file: &File, auth: &Auth) {
    let conditions = |policy: &policy::Policy| -> Vec<(String, Place)> {
        let matches = policy.matches.as_ref().map(|matches| matches.asked().principals);
        let unless = policy.unless.as_ref().map(|unless| unless.asked().principals);
        let all = matches.into_iter().chain(unless).flatten();
        all.map(|word: &Located<Word>| (word.value.0.clone(), word.place.clone())).collect()
    };
    for (pattern, place) in file.policies.iter().flat_map(|policy| conditions(policy)) {
        let Some((issuer, _)) = pattern.split_once(':') else { continue };
        if issuer.contains('*') {
            continue;
        }
        if let Some(help) = stranger(issuer, auth) {
            resolver.warn(&place, format!("nobody is ever `{pattern}`"), help);
        }
    }
}

/// What to do where nobody of this issuer ever comes; `None` where somebody may.
fn stranger(issuer: &str, auth: &Auth) -> Option<String> {
    let named = auth.issuers.iter().map(|trusted| &**trusted.issuer.name());
    let own: &[&str] = if auth.tokens.is_some() { &["local", "client"] } else { &[] };
    let certified = auth.certificates.is_some().then_some(certificate::ISSUER);
    let known: Vec<&str> =
        named.chain(own.iter().copied()).chain(certified).chain(["key", "anonymous"]).collect();
    if known.contains(&issuer) {
        return None;
    }
    Some(match (issuer, shape::meant(issuer, known.iter().copied())) {
        ("local", _) => {
            "users and clients need the token endpoint, `auth.tokens`; the holder of a \
                         key is `key:ID`"
                .into()
        }
        ("client", _) => "clients need the token endpoint, `auth.tokens`".into(),
        (certificate::ISSUER, _) => "callers are known by certificates with `auth.mtls`".into(),
        (_, Some(meant)) => format!("did you mean `{meant}:`?"),
        (_, None) => {
            format!("`{issuer}` is no `name` of `auth.oidc`; known are `{}`", known.join("`, `"))
        }
    })
}

/// Tokens that are exchanged where nobody has one.
fn exchanged(resolver: &mut Resolver<'_>, file: &File, auth: &Auth) {
    if auth.tokens.is_some() || !auth.issuers.is_empty() {
        return;
    }
    let upstreams = file.endpoints.iter().filter_map(|entry| entry.upstream.as_ref());
    let servers = upstreams.flat_map(|upstream| {
        let further = upstream.fallbacks.iter().map(|other| other.one());
        std::iter::once(upstream.one()).chain(further)
    });
    for one in servers.collect::<Vec<endpoint::One<'_>>>() {
        if let Some(Located { value: Credential::TokenExchange(_), key, .. }) = one.credential {
            let help = "say whose tokens count, `auth.oidc` or `auth.tokens`, or call the upstream \
                        with `client_credentials`";
            let message = "`token_exchange` needs the token of a caller, and nobody can show one";
            resolver.warn(key, message, help);
        }
    }
}

/// Approvals that are given by whoever has a role that is nobody's, as far as the file says. Whether
/// the store has somebody is not known: it is worth a word, and no mistake.
fn approving(
    resolver: &mut Resolver<'_>,
    file: &File,
    auth: &Auth,
    access: &AccessRules,
    approvers: &Approvers,
) {
    let Some(written) = &file.approvals else { return };
    if resolver.lost("/access") || !approvers.scopes.is_empty() || approvers.roles.is_empty() {
        return;
    }
    let people = auth.tokens.iter().flat_map(|tokens| {
        let users = tokens.users.iter().map(|user| &user.roles);
        users.chain(tokens.clients.iter().map(|client| &client.roles))
    });
    let held = people.chain(auth.keys.iter().map(|key| &key.roles)).chain(access.assigned.values());
    let mut held: Vec<_> = held.flatten().cloned().collect();
    let asserted = |role: &&std::sync::Arc<str>| {
        auth.issuers.iter().any(|trusted| trusted.issuer.grants_at_most.allows_role(role))
    };
    held.extend(access.names.iter().filter(asserted).cloned());
    if approvers.roles.iter().any(|role| access.roles.hold(&held, role)) {
        return;
    }
    // One that is not defined has been told.
    let Some(role) = approvers.roles.iter().find(|role| access.names.contains(*role)) else {
        return;
    };
    resolver.note(
        &written.key,
        format!("nobody in this file has the role `{role}`, who may agree to calls"),
        format!(
            "give it to somebody: `access: {{ assign: {{ \"ISSUER:NAME\": [{role}] }} }}`, or \
             `bartizan users add NAME --roles {role}`"
        ),
    );
}
