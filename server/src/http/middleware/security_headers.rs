//! Security headers of every response: no sniffing, framing, scripts or caching unless a handler allows it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// For responses other than pages, which set their own.
const DENY_ALL_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The microphone is for dictation on the chat page.
const DENIED_FEATURES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                               magnetometer=(), microphone=(self), midi=(), payment=(), usb=()";

const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), DENIED_FEATURES),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Responses may be private: a handler that allows caching sets its own header.
const DEFAULTS: [(HeaderName, &str); 2] =
    [(header::CONTENT_SECURITY_POLICY, DENY_ALL_POLICY), (header::CACHE_CONTROL, "no-store")];

const HSTS_ONE_YEAR: &str = "max-age=31536000";

pub(super) fn protect(headers: &mut HeaderMap, https: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS_ONE_YEAR));
    }
}
