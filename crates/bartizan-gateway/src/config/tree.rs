//! What does the file say, and where? YAML, and so JSON, as a tree that knows its places.
//!
//! serde_json and the YAML crates forget places and keep the last of two equal keys in silence. A
//! security gateway may do neither, so the tree is built from the parser's events. Anchors,
//! aliases, tags, merge keys and further documents are refused: none of them exists in JSON, which
//! must be able to say the same, and each has hidden a setting before.

use std::borrow::Cow;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1_048_576;
/// The deepest nesting that is read.
const MAX_DEPTH: usize = 48;
/// How many faults of form are told before reading stops.
const MAX_FAULTS: usize = 100;

/// A place in the file. Lines and columns begin at 1; columns count characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The JSON Pointer (RFC 6901) of the value, as the file has it.
    pub pointer: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A value of the file.
#[derive(Clone)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// Where its key stands; for an element of a list and for the root, where the value stands.
    pub key: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Clone)]
pub enum Kind {
    /// A value without parts.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file.
    Map(Vec<(String, Node)>),
}

/// A value without parts, as it was written and as it is understood.
#[derive(Clone)]
pub struct Scalar {
    /// The text as it stands in the file, without quotes. Amounts of money are read from it.
    pub written: String,
    /// The text after `${NAME}` was put in; equal to `written` where nothing was.
    pub text: String,
    /// The value by the core schema of YAML 1.2.2, section 10.3.
    pub value: Value,
}

/// A fault of form: where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, in lower case and without a period.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The tree of a file, and the faults of form that could be passed over.
///
/// # Errors
///
/// The fault at which nothing further could be read: broken syntax, too large, too deep.
pub fn parse(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    if text.len() > MAX_BYTES {
        return Err(fault(Place::start(), format!("the file is larger than {MAX_BYTES} bytes")));
    }
    let text = without_tabs(text);
    let mut builder = Builder { parser: Parser::new_from_str(&text), faults: Vec::new() };
    let root = builder.document()?;
    Ok((root, builder.faults))
}

impl Place {
    /// The first character of the file.
    pub fn start() -> Self {
        Place { pointer: String::new(), line: 1, column: 1 }
    }

    fn at(pointer: &str, span: Span) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        // The parser counts lines from 1 and columns from 0.
        Place {
            pointer: pointer.to_owned(),
            line: number(span.start.line()).max(1),
            column: number(span.start.col()).saturating_add(1),
        }
    }
}

impl Node {
    /// The value as JSON.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Keeps what stands at these JSON Pointers, and what it stands in; and there also what is not
    /// `known`, for it may be one of them misspelt.
    pub fn keep(&mut self, pointers: &[&str], known: &dyn Fn(&str) -> bool) {
        let around = |here: &str, kept: &str| {
            here == kept || kept.starts_with(&format!("{here}/")) || here.is_empty()
        };
        let within = |here: &str, kept: &str| here.starts_with(&format!("{kept}/"));
        if let Kind::Map(entries) = &mut self.kind {
            entries.retain_mut(|(_, node)| {
                let here = node.place.pointer.clone();
                node.keep(pointers, known);
                pointers.iter().any(|kept| around(&here, kept) || within(&here, kept))
                    || !known(&here)
            });
        }
    }

    /// The node at a JSON Pointer of this tree as it is now.
    pub fn get(&self, pointer: &str) -> Option<&Node> {
        let mut node = self;
        for token in tokens(pointer) {
            node = match &node.kind {
                Kind::Scalar(_) => return None,
                Kind::List(items) => items.get(token.parse::<usize>().ok()?)?,
                Kind::Map(entries) => {
                    entries.iter().find(|(key, _)| *key == token).map(|(_, node)| node)?
                }
            };
        }
        Some(node)
    }

    /// The node at a JSON Pointer of this tree, to be changed.
    pub fn get_mut(&mut self, pointer: &str) -> Option<&mut Node> {
        let mut node = self;
        for token in tokens(pointer) {
            node = match &mut node.kind {
                Kind::Scalar(_) => return None,
                Kind::List(items) => items.get_mut(token.parse::<usize>().ok()?)?,
                Kind::Map(entries) => {
                    entries.iter_mut().find(|(key, _)| *key == token).map(|(_, node)| node)?
                }
            };
        }
        Some(node)
    }

    /// Takes the node at a JSON Pointer of this tree out of it; false when there is none, or when
    /// it is the root.
    pub fn remove(&mut self, pointer: &str) -> bool {
        let Some(last) = tokens(pointer).pop() else { return false };
        let section = pointer.rsplit_once('/').map_or("", |(section, _)| section);
        let Some(node) = self.get_mut(section) else { return false };
        match &mut node.kind {
            Kind::Scalar(_) => false,
            Kind::List(items) => match last.parse::<usize>() {
                Ok(index) if index < items.len() => {
                    items.remove(index);
                    true
                }
                _ => false,
            },
            Kind::Map(entries) => {
                let before = entries.len();
                entries.retain(|(key, _)| *key != last);
                entries.len() < before
            }
        }
    }

    /// Every node of the tree, parents first.
    pub fn walk_mut(&mut self, visit: &mut impl FnMut(&mut Node)) {
        visit(self);
        match &mut self.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => items.iter_mut().for_each(|node| node.walk_mut(visit)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.walk_mut(visit)),
        }
    }
}

/// A configuration may hold secrets: only the shape is shown.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Scalar(_) => f.write_str("***"),
            Kind::List(items) => f.debug_list().entries(items).finish(),
            Kind::Map(entries) => {
                f.debug_map().entries(entries.iter().map(|(key, node)| (key, node))).finish()
            }
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scalar(_) => "Scalar(***)",
            Kind::List(_) => "List(…)",
            Kind::Map(_) => "Map(…)",
        })
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(***)")
    }
}

/// The pointer of a member (RFC 6901, section 4).
pub fn member(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The tokens of a pointer, unescaped.
pub fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Fault> {
        self.next("")?; // the start of the stream
        let (event, span) = self.next("")?;
        if matches!(event, Event::StreamEnd) {
            return Err(fault(Place::at("", span), "the file is empty".to_owned()));
        }
        let first = self.next("")?;
        let root = self.node(first, "", None, 0)?;
        self.next("")?; // the end of the document
        let (event, span) = self.next("")?;
        if !matches!(event, Event::StreamEnd) {
            return Err(fault(
                Place::at("", span),
                "the file holds a second document: keep one".to_owned(),
            ));
        }
        Ok(root)
    }

    fn next(&mut self, pointer: &str) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(broken(pointer, &error)),
            None => Err(fault(Place::start(), "the file ends too early".to_owned())),
        }
    }

    fn node(
        &mut self,
        (event, span): (Event<'a>, Span),
        pointer: &str,
        key: Option<Place>,
        depth: usize,
    ) -> Result<Node, Fault> {
        let place = Place::at(pointer, span);
        if depth > MAX_DEPTH {
            return Err(fault(place, format!("nested more than {MAX_DEPTH} deep")));
        }
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                let value = scalar(&text, style);
                let written = if value.is_null() { String::new() } else { text.into_owned() };
                Kind::Scalar(Scalar { text: written.clone(), written, value })
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                Kind::List(self.list(pointer, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                Kind::Map(self.map(pointer, depth)?)
            }
            Event::Alias(_) => {
                return Err(fault(
                    place,
                    "aliases (`*name`) are not understood: write the value out".to_owned(),
                ));
            }
            _ => return Err(fault(place, "a value is missing here".to_owned())),
        };
        Ok(Node { key: key.unwrap_or_else(|| place.clone()), place, kind })
    }

    fn list(&mut self, pointer: &str, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            let next = self.next(pointer)?;
            if matches!(next.0, Event::SequenceEnd) {
                return Ok(items);
            }
            let pointer = format!("{pointer}/{}", items.len());
            items.push(self.node(next, &pointer, None, depth + 1)?);
        }
    }

    fn map(&mut self, pointer: &str, depth: usize) -> Result<Vec<(String, Node)>, Fault> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.next(pointer)?;
            let name = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => {
                    let place = Place::at(pointer, span);
                    return Err(fault(
                        place,
                        "a key must be plain text, without anchor or tag".to_owned(),
                    ));
                }
            };
            let inner = member(pointer, &name);
            let key = Place::at(&inner, span);
            let value = self.next(&inner)?;
            let node = self.node(value, &inner, Some(key.clone()), depth + 1)?;
            match entries.iter().find(|(earlier, _)| *earlier == name) {
                Some((_, first)) => {
                    let message = format!(
                        "duplicate key `{name}`: it stands already in line {}",
                        first.key.line
                    );
                    self.note(key, message, "keep one of the two");
                }
                None => entries.push((name, node)),
            }
        }
    }

    fn refuse_extras(&mut self, place: &Place, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.note(
                place.clone(),
                "anchors (`&name`) are not understood".to_owned(),
                "write the value out where it is used",
            );
        }
        if tagged {
            self.note(
                place.clone(),
                "tags (`!name`) are not understood".to_owned(),
                "remove the tag; quote text that looks like a number",
            );
        }
    }

    fn note(&mut self, place: Place, message: String, help: &str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { place, message, help: Some(help.to_owned()) });
        }
    }
}

/// JSON may be indented with tabs, which the YAML parser refuses. No string of JSON holds one, and
/// a space is as wide.
fn without_tabs(text: &str) -> Cow<'_, str> {
    let json = text.contains('\t') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if json { Cow::Owned(text.replace('\t', " ")) } else { Cow::Borrowed(text) }
}

fn fault(place: Place, message: String) -> Fault {
    Fault { place, message, help: None }
}

fn broken(pointer: &str, error: &ScanError) -> Fault {
    let place = Place::at(pointer, Span::empty(*error.marker()));
    let wrong = fault(place, format!("the file is not YAML from here on: {}", error.info()));
    let tab = error.info().to_lowercase().contains("tab");
    Fault {
        help: tab.then(|| "YAML is indented with spaces: put them in the place of tabs".into()),
        ..wrong
    }
}

/// A scalar by the core schema (YAML 1.2.2, section 10.3.2): `yes`, `on` and `1:30` are text,
/// unlike in YAML 1.1.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, base| u64::from_str_radix(digits, base).ok().map(Number::from);
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| !digits.starts_with('+')) {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+')) {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts_well =
        unsigned.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.');
    if !starts_well
        || !unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
    {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        return whole
            .parse::<u64>()
            .map(Number::from)
            .or_else(|_| whole.parse::<i64>().map(Number::from))
            .ok();
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Node {
        parse(text).unwrap().0
    }

    #[test]
    fn a_place_is_where_an_editor_puts_the_cursor() {
        let root = tree("a: 1\nb:\n  - x: ü\n    y: two\n  - {z: 3}\n");
        let y = root.get("/b/0/y").unwrap();
        assert_eq!((y.key.line, y.key.column), (4, 5));
        assert_eq!((y.place.line, y.place.column), (4, 8));
        assert_eq!(root.get("/b/1/z").unwrap().place.pointer, "/b/1/z");
        assert_eq!(
            (root.get("/b/1/z").unwrap().key.line, root.get("/b/1/z").unwrap().key.column),
            (5, 6)
        );
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let cases = [
            ("1", json!(1)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.50", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("\"1\"", json!("1")),
            ("'true'", json!("true")),
            ("1MB", json!("1MB")),
            ("10.0.0.0", json!("10.0.0.0")),
            (".inf", json!(".inf")),
            ("1:30", json!("1:30")),
        ];
        for (text, expected) in cases {
            assert_eq!(tree(&format!("k: {text}")).to_value(), json!({ "k": expected }), "{text}");
        }
    }

    #[test]
    fn an_amount_keeps_its_digits() {
        let root = tree("usd: 0.1000000000000000000001");
        let Kind::Scalar(scalar) = &root.get("/usd").unwrap().kind else { panic!("no scalar") };
        assert_eq!(scalar.written, "0.1000000000000000000001");
    }

    #[test]
    fn the_second_of_two_equal_keys_is_told_and_never_wins() {
        let (root, faults) = parse("public: false\na: 1\npublic: true\n").unwrap();
        assert_eq!(root.to_value(), json!({ "public": false, "a": 1 }));
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].place.line, faults[0].place.column), (3, 1));
        assert_eq!(faults[0].message, "duplicate key `public`: it stands already in line 1");
    }

    #[test]
    fn json_says_the_same() {
        let text = "{\n\t\"a\": {\"b/c\": [1, \"x\", null, true]},\n\t\"tabbed\":\t2\n}";
        assert_eq!(tree(text).to_value(), serde_json::from_str::<Value>(text).unwrap());
        assert!(tree(text).get("/a/b~1c/1").is_some());
    }

    #[test]
    fn what_hides_settings_is_refused() {
        assert!(parse("a: &x 1\nb: *x\n").is_err());
        assert_eq!(parse("a: &x 1\n").unwrap().1.len(), 1);
        assert_eq!(parse("a: !!str 1\n").unwrap().1.len(), 1);
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
        assert!(parse("? [1, 2]\n: 3\n").is_err());
        assert!(parse("").is_err());
        assert!(parse(&"[".repeat(60)).is_err());
        assert!(parse(&format!("a: {}", "x".repeat(MAX_BYTES))).is_err());
    }

    #[test]
    fn what_was_taken_out_leaves_the_places_of_the_rest() {
        let mut root = tree("l:\n  - a\n  - b\n  - c\n");
        assert!(root.remove("/l/1"));
        assert!(!root.remove("/l/9"));
        assert!(!root.remove(""));
        assert_eq!(root.to_value(), json!({ "l": ["a", "c"] }));
        assert_eq!(
            root.get("/l/1").unwrap().place,
            Place { pointer: "/l/2".to_owned(), line: 4, column: 5 }
        );
    }

    #[test]
    fn a_tree_shows_no_value() {
        assert_eq!(format!("{:?}", tree("password: hunter2")), r#"{"password": ***}"#);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:{}\\[\\],&*!|>'\"#%@`?~ \n\t-]{0,120}") {
            let _ = parse(&text);
        }
    }
}
