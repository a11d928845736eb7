//! What is printed when everything runs: where it is, how to sign in, who speaks, and what to try.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use crate::local::Speaker;

/// Programs that open an address with what the user has chosen.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

pub(crate) struct Welcome<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) speaker: &'a Speaker,
    /// Whether to open the page.
    pub(crate) open: bool,
}

impl Welcome<'_> {
    /// Prints it; with the demo account's password, where that is ours.
    pub(crate) fn print(&self, address: SocketAddr, password: Option<&str>) -> io::Result<()> {
        let mut text = format!("\n  Troupe is at  http://{address}\n");
        if let Some(password) = password {
            let email = troupe_server::DEMO_EMAIL;
            _ = writeln!(text, "  Sign in as    {email}  with password  {password}");
        }
        _ = writeln!(text, "  Who replies   {}", self.speaker);
        if !matches!(self.speaker, Speaker::Configured(_)) {
            _ = writeln!(text, "                (better ones: http://{address}/docs/models)");
        }
        if password.is_some() {
            text.push_str(
                "\n  Ask Ada about the worst storm that she remembers.\n  Frag Ines, was ihr Sorgen macht.\n  Stop this in the \
                 middle of a reply and start it again: the reply comes.\n",
            );
        }
        _ = writeln!(text, "\n  Ctrl-C stops it; what was said stays in {}\n", self.data_dir.display());
        io::stdout().write_all(text.as_bytes())?;
        if self.open {
            open(&format!("http://{address}/"));
        }
        Ok(())
    }
}

fn open(url: &str) {
    let opened = OPENERS.iter().any(|opener| {
        let mut command = Command::new(opener);
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
    });
    if !opened {
        tracing::info!(url, "there is no browser to open");
    }
}
