//! A mail server of the test's own: SMTP over a real socket, that keeps what it is given, and can misbehave.

use std::{collections::VecDeque, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::within;

/// What is done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Take,
    /// Answers the recipient with this code: 5xx for good, 4xx for now.
    Refuse(u16),
    /// Says nothing any more.
    Hang,
    /// Closes the connection before the letter is taken.
    Drop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub to: String,
    /// Headers and text, as they would be read.
    pub text: String,
}

impl Letter {
    /// The token of the link that is in it.
    pub fn token(&self) -> &str {
        let link = self.text.split_once("/#/").and_then(|(_, page)| page.split_once('/'));
        let (_, after) = link.unwrap_or_else(|| panic!("no link in {}", self.text));
        after.split_whitespace().next().expect("a token")
    }
}

#[derive(Default)]
struct Shared {
    manners: Mutex<VecDeque<Manner>>,
    letters: watch::Sender<Vec<Letter>>,
    deliveries: watch::Sender<usize>,
    /// Who may send, where not everybody may: as `AUTH PLAIN` says it.
    caller: Mutex<Option<String>>,
}

/// Stops when it is dropped.
pub struct MailServer {
    shared: Arc<Shared>,
    url: String,
    _serving: JoinSet<()>,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the mail server");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let (mut serving, accepting) = (JoinSet::new(), shared.clone());
        serving.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let shared = accepting.clone();
                // A client that goes away in the middle is no fault of the test's.
                sessions.spawn(async move { drop(session(connection, &shared).await) });
            }
        });
        Self { shared, url, _serving: serving }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Treats the next deliveries like this, one after the other; all others are taken.
    pub fn behave(&self, manners: impl IntoIterator<Item = Manner>) {
        self.shared.manners.lock().extend(manners);
    }

    /// From now on takes letters from nobody but this user with this password.
    pub fn take_only(&self, user: &str, password: &str) {
        *self.shared.caller.lock() = Some(BASE64_STANDARD.encode(format!("\0{user}\0{password}")));
    }

    /// The letters, once there are so many.
    pub async fn letters(&self, count: usize) -> Vec<Letter> {
        let mut letters = self.shared.letters.subscribe();
        let arrived = letters.wait_for(|letters| letters.len() >= count);
        within(&format!("letter {count}"), arrived).await.expect("the server").clone()
    }

    /// Returns when so many deliveries have begun, whatever becomes of them.
    pub async fn deliveries(&self, count: usize) {
        let mut deliveries = self.shared.deliveries.subscribe();
        _ = within(&format!("delivery {count}"), deliveries.wait_for(|begun| *begun >= count)).await;
    }

    pub fn begun(&self) -> usize {
        *self.shared.deliveries.borrow()
    }
}

async fn session(connection: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    connection.write_all(b"220 test\r\n").await?;
    let (mut to, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" if shared.caller.lock().is_some() => "250-test\r\n250 AUTH PLAIN".to_owned(),
            "EHLO" => "250 test".to_owned(),
            "AUTH" if line.trim_end().strip_prefix("AUTH PLAIN ") == shared.caller.lock().as_deref() => {
                "235 welcome".to_owned()
            }
            "AUTH" => "535 who are you?".to_owned(),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let manner = shared.manners.lock().pop_front().unwrap_or(Manner::Take);
                shared.deliveries.send_modify(|begun| *begun += 1);
                match manner {
                    Manner::Refuse(code) => format!("{code} not here"),
                    Manner::Hang => return std::future::pending().await,
                    Manner::Drop => return Ok(()),
                    Manner::Take => "250 ok".to_owned(),
                }
            }
            "DATA" => {
                connection.write_all(b"354 go on\r\n").await?;
                let text = read_letter(&mut connection).await?;
                shared.letters.send_modify(|letters| letters.push(Letter { to: to.clone(), text }));
                "250 taken".to_owned()
            }
            "QUIT" => return connection.write_all(b"221 bye\r\n").await,
            _ => "250 ok".to_owned(),
        };
        connection.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// Up to the dot on a line of its own. Long lines come broken, as quoted-printable has it.
async fn read_letter(connection: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut text, mut line) = (String::new(), String::new());
    while connection.read_line(&mut line).await? > 0 && line != ".\r\n" {
        text.push_str(&line);
        line.clear();
    }
    Ok(text.replace("=\r\n", "").replace("=3D", "="))
}
