//! What does the real model find? Needs its folder and its runtime: `cargo xtask names` brings both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may panic"
)]

use std::path::{Path, PathBuf};

use bartizan_names::{FindError, Model, OpenError};

fn path(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("`{variable}` is not set: run `cargo xtask names`")).into()
}

fn model() -> Model {
    Model::open(&path("BARTIZAN_NAMES_MODEL"), Some(&path("BARTIZAN_NAMES_RUNTIME"))).unwrap()
}

fn found(model: &mut Model, text: &str) -> Vec<(String, String)> {
    let found = model.find(text, 0.5, &mut || true).unwrap();
    found.iter().map(|one| (one.entity.to_string(), text[one.start..one.end].to_owned())).collect()
}

#[test]
fn names_nobody_announces_are_found_in_several_languages() {
    let mut model = model();
    for (text, names) in [
        (
            "I met Ada Byron yesterday in Lisbon.",
            &[("PERSON", "Ada Byron"), ("LOCATION", "Lisbon")][..],
        ),
        (
            "Herr Jürgen Groß wohnt in München",
            &[("PERSON", "Jürgen Groß"), ("LOCATION", "München")],
        ),
        ("The weather is nice, and the build is green.", &[]),
    ] {
        let found = found(&mut model, text);
        for (entity, name) in names {
            // It may take a word beside it for a part of the name.
            let whole = |one: &(String, String)| one.0 == *entity && one.1.contains(name);
            assert!(found.iter().any(whole), "{text}: {found:?}");
        }
        assert!(!names.is_empty() || found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn a_name_is_found_wherever_the_windows_are_cut() {
    let mut model = model();
    for before in 90..135 {
        let text = format!(
            "{}My colleague Charles Babbage called. {}",
            "so it is and ".repeat(before / 4),
            "it is so ".repeat(40)
        );
        let found = found(&mut model, &text);
        assert!(
            found.contains(&("PERSON".into(), "Charles Babbage".into())),
            "{before}: {found:?}"
        );
    }
}

#[test]
fn a_long_text_is_read_to_its_end_and_places_are_those_of_the_whole() {
    let mut model = model();
    let mut text = "nothing to see here\n".repeat(3_500);
    text.push_str("Best regards, Grace Hopper\n");
    assert!(text.len() > 64 * 1024);
    let found = found(&mut model, &text);
    assert!(found.contains(&("PERSON".into(), "Grace Hopper".into())), "{found:?}");
}

#[test]
fn who_has_given_up_does_not_keep_the_model_busy() {
    let mut model = model();
    let (mut asked, text) = (0, "Ada Byron went home. ".repeat(1000));
    let mut go_on = || {
        asked += 1;
        asked < 3
    };
    assert_eq!(model.find(&text, 0.5, &mut go_on), Err(FindError::GivenUp));
    assert_eq!(asked, 3);
}

#[test]
fn what_cannot_be_opened_is_told_by_what_is_wrong_with_it() {
    let (folder, runtime) = (path("BARTIZAN_NAMES_MODEL"), path("BARTIZAN_NAMES_RUNTIME"));
    drop(model());
    let open = |folder: &Path, runtime: &Path| Model::open(folder, Some(runtime)).unwrap_err();
    let other = open(&folder, Path::new("/nowhere/libonnxruntime.so"));
    assert!(matches!(&other, OpenError::OtherRuntime(from) if *from == runtime), "{other}");
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path(), &runtime).to_string().contains("config.json"));
    for name in ["config.json", "tokenizer_config.json", "vocab.txt"] {
        std::fs::copy(folder.join(name), empty.path().join(name)).unwrap();
    }
    std::fs::write(empty.path().join("model.onnx"), "no model").unwrap();
    let broken = open(empty.path(), &runtime);
    assert!(matches!(&broken, OpenError::Model { .. }), "{broken}");
}
