//! A connection without a client: what is written is what is sent, to the byte, and nothing is sent unasked.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::within;

/// An answer as it came: its status and its headers as they are written, and its body.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }

    /// The code of the problem that it must be.
    pub fn code(&self) -> String {
        let problem: serde_json::Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(problem["status"], self.status, "{self:?}");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

pub struct RawConnection(TcpStream);

impl RawConnection {
    /// To a server's base URL.
    pub async fn open(base: &str) -> Self {
        let address = base.strip_prefix("http://").expect("a base URL");
        Self(within("a connection", TcpStream::connect(address)).await.expect("a connection"))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("send over a connection");
    }

    /// Where the other side may have hung up.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("sending", self.0.write_all(bytes.as_ref())).await
    }

    /// The next answer, whose length must be told.
    pub async fn answer(&mut self) -> RawAnswer {
        within("an answer", async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let byte = self.0.read_u8().await;
                head.push(byte.unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&head))));
            }
            let head = String::from_utf8(head).expect("a head of text");
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            let mut answer = RawAnswer { status, head, body: Vec::new() };
            answer.body = vec![0; answer.header("content-length").parse().unwrap_or(0)];
            self.0.read_exact(&mut answer.body).await.expect("the body");
            answer
        })
        .await
    }

    /// Waits until the other side hangs up; says what came before that.
    pub async fn hung_up(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        _ = within("the end of a connection", self.0.read_to_end(&mut rest)).await;
        rest
    }
}
