//! Which names of people, organisations and places stand in a text? Asked of a small model.
//!
//! A model of the BERT family labels pieces of words. What stands around it is here, and pure: how a text is
//! cut into words and pieces ([`reader`]), which pieces are shown at once ([`window`]), what the
//! labels mean ([`label`]), and which words make a name ([`join`]). The model itself is run by ONNX
//! Runtime, a library that is loaded when the program runs; that part is there with the feature
//! `runtime` alone. No weights come with this crate.

pub mod folder;
pub mod join;
pub mod label;
#[cfg(feature = "runtime")]
pub mod model;
pub mod reader;
mod vocabulary;
pub mod window;

pub use folder::{Folder, FolderError};
#[cfg(feature = "runtime")]
pub use model::{FindError, Model, OpenError};
