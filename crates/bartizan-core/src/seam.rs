//! What does a rule wait for that it does not do itself? A future behind a seam.

use std::pin::Pin;

/// A future behind a seam.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
