//! Joins a page's modules into few files. A browser asks for each file by itself: on a slow line that is most of the
//! time until something is seen, and small files compress badly.
//!
//! An entry is a page's own module, or one that is imported when it is wanted (`import("./account.js")`). Modules that the
//! same entries need become one file; what an entry needs of modules that are there already is not counted again. A
//! module becomes a function that returns what it exports, so its names stay its own:
//!
//! ```js
//! const $lib_text = (() => {
//! const { $ } = $lib_dom;
//! function clip(text) { … }
//! return { clip };
//! })();
//! ```
//!
//! Understood is how our modules are written: imports and exports at the beginning of a line, exports that are never
//! assigned again. Others' modules (`vendor/`) and those of workers stay files of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::references::{self, Kind, Reference, references, resolve};

/// Modules that are joined, in the order in which they run.
struct Bundle {
    path: String,
    modules: Vec<String>,
}

/// The graph of a page's modules, by path.
struct Graph<'a> {
    sources: &'a BTreeMap<String, Vec<u8>>,
    /// Modules after all that they import.
    order: Vec<String>,
    entries: BTreeSet<String>,
    /// The entries that need a module, by module.
    needed_by: BTreeMap<String, BTreeSet<String>>,
    /// The entries that import one when it is wanted, by that one.
    parents: BTreeMap<String, BTreeSet<String>>,
}

/// Puts bundles in the place of the modules of every page; returns their paths.
pub(crate) fn bundle(sources: &mut BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let pages: Vec<_> = sources.keys().filter(|path| Kind::of(path) == Some(Kind::Html)).cloned().collect();
    let mut made = BTreeMap::new();
    let mut joined = BTreeSet::new();
    for page in pages {
        for entry in references::modules_of(text_of(sources, &page)) {
            let graph = Graph::of(sources, &entry);
            let bundles = graph.bundles();
            for bundle in &bundles {
                let source = graph.source_of(bundle, &bundles);
                assert!(made.insert(bundle.path.clone(), source).is_none(), "two bundles are {}", bundle.path);
            }
            joined.extend(graph.order);
        }
    }
    sources.retain(|path, _| !joined.contains(path));
    let paths = made.keys().cloned().collect();
    sources.extend(made.into_iter().map(|(path, source)| (path, source.into_bytes())));
    paths
}

impl<'a> Graph<'a> {
    fn of(sources: &'a BTreeMap<String, Vec<u8>>, page_module: &str) -> Self {
        let mut graph = Self {
            sources,
            order: Vec::new(),
            entries: BTreeSet::new(),
            needed_by: BTreeMap::new(),
            parents: BTreeMap::new(),
        };
        let mut next = vec![page_module.to_owned()];
        while let Some(entry) = next.pop() {
            if !graph.entries.insert(entry.clone()) {
                continue;
            }
            let mut modules = Vec::new();
            graph.visit(&entry, &mut modules);
            for module in modules {
                for wanted in graph.lazy_imports(&module) {
                    graph.parents.entry(wanted.clone()).or_default().insert(entry.clone());
                    next.push(wanted);
                }
                graph.needed_by.entry(module.clone()).or_default().insert(entry.clone());
                if !graph.order.contains(&module) {
                    graph.order.push(module);
                }
            }
        }
        graph
    }

    /// Adds a module after all that it imports.
    fn visit(&self, module: &str, seen: &mut Vec<String>) {
        if seen.iter().any(|other| other == module) {
            return;
        }
        for imported in references::static_imports(module, text_of(self.sources, module)) {
            if !is_foreign(&imported) {
                self.visit(&imported, seen);
            }
        }
        seen.push(module.to_owned());
    }

    fn lazy_imports(&self, module: &str) -> Vec<String> {
        let pieces = text_of(self.sources, module).split("import(\"").skip(1);
        let addresses = pieces.filter_map(|rest| Some(rest.split_once("\")")?.0));
        addresses.filter_map(|address| resolve(module, address)).filter(|path| !is_foreign(path)).collect()
    }

    fn bundles(&self) -> Vec<Bundle> {
        let mut bundles: Vec<Bundle> = Vec::new();
        for module in &self.order {
            let path = self.path_of(&self.needed_by[module]);
            match bundles.iter_mut().find(|bundle| bundle.path == path) {
                Some(bundle) => bundle.modules.push(module.clone()),
                None => bundles.push(Bundle { path, modules: vec![module.clone()] }),
            }
        }
        bundles
    }

    /// The path of the file for what these entries need: the entry's own, where the others come after it in any case.
    fn path_of(&self, needed_by: &BTreeSet<String>) -> String {
        let mut present = needed_by.clone();
        let comes_after = |entry: &String, present: &BTreeSet<String>| {
            self.parents.get(entry).is_some_and(|parents| parents.is_subset(present))
        };
        while let Some(entry) =
            self.entries.iter().find(|entry| !present.contains(*entry) && comes_after(entry, &present))
        {
            present.insert(entry.clone());
        }
        let first: Vec<_> = present.iter().filter(|entry| !comes_after(entry, &present)).collect();
        if let [only] = first[..] {
            return only.clone();
        }
        let stems: Vec<_> = first.iter().map(|path| stem(path).rsplit('/').next().unwrap_or_default()).collect();
        format!("shared/{}.js", stems.join("-"))
    }

    fn source_of(&self, bundle: &Bundle, bundles: &[Bundle]) -> String {
        let mut text = String::new();
        let home_of = |module: &str| bundles.iter().find(|bundle| bundle.modules.iter().any(|other| other == module));
        let imports = |bundle: &Bundle| -> BTreeSet<String> {
            let of = |module: &String| references::static_imports(module, text_of(self.sources, module));
            bundle.modules.iter().flat_map(of).filter(|imported| !bundle.modules.contains(imported)).collect()
        };
        for imported in imports(bundle) {
            let name = name_of(&imported);
            _ = match home_of(&imported) {
                Some(home) => writeln!(text, "import {{ {name} }} from \"/assets/{}\";", home.path),
                None => writeln!(text, "import * as {name} from \"/assets/{imported}\";"),
            };
        }
        for module in &bundle.modules {
            let home = |path: &str| home_of(path).map(|home| home.path.clone());
            _ = writeln!(text, "{}", as_function(module, text_of(self.sources, module), home));
        }
        let mut wanted: BTreeSet<_> = bundles.iter().flat_map(imports).collect();
        wanted.extend(self.parents.keys().cloned());
        let exports: Vec<_> =
            bundle.modules.iter().filter(|module| wanted.contains(*module)).map(|module| name_of(module)).collect();
        if !exports.is_empty() {
            _ = writeln!(text, "export {{ {} }};", exports.join(", "));
        }
        text
    }
}

/// Others' modules are written in other ways.
fn is_foreign(path: &str) -> bool {
    path.starts_with("vendor/")
}

fn text_of<'a>(sources: &'a BTreeMap<String, Vec<u8>>, path: &str) -> &'a str {
    let source = sources.get(path).unwrap_or_else(|| panic!("{path} is imported and not there"));
    std::str::from_utf8(source).unwrap_or_else(|_| panic!("{path} is not UTF-8"))
}

fn stem(path: &str) -> &str {
    path.strip_suffix(".js").unwrap_or_else(|| panic!("{path} is no module"))
}

/// `$chat_rows`.
fn name_of(path: &str) -> String {
    format!("${}", stem(path).replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"))
}

/// A module as a function that returns what it exports. Its references are absolute: the bundle lies elsewhere.
fn as_function(path: &str, source: &str, bundle_of: impl Fn(&str) -> Option<String>) -> String {
    let mut body = String::new();
    let mut exports: Vec<String> = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("import ") {
            let mut statement = line.to_owned();
            while !statement.ends_with(';') {
                statement.push_str(lines.next().unwrap_or_else(|| panic!("{path}: an import without an end")));
            }
            body.push_str(&import(path, &statement));
        } else if let Some(declared) = line.strip_prefix("export ") {
            let (names, is_list) = exported(path, declared);
            exports.extend(names);
            if !is_list {
                body.push_str(declared);
            }
        } else {
            body.push_str(line);
        }
        body.push('\n');
    }
    for reference in references(path, Kind::Script, &body) {
        let Reference { text, target, .. } = &reference;
        let quoted = reference.quoted(text);
        if let Some(bundle) = bundle_of(target) {
            let name = name_of(target);
            let lazily = format!("import(\"/assets/{bundle}\").then(({{ {name} }}) => {name})");
            body = body.replace(&format!("import({quoted})"), &lazily);
        }
        let fragment = text.split_once('#').map(|(_, fragment)| format!("#{fragment}")).unwrap_or_default();
        body = body.replace(&quoted, &reference.quoted(&format!("/assets/{target}{fragment}")));
    }
    if exports.is_empty() {
        return format!("(() => {{\n{body}}})();");
    }
    format!("const {} = (() => {{\n{body}return {{ {} }};\n}})();", name_of(path), exports.join(", "))
}

/// `import { a, b as c } from "./x.js";` as `const { a, b: c } = $x;`
fn import(path: &str, statement: &str) -> String {
    let unknown = || panic!("{path}: an import that is not understood: {statement}");
    let parts = statement.strip_prefix("import ").and_then(|rest| rest.strip_suffix("\";")?.split_once(" from \""));
    let Some((names, address)) = parts else { unknown() };
    let target = resolve(path, address).unwrap_or_else(|| unknown());
    let names = match names.strip_prefix('{').and_then(|names| names.strip_suffix('}')) {
        Some(names) => names.trim().trim_end_matches(',').replace(" as ", ": "),
        None if names.chars().all(|letter| letter.is_ascii_alphanumeric()) => format!("default: {names}"),
        None => unknown(),
    };
    format!("const {{ {names} }} = {};", name_of(&target))
}

/// The names that an `export` makes known, and whether it is nothing but a list of them.
fn exported(path: &str, declared: &str) -> (Vec<String>, bool) {
    let names =
        |list: &str| list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if let Some(list) = declared.strip_prefix('{').and_then(|rest| rest.strip_suffix("};")) {
        return (names(list), true);
    }
    let kinds = ["async function* ", "async function ", "function* ", "function ", "class ", "const "];
    let rest = kinds.iter().find_map(|kind| declared.strip_prefix(kind));
    let rest = rest.unwrap_or_else(|| panic!("{path}: an export that is not understood: {declared}"));
    if let Some((list, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (names(list), false);
    }
    let name = rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '$').next();
    (name.into_iter().map(str::to_owned).collect(), false)
}
