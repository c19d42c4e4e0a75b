//! The road, and the face of the library: App, stages, tower layers.
