//! What every answer tells browsers: to run, frame, guess and keep nothing that was not meant to be.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Of what is no page: nothing may come of it. A page brings its own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

const FEATURES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
                        microphone=(), midi=(), payment=(), usb=()";

const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), FEATURES),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers may hold what is private: whoever makes one that may be kept says so.
const UNLESS_SAID: [(HeaderName, &str); 2] =
    [(header::CONTENT_SECURITY_POLICY, NOTHING), (header::CACHE_CONTROL, "no-store")];

const ONE_YEAR_OF_TLS: &str = "max-age=31536000";

pub(super) fn protect(headers: &mut HeaderMap, https: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in UNLESS_SAID {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONE_YEAR_OF_TLS));
    }
}
