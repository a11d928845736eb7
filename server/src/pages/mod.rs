//! The pages: one HTML file and one ES module for the chat, the API's description, and the list of problem codes. All are
//! in the binary, and none loads anything from elsewhere.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

use crate::{error::CODES, state::AppState};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

pub(crate) fn router(description: &utoipa::openapi::OpenApi) -> Router<AppState> {
    let description = description.to_json().unwrap_or_default();
    let problems = problems();
    Router::new()
        .route("/", get(async || page(HTML, include_str!("assets/index.html"))))
        .route("/assets/app.js", get(async || page(SCRIPT, include_str!("assets/app.js"))))
        .route("/assets/app.css", get(async || page(STYLE, include_str!("assets/app.css"))))
        .route("/assets/icon.svg", get(async || page("image/svg+xml", include_str!("assets/icon.svg"))))
        .route("/docs", get(async || page(HTML, include_str!("assets/docs.html"))))
        .route("/assets/docs.js", get(async || page(SCRIPT, include_str!("assets/docs.js"))))
        .route("/assets/docs.css", get(async || page(STYLE, include_str!("assets/docs.css"))))
        .route("/docs/problems", get(async move || page(HTML, problems.clone())))
        .route("/openapi.json", get(async move || page("application/json", description.clone())))
}

fn page(content_type: &'static str, content: impl Into<String>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    (headers, content.into())
}

/// The problem codes, each under its own anchor: where a problem's `type` points.
fn problems() -> String {
    let rows: Vec<_> = CODES
        .iter()
        .map(|(code, advice)| format!("<dt id=\"{code}\"><code>{code}</code></dt><dd>{advice}</dd>"))
        .collect();
    include_str!("assets/problems.html").replace("<!-- codes -->", &rows.join("\n"))
}
