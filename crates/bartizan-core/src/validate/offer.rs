//! Which tools does a call offer to a model, and may its caller offer them?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::said::Unfit;
use super::{Invalid, jsonrpc};
use crate::authorize::{Denial, Grant, OnDeniedTool};

/// Bytes in a tool's name. The providers take 64 to 128.
const LONGEST_NAME: usize = 256;

/// Members that name a tool, or hold one that does.
const NAMING: [&str; 10] = [
    "type",
    "name",
    "function",
    "custom",
    "tools",
    "mcp_server_name",
    "url",
    "server_url",
    "server_label",
    "connector_id",
];

/// Where an API's calls keep their tools.
pub(super) struct Offer {
    /// Members of the call that are lists of tools.
    pub(super) lists: &'static [&'static str],
    /// Members that say which of the tools the model must call.
    pub(super) choices: &'static [&'static str],
    /// The places of one tool that may name it. All of them count: whoever reads another place than
    /// we do must not find another name there.
    pub(super) names: fn(&Value) -> Vec<&Value>,
    /// The place of one tool that has the address of its server, where it has one.
    pub(super) address: &'static str,
}

/// Whether an address says to everybody the same: a scheme and a host in small letters, and a path
/// that leads nowhere else. A pattern such as `https://mcp.example.com/*` means no more than it says.
pub(super) fn is_plain(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(&byte);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~=&?+,".contains(&byte);
    let steps = path.split(['/', '?']).any(|step| matches!(step, "." | ".."));
    !host.is_empty() && host.bytes().all(part) && path.bytes().all(plain) && !steps
}

impl Offer {
    /// Looks through the offer; what may not be offered is taken out, or the call is refused, as the
    /// endpoint says. `true` where something was taken out.
    pub(super) fn check(
        &self,
        call: &mut Map<String, Value>,
        grant: &Grant,
    ) -> Result<bool, Unfit> {
        let names = &grant.endpoint().names;
        if names.tools.is_none() {
            return Ok(false);
        }
        let remove = names.on_denied_tool == OnDeniedTool::Remove;
        let mut changed = false;
        for &list in self.lists {
            let offer = match call.get_mut(list) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(offer)) => offer,
                Some(_) => return Err(Invalid::Member(list).into()),
            };
            let before = offer.len();
            self.filter(offer, list, grant, remove)?;
            changed |= offer.len() < before;
            if offer.is_empty() && before > 0 {
                call.remove(list);
            }
        }
        Ok(changed)
    }

    /// Looks through what items of the conversation offer, each a list of tools of its own: the model
    /// takes those for offered, too. `true` where something was taken out.
    pub(super) fn check_items(
        &self,
        call: &mut Map<String, Value>,
        within: &'static str,
        grant: &Grant,
    ) -> Result<bool, Unfit> {
        let names = &grant.endpoint().names;
        let Some(Value::Array(items)) = call.get_mut(within).filter(|_| names.tools.is_some())
        else {
            return Ok(false);
        };
        let remove = names.on_denied_tool == OnDeniedTool::Remove;
        let mut changed = false;
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if !jsonrpc::exact(item, &["tools"]) {
                return Err(Invalid::Member(within).into());
            }
            match item.get_mut("tools") {
                None | Some(Value::Null) => {}
                Some(Value::Array(offer)) => {
                    let before = offer.len();
                    self.filter(offer, within, grant, remove)?;
                    changed |= offer.len() < before;
                }
                Some(_) => return Err(Invalid::Member(within).into()),
            }
        }
        Ok(changed)
    }

    fn filter(
        &self,
        offer: &mut Vec<Value>,
        list: &'static str,
        grant: &Grant,
        remove: bool,
    ) -> Result<(), Unfit> {
        let mut kept = Vec::with_capacity(offer.len());
        for tool in offer.drain(..) {
            let names = self.all_names(&tool).ok_or(Invalid::Member(list))?;
            match denied(&names, grant) {
                None => kept.push(tool),
                Some(_) if remove => {}
                Some(name) => return Err(Denial::Tool(Arc::from(name)).into()),
            }
        }
        *offer = kept;
        Ok(())
    }

    /// A choice that names what is not offered any more would be an error to the provider.
    pub(super) fn forget_choices(&self, call: &mut Map<String, Value>, grant: &Grant) {
        let none_left = self.none_left(call);
        for &choice in self.choices {
            let gone = |choice: &Value| {
                let names = self.all_names(choice);
                choice.is_object() && names.is_some_and(|names| denied(&names, grant).is_some())
            };
            if call.get(choice).is_some_and(|choice| none_left || gone(choice)) {
                call.remove(choice);
            }
        }
    }

    /// No tool is offered.
    pub(super) fn none_left(&self, call: &Map<String, Value>) -> bool {
        self.lists.iter().all(|&list| call.get(list).is_none_or(Value::is_null))
    }

    /// The names of a tool and of those within it; `None` where there is none, or one that is no
    /// name. It goes no deeper than a document of JSON may.
    fn all_names<'a>(&self, tool: &'a Value) -> Option<Vec<&'a str>> {
        let is_name = |name: &&str| !name.is_empty() && name.len() <= LONGEST_NAME;
        let inner = ["function", "custom"].iter().filter_map(|inner| tool.get(inner));
        let exact =
            |part: &Value| part.as_object().is_none_or(|part| jsonrpc::exact(part, &NAMING));
        if !std::iter::once(tool).chain(inner).all(exact) {
            return None;
        }
        let address = tool.get(self.address).filter(|address| !address.is_null());
        if !address.is_none_or(|address| address.as_str().is_some_and(is_plain)) {
            return None;
        }
        let own = (self.names)(tool).into_iter().filter(|name| !name.is_null());
        let mut names =
            own.map(|name| name.as_str().filter(is_name)).collect::<Option<Vec<_>>>()?;
        for within in tool.get("tools").and_then(Value::as_array).into_iter().flatten() {
            names.extend(self.all_names(within)?);
        }
        (!names.is_empty()).then_some(names)
    }
}

/// The first of the names to which there is no right.
fn denied<'a>(names: &[&'a str], grant: &Grant) -> Option<&'a str> {
    names.iter().copied().find(|name| grant.tool(name).is_none())
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn an_address_that_a_pattern_could_be_fooled_by_is_none() {
        for url in ["https://mcp.example.com", "https://a.b:8443/sse?x=1&y=~a"] {
            assert!(is_plain(url), "{url}");
        }
        for url in [
            "http://mcp.example.com/",
            "HTTPS://mcp.example.com/",
            "https://MCP.example.com/",
            "https://mcp.example.com@evil.example/",
            "https://evil.example\\@mcp.example.com/",
            "https://mcp.example.com/a/../b",
            "https://mcp.example.com/%2e%2e/b",
            "https://mcp.example.com/#x",
            "https:///x",
            "",
        ] {
            assert!(!is_plain(url), "{url}");
        }
    }
}
