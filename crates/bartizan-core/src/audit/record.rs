//! What does an entry look like once it is written? One line of canonical JSON.
//!
//! A member that has nothing to say is left out; there is no `null`, and no empty object. Strings
//! end after [`MAX_TEXT`] bytes, the user agent after [`MAX_USER_AGENT`]. `usd_nano` is a decimal
//! string, for a budget outgrows the integers of a double.
//!
//! [`write()`] writes the members in canonical order in one pass, because it stands in the way of
//! every exchange; [`Record::parse`] reads a line back by the general rules, which is also the
//! proof that the two agree.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::details::{self, MAX_TEXT, beginning};
use super::{End, Entry, Facts, Sheet, Usage, canonical};
use crate::authenticate::Caller;
use crate::decimal;

mod hash;
mod members;
mod read;

pub use hash::Hash;
use members::{Members, fill};
pub use read::{MAX_LINE, Malformed, Record};

/// The longest user agent of a record, in bytes.
pub const MAX_USER_AGENT: usize = 256;

/// Where a record stands in its chain.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its number; the first is 1.
    pub seq: u64,
    /// The hash of the record before it.
    pub prev: Hash,
    /// The gateway that writes.
    pub gateway: &'a str,
    /// The chain's name.
    pub chain: &'a str,
}

/// A record but for its place in a chain: what can be written wherever its entry arises, before
/// the chain's one writer numbers it. Its bytes lie where [`outline()`] put them.
///
/// The gaps are the offsets at which the chain's name, the gateway's name and the hash, the hash
/// before it, and the number are to be put in.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    gaps: [usize; 4],
    len: usize,
}

impl Outline {
    /// How many bytes [`outline()`] appended.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an outline is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes before, between and after the gaps.
    fn pieces<'a>(&self, mut bytes: &'a [u8]) -> [&'a [u8]; 5] {
        let mut from = 0;
        let before = self.gaps.map(|gap| {
            let (piece, rest) = bytes.split_at_checked(gap - from).unwrap_or((bytes, &[]));
            (bytes, from) = (rest, gap);
            piece
        });
        let [action, client, outcome, principal] = before;
        [action, client, outcome, principal, bytes]
    }
}

/// Appends the record of `entry`, and the line feed after it, to `out`.
pub fn write(entry: &Entry, place: Place<'_>, out: &mut Vec<u8>) -> Hash {
    let mut bytes = Vec::new();
    let outline = outline(entry, &mut bytes);
    seal(outline, &bytes, place, out)
}

/// Appends all of the record of `entry` but its place to `out`.
pub fn outline(entry: &Entry, out: &mut Vec<u8>) -> Outline {
    let start = out.len();
    let facts = entry.facts.as_deref();
    let [action, client, principal, request_id, trace_id] =
        facts.map(Sheet::pieces).unwrap_or_default();
    out.push(b'{');
    out.extend_from_slice(action);
    let chain = out.len() - start;
    let mut record = Members { out, first: false };
    record.out.extend_from_slice(client);
    details(entry, &mut record);
    record.plain("event", entry.event.as_str().as_bytes());
    let gateway = record.out.len() - start;
    record.plain("outcome", entry.outcome.as_str().as_bytes());
    let prev = record.out.len() - start;
    record.out.extend_from_slice(principal);
    record.maybe("reason", entry.reason.as_deref());
    record.out.extend_from_slice(request_id);
    let seq = record.out.len() - start;
    record.plain("severity", entry.event.severity().as_str().as_bytes());
    record.plain("time", &entry.time.rfc3339());
    record.out.extend_from_slice(trace_id);
    if let Some(end) = &entry.end {
        usage(&end.usage, record.member("usage"));
    }
    record.end();
    Outline { gaps: [chain, gateway, prev, seq], len: out.len() - start }
}

/// Appends the record that was outlined as `bytes`, in its place, and the line feed after it, to
/// `out`.
pub fn seal(outline: Outline, bytes: &[u8], place: Place<'_>, out: &mut Vec<u8>) -> Hash {
    let start = out.len();
    let [action, client, outcome, principal, severity] = outline.pieces(bytes);
    out.extend_from_slice(action);
    let mut record = Members { out, first: action == b"{" };
    record.text("chain", place.chain);
    record.out.extend_from_slice(client);
    record.text("gateway", place.gateway);
    let slot = record.blank_hash();
    record.out.extend_from_slice(outcome);
    record.plain("prev", &place.prev.digits());
    record.out.extend_from_slice(principal);
    record.count("seq", place.seq);
    record.out.extend_from_slice(severity);
    let hash = fill(out, start, slot);
    out.push(b'\n');
    hash
}

/// What all records of an exchange say alike, written once.
#[derive(Debug)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Where `client`, `principal`, `request_id` and `trace_id` begin; `action` begins at 0.
    begins: [usize; 4],
}

impl Pieces {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut bytes = Vec::with_capacity(512);
        let mut record = Members { out: &mut bytes, first: true };
        if facts.verb.is_some() || facts.path.is_some() {
            action(facts, record.member("action"));
        }
        // The names of the chain stand between the two, whether there is an action or not.
        record.first = false;
        let at_client = record.out.len();
        client(facts, record.member("client"));
        let at_principal = record.out.len();
        if let Some(caller) = &facts.caller {
            principal(caller, record.member("principal"));
        }
        let at_request = record.out.len();
        record.plain("request_id", &facts.request_id.letters());
        let at_trace = record.out.len();
        record.maybe("trace_id", facts.trace_id.as_deref());
        Self { bytes, begins: [at_client, at_principal, at_request, at_trace] }
    }

    /// `action`, `client`, `principal`, `request_id` and `trace_id`, as members.
    pub(super) fn all(&self) -> [&[u8]; 5] {
        let outline = Outline { gaps: self.begins, len: self.bytes.len() };
        outline.pieces(&self.bytes)
    }
}

/// Appends the record that has these members and this place, and the line feed after it, to
/// `out`. This is for records that are made from records; an exchange's go through [`write()`].
pub fn write_members(mut members: Map<String, Value>, place: Place<'_>, out: &mut Vec<u8>) -> Hash {
    members.remove("hash");
    members.insert("seq".into(), place.seq.into());
    members.insert("prev".into(), place.prev.to_string().into());
    members.insert("gateway".into(), beginning(place.gateway, MAX_TEXT).into());
    members.insert("chain".into(), beginning(place.chain, MAX_TEXT).into());
    let mut bare = Vec::new();
    canonical::object(&members, &mut bare);
    let hash = Hash(Sha256::digest(&bare).into());
    members.insert("hash".into(), hash.to_string().into());
    canonical::object(&members, out);
    out.push(b'\n');
    hash
}

fn action(facts: &Facts, out: &mut Vec<u8>) {
    let mut action = Members::begin(out);
    action.maybe("endpoint", facts.endpoint.as_deref());
    action.maybe("model", facts.model.as_deref());
    action.maybe("path", facts.path.as_deref());
    action.maybe("tool", facts.tool.as_deref());
    if let Some(verb) = &facts.verb {
        // A method is a token (RFC 9110 section 5.6.2): nothing in it needs an escape.
        action.plain("verb", verb.as_str().as_bytes());
    }
    action.end();
}

fn client(facts: &Facts, out: &mut Vec<u8>) {
    let mut client = Members::begin(out);
    client.quoted("ip", |out| facts.client.write(out));
    if let Some(agent) = &facts.user_agent {
        client.text("user_agent", beginning(agent, MAX_USER_AGENT));
    }
    client.end();
}

fn principal(caller: &Caller, out: &mut Vec<u8>) {
    let who = caller.principal();
    let mut principal = Members::begin(out);
    principal.text("id", &who.subject);
    principal.text("issuer", &who.issuer);
    principal.plain("kind", who.kind.as_str().as_bytes());
    principal.plain("method", caller.method().as_str().as_bytes());
    principal.maybe("tenant", caller.tenant().map(AsRef::as_ref));
    principal.end();
}

fn usage(spent: &Usage, out: &mut Vec<u8>) {
    let mut usage = Members::begin(out);
    usage.count("tokens_cached", spent.tokens_cached);
    usage.count("tokens_in", spent.tokens_in);
    usage.count("tokens_out", spent.tokens_out);
    usage.quoted("usd_nano", |out| decimal::write(spent.usd_nano, out));
    usage.end();
}

/// The entry's own details, how its exchange ended, and those facts that have no member of their
/// own.
fn details(entry: &Entry, record: &mut Members<'_>) {
    let facts = entry.facts.as_deref();
    let parent = facts.and_then(|facts| facts.parent);
    let dry_run = facts.is_some_and(|facts| facts.dry_run);
    let inquiry = facts.is_some_and(|facts| facts.inquiry);
    if entry.details.is_empty() && parent.is_none() && !dry_run && !inquiry {
        if let Some(end) = &entry.end {
            ending(end, record.member("details"));
        }
        return;
    }
    let mut all = details::bounded(&entry.details).into_owned();
    if let Some((request, step)) = parent {
        all.insert("parent_request_id".into(), request.to_string().into());
        all.insert("step".into(), step.into());
    }
    if dry_run {
        all.insert("dry_run".into(), true.into());
    }
    if inquiry {
        all.insert("inquiry".into(), true.into());
    }
    if let Some(end) = &entry.end {
        all.insert("duration_us".into(), end.duration_us.into());
        all.extend(end.status.map(|status| ("status".into(), status.into())));
    }
    canonical::object(&all, record.member("details"));
}

fn ending(end: &End, out: &mut Vec<u8>) {
    let mut details = Members::begin(out);
    details.count("duration_us", end.duration_us);
    if let Some(status) = end.status {
        details.count("status", status.into());
    }
    details.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::ClientAddress;
    use crate::audit::{Event, Outcome};
    use crate::authenticate::{Identity, Principal};
    use crate::id::RequestId;
    use crate::time::Timestamp;
    use serde_json::json;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn facts() -> Facts {
        let mut identity = Identity::bare(Principal::parse("corp:ann"));
        identity.tenant = Some(Arc::from("acme \"east\""));
        Facts {
            request_id: RequestId(7),
            trace_id: Some(Arc::from("4bf92f3577b34da6a3ce929d0e0e4736")),
            caller: Some(Caller::assert(identity)),
            client: ClientAddress::from("2001:db8::1".parse::<IpAddr>().unwrap()),
            user_agent: Some(Arc::from("curl/8\n")),
            verb: "SUMMARIZE".parse().ok(),
            path: Some(Arc::from("/document/€")),
            endpoint: Some(Arc::from("/document/{id}")),
            tool: Some(Arc::from("search")),
            model: Some(Arc::from("gpt-4o")),
            parent: Some((RequestId(6), 3)),
            dry_run: true,
            inquiry: false,
        }
    }

    fn entry(facts: Option<Facts>) -> Entry {
        Entry {
            event: Event::RequestEnd,
            outcome: Outcome::Allow,
            time: Timestamp(1_795_305_895_000_005),
            facts: facts.map(|facts| Arc::new(facts.into())),
            reason: Some("scope `data:read`".into()),
            details: json!({"zz": [1.5, {"b": 1, "a": "\u{1}"}]}).as_object().unwrap().clone(),
            end: Some(End {
                status: Some(200),
                duration_us: 17,
                usage: Usage { tokens_in: 1, tokens_out: 2, tokens_cached: 0, usd_nano: u64::MAX },
            }),
        }
    }

    fn place() -> Place<'static> {
        Place { seq: 1, prev: Hash::NONE, gateway: "gate-1", chain: "main" }
    }

    fn line(entry: &Entry) -> String {
        let mut out = Vec::new();
        write(entry, place(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_full_record_has_the_members_of_the_contract() {
        let read: Value = serde_json::from_str(&line(&entry(Some(facts())))).unwrap();
        let expected = json!({
            "seq": 1,
            "time": "2026-11-22T00:04:55.000005Z",
            "event": "REQUEST_END",
            "outcome": "allow",
            "severity": "info",
            "request_id": "00000000000000000000000007",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "principal": {"kind": "user", "issuer": "corp", "id": "ann",
                          "tenant": "acme \"east\"", "method": "asserted"},
            "client": {"ip": "2001:db8::1", "user_agent": "curl/8\n"},
            "action": {"verb": "SUMMARIZE", "path": "/document/€", "endpoint": "/document/{id}",
                       "tool": "search", "model": "gpt-4o"},
            "reason": "scope `data:read`",
            "details": {"status": 200, "duration_us": 17, "zz": [1.5, {"b": 1, "a": "\u{1}"}], "dry_run": true,
                        "parent_request_id": "00000000000000000000000006", "step": 3},
            "usage": {"tokens_in": 1, "tokens_out": 2, "tokens_cached": 0,
                      "usd_nano": "18446744073709551615"},
            "gateway": "gate-1",
            "chain": "main",
            "prev": "0000000000000000000000000000000000000000000000000000000000000000",
            "hash": read["hash"],
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_written_directly_is_the_canonical_form_whatever_is_absent() {
        let strip: [fn(&mut Facts); 8] = [
            |f| (f.verb, f.path, f.endpoint) = (None, None, None),
            |f| f.trace_id = None,
            |f| f.caller = None,
            |f| f.user_agent = None,
            |f| f.endpoint = None,
            |f| (f.tool, f.model) = (None, None),
            |f| f.parent = None,
            |f| f.dry_run = false,
        ];
        for absent in 0..1 << strip.len() {
            let mut facts = facts();
            let chosen = strip.iter().enumerate().filter(|(bit, _)| absent & 1 << bit != 0);
            chosen.for_each(|(_, strip)| strip(&mut facts));
            let mut entry = entry(Some(facts));
            if absent & 1 != 0 {
                (entry.reason, entry.end) = (None, None);
                entry.details.clear();
            }
            if absent & 2 != 0 {
                entry.details.clear();
            }
            // Parsing compares with the general canonical form and recomputes the hash.
            Record::parse(line(&entry).as_bytes()).unwrap();
        }
        let bare = line(&entry(None));
        let record = Record::parse(bare.as_bytes()).unwrap();
        assert!(!bare.contains("null") && !bare.contains("client"), "{bare}");
        assert_eq!(record.text(&["event"]), "REQUEST_END");
    }

    #[test]
    fn a_record_made_from_members_equals_the_one_written_directly() {
        let direct = line(&entry(Some(facts())));
        let members = Record::parse(direct.as_bytes()).unwrap().into_members();
        let mut again = Vec::new();
        write_members(members, place(), &mut again);
        assert_eq!(String::from_utf8(again).unwrap(), direct);
    }

    #[test]
    fn no_string_of_a_request_makes_a_record_long() {
        let endless: Arc<str> = Arc::from("\u{1}é".repeat(100_000));
        let mut facts = facts();
        (facts.user_agent, facts.path) = (Some(endless.clone()), Some(endless.clone()));
        (facts.endpoint, facts.tool) = (Some(endless.clone()), Some(endless.clone()));
        let mut entry = entry(Some(facts));
        entry.reason = Some(endless.to_string());
        entry.details.insert("x".into(), endless.to_string().into());
        let line = line(&entry);
        assert!(line.len() < MAX_LINE / 8, "{}", line.len());
        let record = Record::parse(line.as_bytes()).unwrap();
        assert!(record.text(&["client", "user_agent"]).len() <= MAX_USER_AGENT);
        assert!(record.text(&["action", "path"]).len() <= MAX_TEXT);
    }

    #[test]
    fn a_line_in_any_other_form_is_refused() {
        let good = line(&entry(None));
        for (from, to, why) in [
            ("\n", "", Malformed::Torn),
            ("{", "{ ", Malformed::NotCanonical),
            ("{", "{\"seq\":1,", Malformed::NotCanonical),
            ("allow", "\\u0061llow", Malformed::NotCanonical),
            ("allow", "deny", Malformed::Altered),
            ("\"seq\":1", "\"seq\":\"1\"", Malformed::NotRecord),
            ("{", "", Malformed::NotRecord),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(Record::parse(bad.as_bytes()).unwrap_err(), why, "{bad}");
        }
        assert_eq!(Record::parse(&[b' '; MAX_LINE + 1]).unwrap_err(), Malformed::TooLong);
    }
}
