//! A bucket of a service with the API of S3, of which there are many. Calls are signed with Signature Version 4, and
//! address the bucket by the path, which all of them understand.

use std::{fmt::Write, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{Client, StatusCode, Url};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use secrecy::{ExposeSecret, SecretString};

use super::http_client;
use crate::{
    clock::{Clock, SystemClock},
    config,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer that tells of a failure.
const MAX_ANSWER: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it answered {status}: {code}")]
    Refused { status: StatusCode, code: String },
}

pub struct Bucket {
    client: Client,
    /// With the bucket and the folder, and a slash at its end.
    base: Url,
    region: String,
    access_key: SecretString,
    secret_key: SecretString,
}

impl Bucket {
    /// `folder` may be empty.
    pub fn new(settings: &config::S3, bucket: &str, folder: &str) -> Result<Self, S3Error> {
        let (Some(mut base), Some(access_key), Some(secret_key)) =
            (settings.endpoint.clone(), settings.access_key.clone(), settings.secret_key.clone())
        else {
            return Err(S3Error::Unreachable("s3.endpoint, s3.access_key and s3.secret_key are needed".to_owned()));
        };
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().push(bucket).extend(folder.split('/').filter(|name| !name.is_empty())).push("");
        }
        let client = http_client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(settings.timeout).build();
        Ok(Self {
            client: client.map_err(|error| unreachable(&error))?,
            base,
            region: settings.region.clone(),
            access_key,
            secret_key,
        })
    }

    /// Stores an object under the folder, in place of one of this name. It is there as a whole or not at all. The name
    /// has no characters that an address would have to escape.
    pub async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), S3Error> {
        let url = self.base.join(name).map_err(|error| S3Error::Unreachable(error.to_string()))?;
        let hash = hexadecimal(digest(&SHA256, &content).as_ref());
        let now = SystemClock.now();
        let signature = self.sign("PUT", &url, &hash, now);
        let call = self.client.put(url).header("authorization", signature);
        let call = call.header("x-amz-date", stamp(now)).header("x-amz-content-sha256", hash);
        let mut answer = call.body(content).send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut body = Vec::new();
        while let Ok(Some(part)) = answer.chunk().await
            && body.len() + part.len() <= MAX_ANSWER
        {
            body.extend_from_slice(&part);
        }
        Err(S3Error::Refused { status, code: code(&String::from_utf8_lossy(&body)) })
    }

    /// The header `Authorization`.
    fn sign(&self, method: &str, url: &Url, hash: &str, now: DateTime<Utc>) -> String {
        const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";
        let (host, port) = (url.host_str().unwrap_or_default(), url.port());
        let host = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let (path, now) = (url.path(), stamp(now));
        let call = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{now}\n\n{SIGNED}\n{hash}"
        );
        let (day, _) = now.split_at(8);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text =
            format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hexadecimal(digest(&SHA256, call.as_bytes()).as_ref()));
        let secret = format!("AWS4{}", self.secret_key.expose_secret());
        let key = [day, &self.region, "s3", "aws4_request", &text]
            .into_iter()
            .fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part));
        let key_id = self.access_key.expose_secret();
        format!("AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={SIGNED}, Signature={}", hexadecimal(&key))
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn stamp(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

/// What the service calls the fault: `NoSuchBucket`, `SignatureDoesNotMatch`.
fn code(answer: &str) -> String {
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let is_code =
        |code: &&str| !code.is_empty() && code.len() <= 100 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    code.map(|(code, _)| code).filter(is_code).unwrap_or("without a reason").to_owned()
}

fn unreachable(error: &reqwest::Error) -> S3Error {
    let first: &dyn std::error::Error = error;
    let innermost = std::iter::successors(Some(first), |error| error.source()).last();
    S3Error::Unreachable(innermost.map_or_else(String::new, ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(endpoint: &str, folder: &str) -> Bucket {
        crate::lifecycle::install_tls();
        let settings = config::S3 {
            endpoint: Some(endpoint.parse().unwrap()),
            region: "us-east-1".to_owned(),
            access_key: Some("AKIAIOSFODNN7EXAMPLE".into()),
            secret_key: Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            timeout: Duration::from_secs(5),
        };
        Bucket::new(&settings, "examplebucket", folder).unwrap()
    }

    #[test]
    fn a_bucket_is_a_part_of_the_path() {
        for (endpoint, folder, base) in [
            ("https://s3.example", "", "https://s3.example/examplebucket/"),
            ("http://127.0.0.1:9000/", "a/b", "http://127.0.0.1:9000/examplebucket/a/b/"),
            ("https://example/storage", "/a/", "https://example/storage/examplebucket/a/"),
        ] {
            assert_eq!(bucket(endpoint, folder).base.as_str(), base);
        }
    }

    /// Signed by botocore 1.44.8 for the same call.
    #[test]
    fn a_signature_is_that_of_others() {
        let bucket = bucket("https://s3.amazonaws.com", "folder");
        let url = bucket.base.join("requests-1-2.jsonl").unwrap();
        let hash = hexadecimal(digest(&SHA256, b"{\"request\":1}\n").as_ref());
        let now = DateTime::from_timestamp(1_369_353_600, 0).unwrap();
        let by_botocore = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                           SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
                           Signature=322163a40be0d68277812253890aa85e67173a4e05f51e8e03a2bff81df7423f";
        assert_eq!(bucket.sign("PUT", &url, &hash, now), by_botocore);
    }

    #[test]
    fn a_fault_has_the_name_that_the_service_gives_it() {
        assert_eq!(code("<?xml?><Error><Code>NoSuchBucket</Code><Message>…</Message></Error>"), "NoSuchBucket");
        for nothing in ["", "<Code></Code>", "<html>", "<Code><b>x</b></Code>"] {
            assert_eq!(code(nothing), "without a reason");
        }
    }
}
