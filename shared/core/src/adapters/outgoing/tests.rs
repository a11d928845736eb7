use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use super::*;

const LIMIT: usize = 1_000;

/// Knows these names, and counts who asks.
#[derive(Default)]
struct Names(HashMap<&'static str, Vec<IpAddr>>, Mutex<usize>);

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        *self.1.lock() += 1;
        self.0.get(host).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

fn outgoing(networks: &[&str], names: &[(&'static str, &[&str])]) -> Outgoing {
    crate::lifecycle::install_tls();
    let settings = config::Outgoing {
        timeout: Duration::from_secs(20),
        ports: Vec::new(),
        allow_networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
    };
    let names = names.iter().map(|(name, addresses)| (*name, addresses.iter().map(|a| a.parse().unwrap()).collect()));
    Outgoing::new(&settings, Arc::new(Names(names.collect(), Mutex::default()))).unwrap()
}

/// One that answers every call with these bytes; its port, and how many have come.
async fn server(at: &str, answer: &str) -> (u16, Arc<Mutex<usize>>, JoinSet<()>) {
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let (port, answer) = (listener.local_addr().unwrap().port(), answer.replace('\n', "\r\n"));
    let (came, mut serving) = (Arc::new(Mutex::new(0)), JoinSet::new());
    let count = came.clone();
    serving.spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            *count.lock() += 1;
            let mut call = [0; 4_096];
            _ = connection.read(&mut call).await;
            _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    (port, came, serving)
}

fn found(text: &str) -> String {
    format!("HTTP/1.1 200 OK\ncontent-type: text/plain\ncontent-length: {}\n\n{text}", text.len())
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\nlocation: {to}\ncontent-length: 0\n\n")
}

async fn fault(outgoing: &Outgoing, address: &str) -> OutgoingError {
    outgoing.get(address, LIMIT).await.unwrap_err()
}

#[tokio::test]
async fn what_is_allowed_is_fetched_by_the_address_that_was_checked() {
    let (port, came, _serving) = server("127.0.0.1", &found("Hello")).await;
    let outgoing = outgoing(&["127.0.0.1/32"], &[("public.test", &["127.0.0.1"])]);
    for host in ["public.test", "127.0.0.1"] {
        let fetched = outgoing.get(&format!("http://{host}:{port}/page"), LIMIT).await.unwrap();
        assert_eq!((fetched.bytes.as_slice(), fetched.content_type.as_deref()), (&b"Hello"[..], Some("text/plain")));
    }
    assert_eq!(*came.lock(), 2);
}

/// Nothing of what listens there hears of it, and all of it looks alike.
#[tokio::test]
async fn what_is_inside_is_not_reached_and_looks_like_what_is_not_there() {
    let (port, came, _serving) = server("127.0.0.2", &found("secret")).await;
    let names: [(&str, &[&str]); 4] = [
        ("private.test", &["127.0.0.2"]),
        ("mapped.test", &["::ffff:127.0.0.2"]),
        // One of several is enough: which of them is asked would be luck.
        ("mixed.test", &["127.0.0.1", "127.0.0.2"]),
        ("nobody.test", &[]),
    ];
    let outgoing = outgoing(&["127.0.0.1/32"], &names);
    for host in [
        "private.test",
        "mapped.test",
        "mixed.test",
        "nobody.test",
        "unknown.test",
        "127.0.0.2",
        "2130706434",
        "0x7f.2",
        "0177.0.0.2",
        "127.2",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "①②⑦.0.0.②",
        "127.0.0.2.",
    ] {
        assert_eq!(fault(&outgoing, &format!("http://{host}:{port}/")).await, OutgoingError::Unreachable, "{host}");
    }
    assert_eq!(*came.lock(), 0);
    // Allowed, and nobody there.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(fault(&outgoing, &format!("http://127.0.0.1:{closed}/")).await, OutgoingError::Unreachable);
}

#[tokio::test]
async fn each_redirect_is_checked_anew() {
    let outgoing = outgoing(&["127.0.0.1/32"], &[("public.test", &["127.0.0.1"]), ("rebound.test", &["10.0.0.7"])]);
    let (inside, came, _inside) = server("127.0.0.2", &found("secret")).await;
    for to in [
        "http://169.254.169.254/latest/meta-data/",
        "http://rebound.test/",
        &format!("http://127.0.0.2:{inside}/"),
        &format!("//127.0.0.2:{inside}/"),
        "ftp://public.test/",
        "file:///etc/passwd",
        "http://u:p@public.test/",
        "http://[fd00:ec2::254]/",
    ] {
        let (port, _, _serving) = server("127.0.0.1", &moved(to)).await;
        let address = format!("http://public.test:{port}/");
        assert_eq!(fault(&outgoing, &address).await, OutgoingError::Unreachable, "{to}");
    }
    assert_eq!(*came.lock(), 0);

    let (last, _, _last) = server("127.0.0.1", &found("Here")).await;
    let (first, _, _first) = server("127.0.0.1", &moved(&format!("http://127.0.0.1:{last}/there"))).await;
    assert_eq!(outgoing.get(&format!("http://public.test:{first}/"), LIMIT).await.unwrap().bytes, b"Here");
    let (circle, came, _circle) = server("127.0.0.1", &moved("/again")).await;
    assert_eq!(fault(&outgoing, &format!("http://public.test:{circle}/")).await, OutgoingError::Redirects);
    assert_eq!(*came.lock(), MAX_REDIRECTS + 1);
    let (nowhere, _, _nowhere) = server("127.0.0.1", "HTTP/1.1 301 Moved\ncontent-length: 0\n\n").await;
    assert_eq!(fault(&outgoing, &format!("http://public.test:{nowhere}/")).await, OutgoingError::Status(301));
}

#[test]
fn what_was_encrypted_stays_so() {
    let outgoing = outgoing(&[], &[]);
    let moved = |to: &str| Response::from(http::Response::builder().status(301).header(LOCATION, to).body("").unwrap());
    let from = Url::parse("https://example.com/a").unwrap();
    assert_eq!(outgoing.redirected(&from, &moved("http://example.com/")), Err(OutgoingError::Downgrade));
    assert_eq!(outgoing.redirected(&from, &moved("b")).unwrap().as_str(), "https://example.com/b");
}

#[tokio::test]
async fn nothing_is_read_without_an_end() {
    let outgoing = outgoing(&["127.0.0.1/32"], &[]);
    let endless = format!("HTTP/1.1 200 OK\n\n{}", "a".repeat(LIMIT + 1));
    let chunked =
        format!("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n{}", format!("ff\n{}\n", "a".repeat(255)).repeat(5));
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\ncontent-length: 1001\n\n".to_owned(), OutgoingError::TooLarge(LIMIT)),
        (endless, OutgoingError::TooLarge(LIMIT)),
        (chunked, OutgoingError::TooLarge(LIMIT)),
        ("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 0\n\n".to_owned(), OutgoingError::Encoded),
        ("HTTP/1.1 404 Not Found\ncontent-length: 0\n\n".to_owned(), OutgoingError::Status(404)),
        ("SSH-2.0-OpenSSH_9.2\n".to_owned(), OutgoingError::Unreachable),
    ] {
        let (port, _, _serving) = server("127.0.0.1", &answer).await;
        assert_eq!(fault(&outgoing, &format!("http://127.0.0.1:{port}/")).await, expected, "{answer:.60}");
    }
}

#[tokio::test]
async fn what_is_never_said_is_not_waited_for() {
    let mut outgoing = outgoing(&["127.0.0.1/32"], &[]);
    outgoing.timeout = Duration::from_millis(300);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut call = [0; 4_096];
            _ = connection.read(&mut call).await;
            // A body that has begun and does not go on, the first time; the second time not even a head.
            if open.is_empty() {
                _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nHel").await;
            }
            open.push(connection);
        }
    });
    for _ in 0..2 {
        let fault = fault(&outgoing, &format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(fault, OutgoingError::TooSlow(outgoing.timeout));
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_before_any_call() {
    crate::lifecycle::install_tls();
    let settings =
        config::Outgoing { timeout: Duration::from_secs(1), ports: vec![80, 443], allow_networks: Vec::new() };
    let names = Arc::new(Names::default());
    let outgoing = Outgoing::new(&settings, names.clone()).unwrap();
    for (address, said) in [
        ("example.com/page", "must be a whole one, like https://example.com/page"),
        ("", "must be a whole one, like https://example.com/page"),
        ("http://", "must be a whole one, like https://example.com/page"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("gopher://example.com/", "must begin with http:// or https://"),
        ("https://me:secret@example.com/", "must not hold a user or a password"),
        ("https://me@example.com/", "must not hold a user or a password"),
        ("http://example.com:6379/", "has a port that is not allowed"),
        (&format!("https://example.com/{}", "a".repeat(2_048)), "must not have more than 2048 characters"),
        (&format!("https://example.com/{}", "Կ".repeat(400)), "must not have more than 2048 characters as it is sent"),
    ] {
        assert_eq!(fault(&outgoing, address).await.to_string(), said, "{address}");
    }
    assert_eq!(*names.1.lock(), 0, "nobody was looked up");
}

proptest! {
    /// In whatever way it is written, an address that is not public is not let through.
    #[test]
    fn no_spelling_of_an_inner_address_passes(inner in prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(10, b, c, d)),
        any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(127, b, c, d)),
        any::<[u8; 2]>().prop_map(|[c, d]| Ipv4Addr::new(169, 254, c, d)),
        any::<[u8; 2]>().prop_map(|[c, d]| Ipv4Addr::new(192, 168, c, d)),
    ]) {
        let bounds = Bounds { allowed: Arc::new([]), ports: Arc::new([]) };
        let ([a, b, c, d], bits) = (inner.octets(), inner.to_bits());
        let (mapped, low) = (inner.to_ipv6_mapped(), bits & 0xffff);
        let six = Ipv6Addr::new(0x2002, (bits >> 16) as u16, low as u16, 0, 0, 0, 0, 1);
        for host in [
            format!("{inner}"), format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"), format!("{a}.{b}.{low}"),
            format!("0x{a:x}.0{b:o}.{c}.0x{d:X}"), format!("{inner}."), format!("%{:x}{}", b'0' + a / 100, &format!("{inner}")[1..]),
            format!("[{mapped}]"), format!("[64:ff9b::{inner}]"), format!("[::{inner}]"), format!("[{six}]"),
        ] {
            prop_assert!(bounds.validate(&format!("http://{host}/")).is_err(), "{}", host);
        }
    }
}
