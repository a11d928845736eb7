//! `troupe backup` and `troupe restore`: one file, taken while people talk, that brings back everything.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinSet;
use troupe_tests::{Client, Process, Signal, within};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::standalone::{data_dir, start_with, welcome};

/// Who talk while the backup is made.
const SPEAKERS: usize = 4;

/// What is done to a part of a backup, by its name.
type Change = Box<dyn Fn(&str, &mut Vec<u8>)>;

/// A message that was accepted.
#[derive(Clone)]
struct Accepted {
    conversation: String,
    request: String,
    text: String,
}

fn start(data: &Path) -> Process {
    start_with(data, &[("TROUPE_RATE_LIMITS__ENABLED", "false")])
}

/// Runs `troupe` with a command to its end; whether it succeeded, and what it said.
async fn troupe(data: &Path, command: &[&OsStr]) -> (bool, String) {
    let arguments = [&[OsStr::new("--data-dir"), data.as_os_str()], command].concat();
    let mut process = Process::start("troupe", "troupe".to_owned(), &arguments, &[]);
    let succeeded = process.ended().await.success();
    (succeeded, process.lines().join("\n"))
}

async fn backup(data: &Path, to: &Path) -> (bool, String) {
    troupe(data, &[OsStr::new("backup"), to.as_os_str()]).await
}

async fn restore(data: &Path, file: &Path) -> (bool, String) {
    troupe(data, &[OsStr::new("restore"), file.as_os_str()]).await
}

async fn restore_in_place(data: &Path, file: &Path) -> (bool, String) {
    troupe(data, &[OsStr::new("restore"), file.as_os_str(), OsStr::new("--replace")]).await
}

/// The only file in a directory.
fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

async fn stop(mut troupe: Process) {
    assert_eq!(troupe.alarms(), Vec::<String>::new());
    troupe.signal(Signal::Interrupt);
    assert!(troupe.ended().await.success(), "{}", troupe.lines().join("\n"));
}

/// Opens one conversation after the other, and asks something in each, for as long as it is polled.
async fn talk(user: Client, speaker: usize, accepted: Arc<Mutex<Vec<Accepted>>>) {
    for number in 0.. {
        let conversation = user.conversation("demo").await;
        let text = format!("Keep this in mind: {speaker}/{number}.");
        let request = user.send(&conversation, &text).await.request;
        accepted.lock().push(Accepted { conversation, request: request.clone(), text });
        user.reply(&request).await;
    }
}

/// What is in a backup, with some files other than they are.
fn rewritten(backup: &Path, to: &Path, change: impl Fn(&str, &mut Vec<u8>)) {
    let mut from = ZipArchive::new(File::open(backup).expect("a backup")).expect("a zip");
    let mut zip = ZipWriter::new(File::create(to).expect("a file"));
    for number in 0..from.len() {
        let mut entry = from.by_index(number).expect("a part");
        let (name, mut content) = (entry.name().expect("a name").into_owned(), Vec::new());
        entry.read_to_end(&mut content).expect("its content");
        change(&name, &mut content);
        zip.start_file(name, SimpleFileOptions::default())
            .and_then(|()| Ok(zip.write_all(&content)?))
            .expect("written");
    }
    zip.finish().expect("written");
}

#[tokio::test]
async fn a_backup_under_load_has_everything_that_was_accepted_before() {
    let (data, elsewhere, backups) = (data_dir(), data_dir(), data_dir());
    let running = start(data.path());
    let (address, email, password) = welcome(&running).await;
    let user = Client::sign_in(&address, &email, &password).await;
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let mut speakers = JoinSet::new();
    for speaker in 0..SPEAKERS {
        speakers.spawn(talk(user.clone(), speaker, accepted.clone()));
    }
    within("some messages", async {
        while accepted.lock().len() < 3 * SPEAKERS {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // One during which somebody spoke: a fast one may fall between two messages.
    let (before, said) = within("a backup while people talk", async {
        loop {
            let before = accepted.lock().clone();
            let (made, said) = backup(data.path(), backups.path()).await;
            assert!(made, "{said}");
            if accepted.lock().len() > before.len() {
                return (before, said);
            }
            fs::remove_file(only_file(backups.path())).expect("removed");
        }
    })
    .await;
    speakers.shutdown().await;
    let file = only_file(backups.path());
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);

    for refused in [restore(data.path(), &file).await, restore_in_place(data.path(), &file).await] {
        assert!(!refused.0 && refused.1.contains("is already in use by process"), "{}", refused.1);
    }
    let (restored, said) = restore(elsewhere.path(), &file).await;
    assert!(restored, "{said}");
    stop(running).await;
    assert!(data.path().join("demo-password").exists());

    let running = start(elsewhere.path());
    let (address, same_email, same_password) = welcome(&running).await;
    assert_eq!((same_email, same_password), (email, password));
    // The token is good as well: its key is in the database.
    let user = user.at(&address);
    for Accepted { conversation, request, text } in &before {
        let reply = user.reply(request).await;
        let said = [("user".to_owned(), text.clone()), ("assistant".to_owned(), reply)];
        assert_eq!(user.messages(conversation).await, said);
    }
    let reply = user.ask(&user.conversation("demo").await, "Does it work here?").await;
    assert!(reply.contains("Does it work here?"), "{reply}");
    stop(running).await;
}

#[tokio::test]
async fn a_backup_of_what_does_not_run_is_refused_when_damaged_or_newer_and_replaces_nothing_unasked() {
    let (data, backups) = (data_dir(), data_dir());
    let (made, said) = backup(data.path(), backups.path()).await;
    assert!(!made && said.contains("nothing to back up"), "{said}");

    let running = start(data.path());
    let (address, email, password) = welcome(&running).await;
    let user = Client::sign_in(&address, &email, &password).await;
    let conversation = user.conversation("demo").await;
    let before = user.ask(&conversation, "Before the backup?").await;
    stop(running).await;

    let file = backups.path().join("first.backup");
    let (made, said) = backup(data.path(), &file).await;
    assert!(made, "{said}");
    let (again, said) = backup(data.path(), &file).await;
    assert!(!again && said.contains("exists: give another name"), "{said}");

    let running = start(data.path());
    let user = user.at(&welcome(&running).await.0);
    user.ask(&conversation, "After the backup?").await;
    stop(running).await;

    let other = backups.path().join("other.backup");
    let damaged = |part: &'static str| {
        move |name: &str, content: &mut Vec<u8>| {
            if name == part {
                let middle = content.len() / 2;
                content[middle] ^= 1;
            }
        }
    };
    let newer = |key: &'static str, value: Value| {
        move |name: &str, content: &mut Vec<u8>| {
            if name == "manifest.json" {
                let mut manifest: Value = serde_json::from_slice(content).expect("JSON");
                manifest[key] = value.clone();
                *content = serde_json::to_vec(&manifest).expect("JSON");
            }
        }
    };
    let changes: [(Change, &str); 4] = [
        (Box::new(damaged("database.dump")), "database.dump is damaged"),
        (Box::new(damaged("files/demo-password")), "files/demo-password is damaged"),
        (Box::new(newer("version", "99.0.0".into())), "it was written by Troupe 99.0.0"),
        (Box::new(newer("migration", 9_999.into())), "its database has migration 9999"),
    ];
    for (change, expected) in changes {
        rewritten(&file, &other, change);
        let (restored, said) = restore_in_place(data.path(), &other).await;
        assert!(!restored && said.contains(expected), "{said}");
    }
    let (restored, said) = restore(data.path(), &file).await;
    assert!(!restored && said.contains("is not empty: with --replace"), "{said}");

    let (restored, said) = restore_in_place(data.path(), &file).await;
    assert!(restored, "{said}");
    let names = fs::read_dir(data.path()).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let replaced: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("replaced-")).collect();
    assert_eq!(replaced.len(), 1);
    let replaced = data.path().join(&replaced[0]);
    assert!(said.contains(&replaced.display().to_string()), "{said}");

    let running = start(data.path());
    let restored = user.at(&welcome(&running).await.0);
    let said = [("user".to_owned(), "Before the backup?".to_owned()), ("assistant".to_owned(), before)];
    assert_eq!(restored.messages(&conversation).await, said, "as it was then");
    let reply = restored.ask(&conversation, "And now?").await;
    assert!(reply.contains("And now?"), "{reply}");
    stop(running).await;

    let running = start(&replaced);
    let kept = user.at(&welcome(&running).await.0);
    assert_eq!(kept.messages(&conversation).await.len(), 4, "what was kept aside is whole");
    stop(running).await;
}
