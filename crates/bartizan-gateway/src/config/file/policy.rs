//! The keys below `policies` and `approvals`: what is laid down beside the endpoints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::endpoint::Category;
use super::leaf::{Network, OneOrMany, Span, Word};

/// A policy. Those of higher priority are asked first, those of equal priority in the order of the
/// file. Any that denies wins; where policies that allow speak of an endpoint, one of them must
/// hold; and the first that holds of those that allow or require an approval says whether one is
/// needed. None of them opens what an endpoint itself keeps shut.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it is called in reasons and in the audit log.
    pub name: Located<Word>,
    /// What follows where it holds.
    pub effect: Located<Effect>,
    /// Higher ones are asked first. Default: 0.
    pub priority: Option<Located<i32>>,
    /// Of which calls it speaks, and what must hold.
    #[serde(rename = "match")]
    pub matches: Option<Located<Match>>,
    /// It does not hold where all of this does.
    pub unless: Option<Located<Conditions>>,
}

/// What follows where a policy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The call may pass.
    Allow,
    /// It may not.
    Deny,
    /// It may when somebody has agreed.
    RequireApproval,
}

/// A section that says what must hold of the caller and the time, beside fields of its own. Serde's
/// `flatten` would lose the places of the keys, and take keys that nobody knows.
macro_rules! conditions {
    ($(#[$attribute:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// One of these patterns fits the principal, as `corp:ann` or `corp:*`.
            #[serde(default)]
            pub principals: Vec<Located<Word>>,
            /// The caller was recognised by one of these, as `api_key` or `jwt`.
            #[serde(default)]
            pub methods: Vec<Located<Word>>,
            /// The caller has one of these roles.
            #[serde(default)]
            pub roles: Vec<Located<Word>>,
            /// The caller holds all of these scopes.
            #[serde(default)]
            pub scopes: Vec<Located<Word>>,
            /// The caller belongs to one of these tenants.
            #[serde(default)]
            pub tenants: Vec<Located<Word>>,
            /// Claims of the caller's token, each with the values of which it must have one.
            #[serde(default)]
            pub claims: BTreeMap<String, Located<OneOrMany>>,
            /// The caller's address lies in one of these networks.
            #[serde(default)]
            pub addresses: Vec<Located<Network>>,
            /// The call comes at these times.
            pub hours: Option<Located<Hours>>,
        }

        impl $name {
            /// What it says of the caller and the time.
            pub fn asked(&self) -> Asked<'_> {
                Asked {
                    principals: &self.principals,
                    methods: &self.methods,
                    roles: &self.roles,
                    scopes: &self.scopes,
                    tenants: &self.tenants,
                    claims: &self.claims,
                    addresses: &self.addresses,
                    hours: self.hours.as_ref(),
                }
            }
        }
    };
}

conditions! {
    /// Of which calls a policy speaks, and what must hold. What is left out asks for nothing.
    pub struct Match {
        /// The verbs; an alias is what it means.
        #[serde(default)]
        pub verbs: Vec<Located<Word>>,
        /// Patterns of paths, by segment: `/files/*` is everything below `/files`. Default: for
        /// `deny` everything, for the others the configured endpoints.
        #[serde(default)]
        pub paths: Vec<Located<Word>>,
        /// Patterns of the endpoint's `resource`.
        #[serde(default)]
        pub resources: Vec<Located<Word>>,
        /// Categories of the endpoint.
        #[serde(default)]
        pub categories: Vec<Located<Category>>,
    }
}

conditions! {
    /// What must hold of the caller and the time.
    pub struct Conditions {}
}

/// What a section says of the caller and the time.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Patterns of principals.
    pub principals: &'a [Located<Word>],
    /// Ways to be recognised.
    pub methods: &'a [Located<Word>],
    /// Roles.
    pub roles: &'a [Located<Word>],
    /// Scopes.
    pub scopes: &'a [Located<Word>],
    /// Tenants.
    pub tenants: &'a [Located<Word>],
    /// Claims, each with its values.
    pub claims: &'a BTreeMap<String, Located<OneOrMany>>,
    /// Networks.
    pub addresses: &'a [Located<Network>],
    /// Times of the week.
    pub hours: Option<&'a Located<Hours>>,
}

/// Times of the week.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// On which days. Default: on all.
    #[serde(default)]
    pub days: Vec<Located<Day>>,
    /// From this time on, as `08:00`.
    pub from: Located<Word>,
    /// Before this time; where it is not after `from`, on the following day.
    pub until: Located<Word>,
    /// Whose time, by its name in the IANA database. Default: `UTC`.
    pub timezone: Option<Located<Word>>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Who may agree to calls that need it. Nobody decides about a call of their own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// Whoever has one of these roles may decide.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
    /// Whoever holds one of these scopes may decide.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// `true`: those who belong to no tenant decide for every tenant. Default: `false`, for their
    /// own only.
    pub across_tenants: Option<bool>,
    /// How long a call waits for a decision, and then how long it may be made. Default: `1h`.
    pub expires: Option<Located<Span>>,
    /// `false`: those who decide are shown neither the query nor the body. Default: `true`, the query
    /// and the first 4 KiB of the body as they would be sent.
    pub show_body: Option<bool>,
}
