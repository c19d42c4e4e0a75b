//! How does a typed function answer a call?

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bartizan_core::authenticate::Caller;
use bartizan_core::exchange::Departure;
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::{Invalid, Payload, Violation};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::body::Body;
use crate::handler::{Failure, Handler, Work};
use crate::reply::{Problem, Reply};

/// A function of the caller and of a typed body, as a handler.
pub(crate) struct Typed<F, I, R> {
    function: Arc<F>,
    read: fn(&mut Departure<Body>) -> Result<I, Failure>,
    types: PhantomData<fn(I) -> R>,
}

impl<F, I: DeserializeOwned, R> Typed<F, I, R> {
    pub(crate) fn new(function: F) -> Self {
        Self { function: Arc::new(function), read: parse, types: PhantomData }
    }
}

impl<F, R> Typed<F, (), R> {
    /// A function that takes no body: whatever is sent is not looked at.
    pub(crate) fn bodiless(function: F) -> Self {
        Self { function: Arc::new(function), read: |_| Ok(()), types: PhantomData }
    }
}

impl<F, I, R> fmt::Debug for Typed<F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::any::type_name::<F>())
    }
}

impl<F, Fut, I, R> Handler for Typed<F, I, R>
where
    I: Send + 'static,
    F: Fn(Caller, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Problem>> + Send + 'static,
    R: Reply + 'static,
{
    fn answer(&self, mut departure: Departure<Body>) -> Work {
        let (function, read) = (Arc::clone(&self.function), self.read);
        Box::pin(async move {
            let input = read(&mut departure)?;
            Ok(match function(departure.caller, input).await {
                Ok(reply) => reply.answer(),
                Err(problem) => problem.answer_to(departure.id),
            })
        })
    }
}

/// The body as its type. What a schema cannot say (a rule of the type's own, a number that fits) is told
/// like a violation of it: where, and never with what stands there.
fn parse<I: DeserializeOwned>(departure: &mut Departure<Body>) -> Result<I, Failure> {
    let bytes: &[u8] = match &departure.body {
        Payload::Whole(bytes) => bytes,
        Payload::Stream(_) => &[],
    };
    let parsed = match (bytes, departure.document.take()) {
        ([], _) => serde_json::from_slice(b"null").or_else(|_| serde_json::from_slice(b"{}")),
        // Read already: every string moves over as it is.
        (_, Some(document)) => I::deserialize(*document),
        (bytes, None) => serde_json::from_slice(bytes),
    };
    parsed.map_err(|_| {
        let detail = "is not a value that is taken here".to_owned();
        let violation = Violation { pointer: astray::<I>(bytes), detail };
        let refusal = Refusal::Invalid(Invalid::Schema(vec![violation]));
        Failure { refusal, departed: false }
    })
}

/// Where a body stops being its type, as a JSON Pointer (RFC 6901). It is read again for that: only what
/// is refused pays for a path.
fn astray<I: DeserializeOwned>(bytes: &[u8]) -> String {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, I>(&mut reader) else {
        return String::new();
    };
    let mut pointer = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => pointer += &format!("/{index}"),
            Segment::Map { key } => {
                pointer.push('/');
                pointer += &key.replace('~', "~0").replace('/', "~1");
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}
