//! What every clone of the repository must have.

use std::{fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_licence_that_the_manifest_names_is_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    assert!(manifest.contains(r#"license = "Apache-2.0""#));
    let licence = fs::read_to_string(root().join("LICENSE")).expect("the licence");
    for words in ["Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"] {
        assert!(licence.contains(words), "{words}");
    }
}

#[test]
fn a_file_of_keys_is_not_committed_by_mistake() {
    let rules = fs::read_to_string(root().join(".gitignore")).expect("what is ignored");
    assert!(rules.lines().any(|rule| rule == ".env"), "{rules}");
    // Where there is no repository, or no git, the rule itself must do.
    let ignored = Command::new("git").args(["check-ignore", "--quiet", ".env"]).current_dir(root()).status();
    assert_ne!(ignored.ok().and_then(|status| status.code()), Some(1), "git would take .env");
}
