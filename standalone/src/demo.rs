//! The demo user's password: generated once, and stored in a file that only the owner of the data can read.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;

/// The password in the data directory; generated at the first start.
pub(crate) fn password(dir: &Path) -> anyhow::Result<String> {
    let file = dir.join("demo-password");
    if let Some(kept) =
        fs::read_to_string(&file).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    {
        return Ok(kept);
    }
    // 80 bits, in characters that are not mistaken for each other.
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let password: String =
        random.map(|byte| char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::from(byte % 32)])).iter().collect();
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .with_context(|| format!("write {}", file.display()))?;
    Ok(password)
}
