//! `troupe`: the whole system in one process, on engines of its own, as a newcomer runs it.

use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tempfile::TempDir;
use troupe_tests::{Client, Process, Signal, pdf::pdf};

use crate::knowledge::documents::{added, persona};

/// A place that the user can reach whom root runs PostgreSQL as.
pub(crate) fn data_dir() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o711)).tempdir().expect("a directory")
}

fn start(data: &Path) -> Process {
    start_with(data, &[])
}

pub(crate) fn start_with(data: &Path, settings: &[(&str, &str)]) -> Process {
    let usual = [
        ("TROUPE_TELEMETRY__FORMAT", "json"),
        ("TROUPE_SERVER__LISTEN", "127.0.0.1:0"),
        // Whatever else runs on this machine.
        ("TROUPE_LOCAL_MODELS", "off"),
        ("TROUPE_WORKER__LEASE", "2s"),
        ("TROUPE_QUEUE__REDISPATCH_AFTER", "1s"),
        ("TROUPE_MODELS__OFFLINE_WORD_INTERVAL", "5ms"),
    ];
    let kept = usual.iter().filter(|(name, _)| settings.iter().all(|(set, _)| set != name));
    let environment: Vec<_> = kept.chain(settings).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Process::start("troupe", "troupe".to_owned(), &[OsStr::new("--data-dir"), data.as_os_str()], &environment)
}

/// The address and the demo user's credentials, as they are printed.
pub(crate) async fn welcome(troupe: &Process) -> (String, String, String) {
    troupe.logged("worker ready").await;
    let lines = troupe.lines();
    let after = |label: &str| {
        let line = lines.iter().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
        line.unwrap_or_else(|| panic!("{label} is not among\n{}", lines.join("\n"))).to_owned()
    };
    let sign_in = after("Sign in as");
    let (email, password) = sign_in.split_once("  with password  ").expect("a way to sign in");
    (after("Troupe is at"), email.to_owned(), password.to_owned())
}

#[tokio::test]
async fn it_runs_from_nothing_stops_and_finds_everything_again() {
    let data = data_dir();
    let mut troupe = start(data.path());
    let (address, email, password) = welcome(&troupe).await;
    let user = Client::sign_in(&address, &email, &password).await;
    assert_eq!(user.user["role"], "admin", "the machine is the user's own");
    user.get("/api/v1/admin/queue").await.expect(200);
    let conversation = user.conversation("demo").await;
    let reply = user.ask(&conversation, "Does it work?").await;
    assert!(reply.contains("Does it work?"), "{reply}");
    let path = persona(&user, "grandmother").await;
    let document = added(&user, &path, "text/plain", pdf(&["The lamp was lit at dusk."])).await;
    assert_eq!((&document["status"], &document["passages"]), (&json!("ready"), &json!(1)), "{document}");
    let page = user.get("/").await;
    assert!(page.status == 200 && page.text.contains("/assets/main."), "{}", page.text);

    let mut second = start(data.path());
    assert!(!second.ended().await.success());
    let complaint = second.lines().join("\n");
    assert!(complaint.contains("is already in use by process"), "{complaint}");

    troupe.signal(Signal::Interrupt);
    assert!(troupe.ended().await.success(), "{}", troupe.lines().join("\n"));
    let said = [("user".to_owned(), "Does it work?".to_owned()), ("assistant".to_owned(), reply)];

    for _ in ["a stop", "a kill and a stop"] {
        let mut troupe = start(data.path());
        let (address, same_email, same_password) = welcome(&troupe).await;
        assert_eq!((&same_email, &same_password), (&email, &password));
        let user = user.at(&address);
        assert_eq!(user.messages(&conversation).await, said, "the token and what was said are still good");
        // A reply that is being written when everything is killed is there after the next start.
        let sent = user.send(&user.conversation("demo").await, "And after a kill?").await;
        troupe.kill().await;
        let mut troupe = start(data.path());
        let (address, ..) = welcome(&troupe).await;
        let reply = user.at(&address).reply(&sent.request).await;
        assert!(reply.contains("And after a kill?"), "{reply}");
        assert_eq!(troupe.alarms(), Vec::<String>::new());
        troupe.stop().await;
    }
}

#[tokio::test]
async fn a_configuration_with_faults_is_refused_whole() {
    for binary in ["troupe", "troupe-server", "troupe-worker"] {
        let faults = [
            ("TROUPE_SERVER__LISTEN", "nowhere"),
            ("TROUPE_WORKER__CONCURRENCY", "0"),
            ("TROUPE_SERVER__COLOUR", "red"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut process = Process::start(binary, binary.to_owned(), &[OsStr::new("--check-config")], &faults);
        assert!(!process.ended().await.success());
        let said = process.lines().join("\n");
        for key in ["server.listen", "worker.concurrency", "server.colour"] {
            assert!(said.contains(key), "{binary} does not name {key}: {said}");
        }
        let mut sound = Process::start(binary, binary.to_owned(), &[OsStr::new("--check-config")], &[]);
        assert!(sound.ended().await.success(), "{}", sound.lines().join("\n"));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let data = data_dir();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut troupe = start_with(data.path(), &[("TROUPE_SERVER__LISTEN", &address)]);
    assert!(!troupe.ended().await.success());
    let said = troupe.lines().join("\n");
    let expected =
        format!("another program listens on {address} already: stop it, or give TROUPE_SERVER__LISTEN another");
    assert!(said.contains(&expected), "{said}");
    drop(taken);
    let mut troupe = start_with(data.path(), &[("TROUPE_SERVER__LISTEN", &address)]);
    let (shown, ..) = welcome(&troupe).await;
    assert!(shown.contains(&address), "what it had started was ended: {shown}");
    troupe.signal(Signal::Interrupt);
    assert!(troupe.ended().await.success(), "{}", troupe.lines().join("\n"));
}
