//! The keys below `access`: what scopes and roles mean.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::Word;

/// What scopes and roles mean.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Scopes that hold others in them.
    #[serde(default)]
    pub scopes: BTreeMap<String, Located<Scope>>,
    /// Roles and what they permit.
    #[serde(default)]
    pub roles: BTreeMap<String, Located<Role>>,
    /// Who acts in which roles, by principal: `corp:alice`, `key:ci`; a bare name means `local:`.
    #[serde(default)]
    pub assign: BTreeMap<String, Located<Vec<Located<Word>>>>,
    /// Policies in the language Cedar, which must permit every call besides.
    pub cedar: Option<Located<Cedar>>,
}

/// Policies in the language Cedar. Needs a gateway that is built with the feature `cedar`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cedar {
    /// The files that hold them.
    pub policies: Vec<Located<Word>>,
}

/// A scope.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The scopes that come with it.
    #[serde(default)]
    pub implies: Vec<Located<Word>>,
}

/// A role.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The roles whose permissions come with it; it counts for them, too.
    #[serde(default)]
    pub inherits: Vec<Located<Word>>,
    /// What it permits.
    #[serde(default)]
    pub permissions: Vec<Located<Permission>>,
}

/// What a role permits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// On which resource; `*` for every.
    pub resource: Located<Word>,
    /// To do what; `*` for everything.
    pub actions: Vec<Located<Word>>,
}
