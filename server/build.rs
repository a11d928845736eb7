//! Prepares the pages: one style sheet a page, few files of modules, digest names, references by them, less white space,
//! compression.
//!
//! Everything below `src/pages/assets` becomes a line of the table that `src/pages/assets.rs` includes. A reference to a
//! file that is not there, and a circle of references, fail the build.

#![expect(clippy::expect_used, clippy::panic, reason = "what fails here fails the build, and says why")]

#[path = "build/bundle.rs"]
mod bundle;
#[path = "build/compress.rs"]
mod compress;
#[path = "build/references.rs"]
mod references;
#[path = "build/shrink.rs"]
mod shrink;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use references::{Kind, references};

const ASSETS: &str = "src/pages/assets";
/// Where an HTML file wants its modules preloaded.
const PRELOADS: &str = "<!-- preloads -->";
/// Where the script before the first paint wants the addresses of what each entry of the page loads.
const MODULES: &str = "\"modules-of-the-build\"";
/// Where the service worker wants the names of everything, and one for this version of it all.
const LIST: &str = "\"assets-of-the-build\"";
const VERSION: &str = "version-of-the-build";

fn main() {
    println!("cargo::rerun-if-changed={ASSETS}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut sources = BTreeMap::new();
    read(Path::new(ASSETS), "", &mut sources);
    join_styles(&mut sources);
    for (path, source) in &mut sources {
        let kind = Kind::of(path).expect("only known types were read");
        if kind.is_text() && !path.starts_with("vendor/") {
            *source = shrink::shrink(kind, std::str::from_utf8(source).expect("text in UTF-8")).into_bytes();
        }
    }
    // Bundles refer to each other in both directions, so their names contain the digest of everything.
    let version = digest(&sources.values().flatten().copied().collect::<Vec<_>>());
    let bundles = bundle::bundle(&mut sources).into_iter().map(|path| (path.clone(), with_digest(&path, &version)));
    let mut build = Build { sources: &sources, bundles: bundles.collect(), done: BTreeMap::new(), open: Vec::new() };
    // The service worker lists all others, so it comes last.
    for path in sources.keys().filter(|path| Kind::of(path) != Some(Kind::Worker)) {
        build.finish(path);
    }
    for path in sources.keys() {
        build.finish(path);
    }
    write(&out, &build.done);
}

/// All files of known types, by their paths.
fn read(folder: &Path, prefix: &str, sources: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder of assets") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = format!("{prefix}{name}");
        if entry.file_type().expect("a type").is_dir() {
            read(&entry.path(), &format!("{path}/"), sources);
        } else if Kind::of(&path).is_some() {
            sources.insert(path, fs::read(entry.path()).expect("a file"));
        }
    }
}

/// Gives each page one style sheet in place of those that it names: nothing is painted before all of them are there.
fn join_styles(sources: &mut BTreeMap<String, Vec<u8>>) {
    const LINK: (&str, &str) = ("<link rel=\"stylesheet\" href=\"/assets/styles/", ".css\">\n");
    let mut joined = BTreeMap::new();
    let pages: Vec<_> = sources.keys().filter(|path| Kind::of(path) == Some(Kind::Html)).cloned().collect();
    let mut parts = BTreeSet::new();
    for page in pages {
        let text = String::from_utf8(sources[&page].clone()).expect("a page in UTF-8");
        let Some(first) = text.find(LINK.0) else { continue };
        let mut rest = &text[first..];
        let mut names = Vec::new();
        while let Some((name, after)) = rest.strip_prefix(LINK.0).and_then(|link| link.split_once(LINK.1)) {
            names.push(name);
            rest = after;
        }
        let sheet = names.join("-");
        let path_of = |name: &str| format!("styles/{name}.css");
        let content = names.iter().flat_map(|name| sources[&path_of(name)].clone());
        joined.insert(path_of(&sheet), content.collect());
        parts.extend(names.iter().map(|name| path_of(name)));
        joined.insert(page, format!("{}{}{sheet}{}{rest}", &text[..first], LINK.0, LINK.1).into_bytes());
    }
    sources.retain(|path, _| !parts.contains(path));
    sources.extend(joined);
}

struct Finished {
    digest_path: String,
    content: Vec<u8>,
}

struct Build<'a> {
    sources: &'a BTreeMap<String, Vec<u8>>,
    /// The digest paths of bundles.
    bundles: BTreeMap<String, String>,
    done: BTreeMap<String, Finished>,
    /// Those that wait for what they refer to.
    open: Vec<String>,
}

impl Build<'_> {
    /// Finishes an asset after all that it refers to; returns its digest path.
    fn finish(&mut self, path: &str) -> String {
        if let Some(done) = self.done.get(path) {
            return done.digest_path.clone();
        }
        assert!(!self.open.iter().any(|open| open == path), "a circle of references: {:?} → {path}", self.open);
        self.open.push(path.to_owned());
        let kind = Kind::of(path).expect("only known types were read");
        let source = &self.sources[path];
        let content = match std::str::from_utf8(source) {
            Ok(text) if kind.is_text() => self.rewritten(path, kind, text).into_bytes(),
            _ => source.clone(),
        };
        self.open.pop();
        let digest_path = self.bundles.get(path).cloned().unwrap_or_else(|| with_digest(path, &digest(&content)));
        self.done.insert(path.to_owned(), Finished { digest_path: digest_path.clone(), content });
        digest_path
    }

    fn rewritten(&mut self, path: &str, kind: Kind, source: &str) -> String {
        let mut text = source.to_owned();
        for reference in references(path, kind, &text) {
            assert!(
                self.sources.contains_key(&reference.target),
                "{path} refers to {}, which is not there",
                reference.text
            );
            let known = self.bundles.get(&reference.target).cloned();
            let digest_path = known.unwrap_or_else(|| self.finish(&reference.target));
            text =
                text.replace(&reference.quoted(&reference.text), &reference.quoted(&reference.to(path, &digest_path)));
        }
        if text.contains(PRELOADS) {
            text = text.replace(PRELOADS, &self.preloads(source));
        }
        if text.contains(MODULES) {
            text = text.replace(MODULES, &self.modules());
        }
        if kind == Kind::Worker {
            let all: Vec<_> = self.done.values().map(|done| format!("\"/assets/{}\"", done.digest_path)).collect();
            let list = format!("[{}]", all.join(","));
            text = text.replace(VERSION, &digest(list.as_bytes())).replace(LIST, &list);
        }
        text
    }

    /// Links to the modules that the page's own ones import, as deep as it goes.
    fn preloads(&mut self, page: &str) -> String {
        let entries = references::modules_of(page);
        let modules: BTreeSet<_> = entries.iter().flat_map(|entry| self.loaded_with(entry)).collect();
        let links = modules.iter().filter(|path| !entries.contains(path));
        links
            .map(|path| format!("<link rel=\"modulepreload\" href=\"{}\">", self.address(path)))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The addresses of all that a bundle loads, by the path of the bundle, as JSON.
    fn modules(&mut self) -> String {
        let bundles: Vec<_> = self.bundles.keys().cloned().collect();
        let lists = bundles.iter().map(|bundle| {
            let addresses: Vec<_> =
                self.loaded_with(bundle).iter().map(|path| format!("\"{}\"", self.address(path))).collect();
            format!("\"{bundle}\":[{}]", addresses.join(","))
        });
        format!("{{{}}}", lists.collect::<Vec<_>>().join(","))
    }

    /// A module and what it imports, as deep as it goes.
    fn loaded_with(&self, module: &str) -> BTreeSet<String> {
        let mut modules = BTreeSet::from([module.to_owned()]);
        let mut next = vec![module.to_owned()];
        while let Some(path) = next.pop() {
            let source = String::from_utf8_lossy(&self.sources[&path]);
            let imported = references::static_imports(&path, &source).into_iter();
            next.extend(imported.filter(|path| modules.insert(path.clone())));
        }
        modules
    }

    fn address(&mut self, path: &str) -> String {
        let known = self.bundles.get(path).cloned();
        format!("/assets/{}", known.unwrap_or_else(|| self.finish(path)))
    }
}

/// `chat/rows.1f0c3a….js`.
fn with_digest(path: &str, digest: &str) -> String {
    let (stem, extension) = path.rsplit_once('.').expect("a known extension");
    format!("{stem}.{digest}.{extension}")
}

fn digest(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    digest.as_ref()[..6].iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// The files, and the table of them.
fn write(out: &Path, done: &BTreeMap<String, Finished>) {
    let mut table = "&[\n".to_owned();
    for (number, (path, Finished { digest_path, content })) in done.iter().enumerate() {
        let kind = Kind::of(path).expect("a known type");
        let file = |suffix: &str, content: &[u8]| {
            let file = out.join(format!("asset-{number}{suffix}"));
            fs::write(&file, content).expect("room for it");
            format!("include_bytes!({:?})", file.display().to_string())
        };
        let plain = file("", content);
        let (gzip, brotli) = if kind.is_text() {
            (file(".gz", &compress::gzip(content)), file(".br", &compress::brotli(content)))
        } else {
            ("&[]".to_owned(), "&[]".to_owned())
        };
        _ = writeln!(
            table,
            "Asset {{ path: {path:?}, digest_path: {digest_path:?}, media_type: {:?}, plain: {plain}, gzip: {gzip}, brotli: {brotli} }},",
            kind.media_type()
        );
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table).expect("room for it");
}
