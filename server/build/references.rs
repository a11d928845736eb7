//! How assets refer to each other.

/// The type of an asset, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Html,
    Script,
    /// The service worker: at an address of its own, for its scope is below that.
    Worker,
    Style,
    Json,
    Manifest,
    Svg,
    Png,
}

impl Kind {
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path.rsplit_once('.')?.1 {
            "html" => Self::Html,
            "js" if path == "sw.js" => Self::Worker,
            "js" => Self::Script,
            "css" => Self::Style,
            "json" => Self::Json,
            "webmanifest" => Self::Manifest,
            "svg" => Self::Svg,
            "png" => Self::Png,
            _ => return None,
        })
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Script | Self::Worker => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Json => "application/json",
            Self::Manifest => "application/manifest+json",
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        self != Self::Png
    }
}

/// A reference, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) text: String,
    /// The path of the asset that it leads to.
    pub(crate) target: String,
    /// What stands before and after it.
    around: (char, char),
}

impl Reference {
    pub(crate) fn quoted(&self, text: &str) -> String {
        format!("{}{text}{}", self.around.0, self.around.1)
    }

    /// The same reference to another path, relative where this one is.
    pub(crate) fn to(&self, from: &str, path: &str) -> String {
        let (address, fragment) =
            self.text.split_once('#').map_or((&*self.text, ""), |(address, name)| (address, name));
        let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
        if address.starts_with('/') {
            return format!("/assets/{path}{fragment}");
        }
        let up = from.matches('/').count();
        format!("{}{path}{fragment}", if up == 0 { "./".to_owned() } else { "../".repeat(up) })
    }
}

/// All references of a file to assets, each once.
pub(crate) fn references(path: &str, kind: Kind, source: &str) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    let quotes: &[(char, char)] = match kind {
        Kind::Style => &[('"', '"'), ('\'', '\''), ('(', ')')],
        Kind::Html | Kind::Script | Kind::Worker | Kind::Manifest => &[('"', '"'), ('\'', '\''), ('`', '`')],
        Kind::Json | Kind::Svg | Kind::Png => &[],
    };
    for &around in quotes {
        for piece in source.split(around.0).skip(1) {
            // Where both quotes are the same, a piece is what stands between two of them.
            let text = piece.split(around.1).next().unwrap_or_default();
            let is_path = |text: &str| ["/assets/", "./", "../"].iter().any(|start| text.starts_with(start));
            if !is_path(text) || text.contains(char::is_whitespace) || text.contains('$') {
                continue;
            }
            let address = text.split_once('#').map_or(text, |(address, _)| address);
            // A folder, or the beginning of an address, is no asset.
            let Some(target) = resolve(path, address).filter(|target| Kind::of(target).is_some()) else { continue };
            let reference = Reference { text: text.to_owned(), target, around };
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
    }
    found
}

/// The modules that an HTML file begins with.
pub(crate) fn modules_of(page: &str) -> Vec<String> {
    let scripts = page.split("<script type=\"module\" src=\"/assets/").skip(1);
    scripts.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// What a module imports before it runs.
pub(crate) fn static_imports(path: &str, source: &str) -> Vec<String> {
    let pieces = source.split("from \"").skip(1).chain(source.split("import \"").skip(1));
    let texts = pieces.filter_map(|rest| Some(rest.split_once('"')?.0));
    texts.filter(|text| text.starts_with(['.', '/'])).filter_map(|text| resolve(path, text)).collect()
}

/// The path of an asset, from an address in another.
pub(crate) fn resolve(from: &str, address: &str) -> Option<String> {
    if let Some(path) = address.strip_prefix("/assets/") {
        return Some(path.to_owned());
    }
    let mut folders: Vec<_> = from.split('/').collect();
    folders.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => _ = folders.pop()?,
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}
