//! Whose data is it? Where a request names a tenant, it must be the caller's own.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::Circumstances;
use crate::admit::fields::plain;
use crate::authenticate::Caller;

/// Where a request names the tenant whose data it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TenantAt {
    /// In this segment of the path, counted from 0.
    Segment(usize),
    /// In this header field, which must stand there exactly once, in whatever spelling.
    Header(HeaderName),
}

impl TenantAt {
    /// The parameter `name` of a path template, `{org}` of `/orgs/{org}/files`; none where the
    /// template has no segment that is this parameter alone.
    #[must_use]
    pub fn in_path(template: &str, name: &str) -> Option<Self> {
        let is = |segment: &str| {
            segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(name)
        };
        template.split('/').skip(1).position(is).map(Self::Segment)
    }

    /// Whether the request names the caller's own tenant. Whoever has none names none; where
    /// there is no request yet, having one will do.
    #[must_use]
    pub fn is_own(&self, caller: &Caller, circumstances: &Circumstances<'_>) -> bool {
        let Some(own) = caller.tenant() else { return false };
        match self {
            Self::Segment(index) => circumstances.path.is_none_or(|path| {
                let segment = path.split('/').nth(index + 1);
                segment.is_some_and(|segment| percent_decode_str(segment).eq(own.bytes()))
            }),
            Self::Header(name) => circumstances
                .headers
                .is_none_or(|headers| only(headers, name).is_some_and(|value| value == &**own)),
        }
    }

    /// Says in the request which tenant it was decided for, so that what goes on is what was granted,
    /// whatever was done to its fields in between.
    pub fn tell(&self, caller: &Caller, headers: &mut HeaderMap) {
        if let (Self::Header(name), Some(own)) = (self, caller.tenant())
            && let Ok(value) = HeaderValue::from_bytes(own.as_bytes())
        {
            headers.insert(name.clone(), value);
        }
    }
}

/// The value of a field that stands there once. Written a second time in another spelling, it would
/// name another tenant to an upstream that cannot tell `X_Tenant` from `X-Tenant`.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let known = plain(name);
    let mut values = headers.iter().filter(|(other, _)| plain(other) == known);
    let (spelt, value) = values.next()?;
    (values.next().is_none() && spelt == name).then_some(value)
}
