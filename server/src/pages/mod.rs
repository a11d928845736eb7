//! The pages: one HTML file for the chat with a module of its own and one for the account, the API's description, and the list of
//! problem codes. All are in the binary, and none loads anything from elsewhere.
//!
//! What they load is called by what is in it (`app.1f0c3a….js`), so that browsers keep it for ever and never have an old one.

mod page;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

use self::page::{Kept, Page, digest_of};
use crate::{
    error::{ApiError, CODES},
    state::AppState,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What pages load: the name, as they write it, its type, and what is in it.
const ASSETS: [(&str, &str, &str); 6] = [
    ("app.js", SCRIPT, include_str!("assets/app.js")),
    // Under its plain name: it is a script that loads it.
    ("account.js", SCRIPT, include_str!("assets/account.js")),
    ("app.css", STYLE, include_str!("assets/app.css")),
    ("docs.js", SCRIPT, include_str!("assets/docs.js")),
    ("docs.css", STYLE, include_str!("assets/docs.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

pub(crate) fn router(description: &utoipa::openapi::OpenApi) -> Router<AppState> {
    let description = description.to_json().unwrap_or_default();
    let assets = Arc::new(assets());
    Router::new()
        .route("/", html(include_str!("assets/index.html")))
        .route("/docs", html(include_str!("assets/docs.html")))
        .route("/docs/problems", html(&problems()))
        .route("/openapi.json", page(Page::new("application/json", POLICY, description)))
        .route(
            "/assets/{name}",
            get(async move |Path(name): Path<String>, headers: HeaderMap| asset(&assets, &name, &headers)),
        )
}

/// Under the names that last, and, for those who know an older one, under the plain ones.
fn assets() -> HashMap<String, (Page, Kept)> {
    let both = ASSETS.iter().flat_map(|(name, kind, content)| {
        let page = Page::new(kind, POLICY, *content);
        [
            (lasting_name(name, content), (page.clone(), Kept::ForEver)),
            ((*name).to_owned(), (page, Kept::WhileUnchanged)),
        ]
    });
    both.collect()
}

fn page(page: Page) -> MethodRouter<AppState> {
    let page = Arc::new(page);
    get(async move |headers: HeaderMap| page.answer(&headers, Kept::WhileUnchanged))
}

/// A page that loads assets by the names that they have now.
fn html(source: &str) -> MethodRouter<AppState> {
    let source = ASSETS.iter().fold(source.to_owned(), |source, (name, _, content)| {
        source.replace(&format!("\"/assets/{name}\""), &format!("\"/assets/{}\"", lasting_name(name, content)))
    });
    page(Page::new(HTML, POLICY, source))
}

/// `app.1f0c3a….js`.
fn lasting_name(name: &str, content: &str) -> String {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    format!("{stem}.{}.{extension}", digest_of(content.as_bytes()))
}

fn asset(assets: &HashMap<String, (Page, Kept)>, wanted: &str, headers: &HeaderMap) -> Response {
    // While servers are replaced, a page of one asks another for what that has in another version.
    let plain = || match wanted.split('.').collect::<Vec<_>>()[..] {
        [stem, _, extension] => assets.get(&format!("{stem}.{extension}")),
        _ => None,
    };
    match assets.get(wanted).or_else(plain) {
        Some((page, kept)) => page.answer(headers, *kept),
        None => ApiError::NotFound("address").into_response(),
    }
}

/// The problem codes, each under its own anchor: where a problem's `type` points.
fn problems() -> String {
    let rows: Vec<_> = CODES
        .iter()
        .map(|(code, advice)| format!("<dt id=\"{code}\"><code>{code}</code></dt><dd>{advice}</dd>"))
        .collect();
    include_str!("assets/problems.html").replace("<!-- codes -->", &rows.join("\n"))
}
