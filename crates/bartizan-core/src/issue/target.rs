//! For which resource is the token? RFC 8707.

use std::sync::Arc;

use super::Refused;
use super::documents::origin;

/// What tokens may be for: everything that is guarded here, or one part of it.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Names of the whole.
    whole: Vec<Arc<str>>,
    /// Addresses of the parts, without a slash at the end, and their paths.
    parts: Vec<(Arc<str>, Arc<str>)>,
}

impl Targets {
    /// The whole, called by `audience` or by the address of the gateway, `issuer`; and the parts
    /// of it, by their fixed `paths`.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, paths: &[Arc<str>]) -> Self {
        let origin = origin(issuer);
        let whole = [issuer, audience, origin].map(|name| Arc::from(name.trim_end_matches('/')));
        let part = |path: &Arc<str>| {
            let path = path.trim_end_matches('/');
            (!path.is_empty()).then(|| (Arc::from(format!("{origin}{path}")), Arc::from(path)))
        };
        Self { whole: whole.into(), parts: paths.iter().filter_map(part).collect() }
    }

    /// The addresses of the parts, and their paths.
    #[must_use]
    pub fn parts(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.parts
    }

    /// The part to which a token with this `aud` is confined, if it is.
    #[must_use]
    pub fn part(&self, audience: &str) -> Option<&Arc<str>> {
        self.parts.iter().map(|(part, _)| part).find(|part| ***part == *audience)
    }

    /// The part that a token shall be for, where `asked` names one; `None` is the whole. What
    /// was `confined` to a part stays confined to it.
    ///
    /// # Errors
    /// [`Refused::InvalidTarget`] where nothing of that name is guarded here, or another part
    /// than before is asked for.
    pub fn choose(
        &self,
        asked: Option<&str>,
        confined: Option<&Arc<str>>,
    ) -> Result<Option<Arc<str>>, Refused> {
        let Some(asked) = asked else { return Ok(confined.cloned()) };
        let bare = asked.trim_end_matches('/');
        let part = self.parts.iter().map(|(part, _)| part).find(|part| ***part == *bare);
        let whole = self.whole.iter().any(|name| **name == *bare);
        match (part, confined) {
            (Some(part), None) => Ok(Some(Arc::clone(part))),
            (Some(part), Some(confined)) if part == confined => Ok(Some(Arc::clone(part))),
            (None, None) if whole => Ok(None),
            (None | Some(_), _) => Err(Refused::InvalidTarget),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_the_whole_or_for_one_part_and_never_grows() {
        let paths = ["/mcp".into(), "/v1/".into(), "/".into()];
        let targets = Targets::new("https://gate.example", "api", &paths);
        let choose = |asked, confined: Option<&Arc<str>>| targets.choose(asked, confined);
        let mcp: Arc<str> = "https://gate.example/mcp".into();
        assert_eq!(choose(None, None), Ok(None));
        for whole in ["api", "https://gate.example", "https://gate.example/"] {
            assert_eq!(choose(Some(whole), None), Ok(None), "{whole}");
            assert_eq!(choose(Some(whole), Some(&mcp)), Err(Refused::InvalidTarget), "{whole}");
        }
        for part in ["https://gate.example/mcp", "https://gate.example/mcp/"] {
            assert_eq!(choose(Some(part), None), Ok(Some(mcp.clone())));
            assert_eq!(choose(Some(part), Some(&mcp)), Ok(Some(mcp.clone())));
        }
        assert_eq!(choose(None, Some(&mcp)), Ok(Some(mcp.clone())));
        for other in [
            "https://gate.example/v1",
            "https://gate.example/mcp/x",
            "https://gate.example/mcp?x",
            "https://gate.example/MCP",
            "https://elsewhere.example/mcp",
            "/mcp",
            "",
        ] {
            assert_eq!(choose(Some(other), Some(&mcp)), Err(Refused::InvalidTarget), "{other}");
        }
        assert_eq!(choose(Some("https://elsewhere.example"), None), Err(Refused::InvalidTarget));
    }
}
