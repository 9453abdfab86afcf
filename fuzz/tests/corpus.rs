//! Replays the corpus: every input that fuzzing has found worth keeping, those that once failed among them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::read_dir;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use magnet_fuzz::targets::ALL;

fn names(folder: &str) -> BTreeSet<OsString> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").file_name()).collect()
}

#[test]
fn every_target_has_a_file_and_a_corpus() {
    let expected: BTreeSet<OsString> = ALL.iter().map(|(name, _)| name.into()).collect();
    assert_eq!(names("corpus"), expected);
    let files: BTreeSet<OsString> = ALL.iter().map(|(name, _)| format!("{name}.rs").into()).collect();
    assert_eq!(names("fuzz_targets"), files);
}

#[test]
fn no_input_of_the_corpus_fails() {
    let mut failed = Vec::new();
    for (name, target) in ALL {
        let inputs = names(&format!("corpus/{name}"));
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let path: PathBuf =
                [env!("CARGO_MANIFEST_DIR").as_ref(), "corpus".as_ref(), name.as_ref(), &*input]
                    .iter()
                    .collect();
            let data = std::fs::read(&path).expect("an input");
            if catch_unwind(|| target(&data)).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "inputs that fail: {failed:?}");
}
