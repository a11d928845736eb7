//! The structure of the code: which crate may depend on which, and which folder may name which. Imports run down only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The folders and files of a crate, from the ground up: each may name itself and what stands before it.
const SERVER: &[&str] = &[
    "metrics",
    "http",
    "health",
    "audit",
    "live",
    "auth",
    "personas",
    "knowledge",
    "interview",
    "push",
    "accounts",
    "demo",
    "chat",
    "ordered",
    "speech",
    "translation",
    "openai",
    "admin",
    "sockets",
    "pages",
    "wellbeing",
    "state",
    "router",
    "fuzzing",
    "lib",
    "commands",
    "main",
];
const WORKER: &[&str] = &[
    "metrics",
    "wellbeing",
    "work",
    "money",
    "push",
    "providers",
    "speech",
    "translation",
    "replies",
    "queue",
    "knowledge",
    "vectors",
    "account_data",
    "emails",
    "presence",
    "message_index",
    "housekeeping",
    "statistics",
    "doctor",
    "fuzzing",
    "lib",
    "main",
];
const WORKER_PROVIDERS: &[&str] = &[
    "tokens",
    "prompt",
    "failure",
    "chat_model",
    "speech_model",
    "translator",
    "small_model",
    "formats",
    "failover",
    "speech_failover",
    "chain_translator",
    "mod",
];

/// What each crate may depend on, of ours.
const CRATES: &[(&str, &[&str])] = &[
    ("troupe-characters", &[]),
    ("troupe-core", &[]),
    ("troupe-engines", &[]),
    ("troupe-db", &["troupe-characters", "troupe-core"]),
    ("troupe-telemetry", &["troupe-core", "troupe-db"]),
    ("troupe-server", &["troupe-characters", "troupe-core", "troupe-db", "troupe-telemetry"]),
    ("troupe-worker", &["troupe-characters", "troupe-core", "troupe-db", "troupe-telemetry"]),
    (
        "troupe-standalone",
        &["troupe-core", "troupe-db", "troupe-engines", "troupe-server", "troupe-telemetry", "troupe-worker"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
    found
}

/// The first path segments that follow a prefix such as `crate::`, also in a braced group, outside of comments.
fn named_after(prefix: &str, source: &str) -> BTreeSet<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(first_segment(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.extend(first_segment(item.trim()));
                    item.clear();
                }
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        names.extend(first_segment(item.trim()));
    }
    names
}

fn first_segment(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The layer of a file: the folder, or file, that it is in directly below the root of the layers.
fn layer_of(file: &Path, base: &Path) -> String {
    let relative = file.strip_prefix(base).expect("a file below the base");
    let first = relative.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The imports that run up, as `file names layer`.
fn upward_imports(base: &str, prefix: &str, layers: &[&str]) -> Vec<String> {
    let base = root().join(base);
    let rank: BTreeMap<&str, usize> = layers.iter().enumerate().map(|(rank, layer)| (*layer, rank)).collect();
    let mut upward = Vec::new();
    for (file, text) in sources(&base) {
        let layer = layer_of(&file, &base);
        let Some(own) = rank.get(layer.as_str()) else {
            panic!("{} is in no layer: give {layer} its place in {}", file.display(), file!());
        };
        for name in named_after(prefix, &text) {
            // What has no layer is no module: an item that the root of the crate gives out.
            if rank.get(name.as_str()).is_some_and(|named| named > own) {
                upward.push(format!("{} names {name}", file.display()));
            }
        }
    }
    upward
}

#[test]
fn imports_run_down_only() {
    let mut upward = upward_imports("server/src", "crate::", SERVER);
    upward.extend(upward_imports("worker/src", "crate::", WORKER));
    upward.extend(upward_imports("worker/src/providers", "crate::providers::", WORKER_PROVIDERS));
    assert!(upward.is_empty(), "imports that run up:\n{}", upward.join("\n"));
}

#[test]
fn an_import_that_runs_up_would_be_found() {
    let named = named_after(
        "crate::",
        "use crate::{\n    admin::{self, users},\n    http,\n};\nfn f() { crate::chat::send() }",
    );
    assert_eq!(named, BTreeSet::from(["admin", "chat", "http"].map(str::to_owned)));
    assert_eq!(named_after("crate::", "//! See crate::admin."), BTreeSet::new());
    let backwards: Vec<&str> = SERVER.iter().rev().copied().collect();
    assert!(upward_imports("server/src", "crate::", &backwards).len() > 50);
}

#[test]
fn server_and_worker_never_see_each_other() {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let metadata = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    for (name, allowed) in CRATES {
        let packages = metadata["packages"].as_array().expect("packages");
        let package = packages.iter().find(|package| package["name"] == *name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let ours = dependency["name"].as_str().filter(|name| name.starts_with("troupe-"));
            let Some(ours) = ours.filter(|_| dependency["kind"].is_null()) else { continue };
            assert!(allowed.contains(&ours), "{name} must not depend on {ours}");
        }
    }
}

/// `rustfmt` breaks code, and leaves comments as they are.
#[test]
fn comments_are_no_wider_than_code() {
    let mut wide = Vec::new();
    for folder in ["server/src", "worker/src", "shared", "standalone/src", "tests"] {
        for (file, text) in sources(&root().join(folder)) {
            let comments = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
            let wider = comments.filter(|(_, line)| line.chars().count() > 120);
            wide.extend(wider.map(|(number, _)| format!("{}:{}", file.display(), number + 1)));
        }
    }
    assert!(wide.is_empty(), "comments of more than 120 columns:\n{}", wide.join("\n"));
}
