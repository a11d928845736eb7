//! Patterns of secrets with a recognizable shape.

use std::sync::LazyLock;

use regex::Regex;

/// Whole secrets by prefix. The character before must not be alphanumeric.
const TOKENS: [&str; 22] = [
    // OpenAI, Anthropic, OpenRouter, DeepSeek and others; xAI, Groq, Hugging Face, Replicate, Perplexity.
    r"sk-[A-Za-z0-9_-]{16,}",
    r"(?:xai-|gsk_|hf_|r8_|pplx-)[A-Za-z0-9]{20,}",
    // GitHub, GitLab, npm, PyPI, crates.io, Docker, Terraform, Atlassian.
    r"gh[opusr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-AgE[A-Za-z0-9_-]{30,}",
    r"cio[A-Za-z0-9]{32,}",
    r"dckr_pat_[A-Za-z0-9_-]{20,}",
    r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}",
    r"ATATT3[A-Za-z0-9_=-]{40,}",
    // Amazon (key ids), Google, Azure's signatures, DigitalOcean.
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}",
    r"AIza[A-Za-z0-9_-]{35,}",
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"GOCSPX-[A-Za-z0-9_-]{20,}",
    r"do[opr]_v1_[a-f0-9]{40,}",
    // Slack, Discord's and Telegram's bots, Twilio, SendGrid, Stripe.
    r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{20,}",
    r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33,}",
    r"SK[a-f0-9]{32,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"(?:[rs]k|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    // JSON web tokens.
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
];

/// Group 1 is the secret.
pub(super) static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!(r"(?:^|[^A-Za-z0-9])({})", TOKENS.join("|"))));

/// Up to the end marker; up to the end of the text where that is missing.
pub(super) static PRIVATE_KEY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
    )
});

/// Group 1 is a candidate for credentials after the name of an HTTP scheme, which is an ordinary word, too.
pub(super) static SCHEME: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)\b(?:bearer|basic)[ \t]+([A-Za-z0-9._~+/-]{8,}=*)"));

/// Group 1 is the credentials in a header.
pub(super) static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|apikey)\s+([^\s"',;]{4,})"#)
});

/// Group 1 is the password in a URL.
pub(super) static IN_ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:([^\s/]+)@"));

pub(super) static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"[\p{L}\p{N}_][\p{L}\p{N}._%+'-]*@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}"));

/// Digits in groups, as printed on cards.
pub(super) static DIGITS: LazyLock<Regex> = LazyLock::new(|| compiled(r"[0-9]+(?:[ .-][0-9]+)*"));

/// Names after which a random run is a secret.
pub(super) static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?i)key|token|secret|credential|signature|pass(?:word|wd|phrase|code)|pwd|authorization|cookie")
});

/// A run of sufficient length.
pub(super) static RUN: LazyLock<Regex> = LazyLock::new(|| compiled(r"[A-Za-z0-9+/_-]{16,}={0,2}"));

/// Group 1 is what is called a password, of any length.
pub(super) static PASSWORD_IS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)(?:(?:password|passwd|passphrase|passcode|pwd)[\s"'`*]*(?:[:=]+>?|\bis\b)|secret["'`]?\s*[:=]+>?)[\s"'`*]*"#,
    )
});

#[expect(clippy::expect_used, reason = "the patterns above, which a test compiles")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a sound pattern")
}
