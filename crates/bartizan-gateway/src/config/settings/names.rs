//! What do `tools` and `models` of an endpoint mean? Rights by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::authorize::{NameRule, Named, Names, OnDeniedTool};
use bartizan_core::validate::Protocol;

use super::super::decode::Located;
use super::super::file::endpoint as file;
use super::AccessRules;
use super::resolver::Resolver;

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    protocol: Protocol,
    rules: &AccessRules,
) -> Names {
    misplaced(resolver, entry, protocol);
    let tools = entry.tools.iter().map(|(pattern, tool)| NameRule {
        pattern: Arc::from(pattern.as_str()),
        scopes: resolver.scopes(&tool.scopes),
        roles: resolver.roles(&tool.roles, rules),
        approval: tool.approval.is_some(),
        stands_for: None,
    });
    let tools: Vec<_> = tools.collect();
    let models: Vec<_> = models(resolver, &entry.models, rules);
    let resources = rights(resolver, &entry.resources, rules);
    let prompts = rights(resolver, &entry.prompts, rules);
    let server_requests = rights(resolver, &entry.server_requests, rules);
    let methods = rights(resolver, &entry.methods, rules);
    let skills = rights(resolver, &entry.skills, rules);
    // What is called through the gate is denied where nothing is said.
    let closed = protocol == Protocol::Mcp;
    let named =
        |rules: Vec<NameRule>| (closed || !rules.is_empty()).then(|| Arc::new(Named::new(rules)));
    let open = |rules: Vec<NameRule>| (!rules.is_empty()).then(|| Arc::new(Named::new(rules)));
    let on_denied_tool = match entry.on_denied_tool.as_ref().map(|word| word.value) {
        Some(file::OnDeniedTool::Remove) => OnDeniedTool::Remove,
        Some(file::OnDeniedTool::Refuse) | None => OnDeniedTool::Refuse,
    };
    Names {
        tools: named(tools),
        models: open(models),
        resources: named(resources),
        prompts: named(prompts),
        server_requests: named(server_requests),
        methods: open(methods),
        skills: open(skills),
        on_denied_tool,
    }
}

/// Rights that ask for nothing but scopes and roles.
fn rights(
    resolver: &mut Resolver<'_>,
    entries: &BTreeMap<String, Located<file::Right>>,
    rules: &AccessRules,
) -> Vec<NameRule> {
    let right = |(pattern, right): (&String, &Located<file::Right>)| NameRule {
        pattern: Arc::from(pattern.as_str()),
        scopes: resolver.scopes(&right.scopes),
        roles: resolver.roles(&right.roles, rules),
        ..NameRule::default()
    };
    entries.iter().map(right).collect()
}

fn models(
    resolver: &mut Resolver<'_>,
    entries: &BTreeMap<String, Located<file::Model>>,
    rules: &AccessRules,
) -> Vec<NameRule> {
    let mut models = Vec::new();
    for (pattern, model) in entries {
        if let Some(meant) = model.stands_for.as_ref().filter(|_| pattern.contains('*')) {
            let help = "write out the name that stands for it, or remove `stands_for`";
            resolver.error(&meant.key, "many names cannot stand for one model by a pattern", help);
        }
        models.push(NameRule {
            pattern: Arc::from(pattern.as_str()),
            scopes: resolver.scopes(&model.scopes),
            roles: resolver.roles(&model.roles, rules),
            approval: false,
            stands_for: model.stands_for.as_ref().map(|meant| Arc::from(&*meant.value.0)),
        });
    }
    models
}

/// Whether its calls name tools or models.
fn has_names(protocol: Protocol) -> bool {
    protocol.is_spoken() && protocol != Protocol::A2a
}

/// Rights that nobody would look at protect nothing.
fn misplaced(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>, protocol: Protocol) {
    // Of those that are not built it is told elsewhere.
    let unbuilt = resolver.lost(&format!("{}/protocol", entry.place.pointer));
    if !has_names(protocol) && !unbuilt {
        let help = "say what is spoken: `protocol: mcp`, `openai` or `anthropic`";
        for tool in entry.tools.values().take(1) {
            resolver.error(&tool.key, "`tools` needs a `protocol` that has some", help);
        }
    }
    if !protocol.has_models() && !unbuilt {
        let help = "say what is spoken: `protocol: openai` or `anthropic`";
        for model in entry.models.values().take(1) {
            resolver.error(&model.key, "`models` needs a `protocol` that has some", help);
        }
    }
    if protocol.has_models() {
        for tool in entry.tools.values() {
            if let Some(approval) = &tool.approval {
                let help = "ask for it where the tool is called, or for the whole endpoint";
                resolver.error(
                    &approval.key,
                    "a tool that is only offered to a model cannot be approved",
                    help,
                );
            }
        }
    }
}
