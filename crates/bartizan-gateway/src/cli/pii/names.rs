//! Which names does a model find besides? Only where the program is built with the feature `names`.

#[cfg(feature = "names")]
pub(super) use with_model::Readers;
#[cfg(not(feature = "names"))]
pub(super) use without_model::Readers;

#[cfg(feature = "names")]
mod with_model {
    use std::path::PathBuf;

    use anyhow::Context as _;
    use bartizan_names::{Model, join};
    use bartizan_pii::Finding;
    use parking_lot::Mutex;

    use super::super::Scan;

    /// Models, as many as texts are read at once; each can read one.
    pub(in super::super) struct Readers {
        folder: PathBuf,
        runtime: Option<PathBuf>,
        min_confidence: f32,
        idle: Mutex<Vec<Model>>,
    }

    impl Readers {
        /// Those of `--names`; the first is opened at once, to tell what is wrong with it.
        pub(in super::super) fn open(args: &Scan) -> anyhow::Result<Option<Self>> {
            let Some(folder) = args.names.clone() else { return Ok(None) };
            let (runtime, min_confidence) = (args.runtime.clone(), args.min_confidence);
            let readers = Self { folder, runtime, min_confidence, idle: Mutex::default() };
            let model = readers.one()?;
            readers.idle.lock().push(model);
            Ok(Some(readers))
        }

        /// What was found in a text, and the names in it. Bytes that are no UTF-8 are no names.
        pub(in super::super) fn besides(
            &self,
            found: Vec<Finding>,
            text: &[u8],
        ) -> anyhow::Result<Vec<Finding>> {
            let mut model = self.one()?;
            let (mut names, mut start) = (Vec::new(), 0);
            for chunk in text.utf8_chunks() {
                let here = model.find(chunk.valid(), self.min_confidence, &mut || true)?;
                names.extend(here.into_iter().map(|mut name| {
                    (name.start, name.end) = (name.start + start, name.end + start);
                    name
                }));
                start += chunk.valid().len() + chunk.invalid().len();
            }
            self.idle.lock().push(model);
            Ok(join::beside(found, names))
        }

        fn one(&self) -> anyhow::Result<Model> {
            if let Some(model) = self.idle.lock().pop() {
                return Ok(model);
            }
            let model = Model::open(&self.folder, self.runtime.as_deref());
            model.with_context(|| format!("`--names {}`", self.folder.display()))
        }
    }
}

#[cfg(not(feature = "names"))]
mod without_model {
    use anyhow::bail;
    use bartizan_pii::Finding;

    use super::super::Scan;

    /// There are none.
    pub(in super::super) enum Readers {}

    impl Readers {
        /// Refuses `--names`.
        pub(in super::super) fn open(args: &Scan) -> anyhow::Result<Option<Self>> {
            if args.names.is_some() {
                bail!(
                    "this program has no model for `--names`: \
                     build one by `cargo build --release --features names`"
                );
            }
            Ok(None)
        }

        /// Is never asked.
        pub(in super::super) fn besides(
            &self,
            _: Vec<Finding>,
            _: &[u8],
        ) -> anyhow::Result<Vec<Finding>> {
            match *self {}
        }
    }
}
