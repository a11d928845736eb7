//! A model provider that costs next to nothing, so that a measurement shows the platform and not the model.
//!
//! It speaks OpenAI's chat completions, streamed and whole, and answers each call with the same number of tokens. An
//! API key that names a fault gets that fault instead, which measures failover: see [`Script`].

#![expect(clippy::print_stdout, reason = "prints the address that it serves")]

use std::{io, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use clap::Parser;
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

const PROMPT_TOKENS: usize = 10;

#[derive(Debug, Clone, Copy, Parser)]
#[command(about = "Answers chat completions with a fixed number of tokens. Prints the base URL that it serves.")]
struct Options {
    /// 0 for any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Of each reply.
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// Milliseconds before the first token.
    #[arg(long, default_value_t = 0)]
    first_ms: u64,
    /// Milliseconds before each of the others.
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
}

/// What a call is answered with, chosen by its API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Reply,
    /// `cut`: half of a reply, then the connection breaks.
    Cut,
    /// `hang`: nothing, on an open connection.
    Hang,
    /// `fail-429` and `fail-500`.
    Fail(StatusCode),
}

impl Script {
    fn of(headers: &HeaderMap) -> Self {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match authorization.and_then(|value| value.strip_prefix("Bearer ")) {
            Some("cut") => Self::Cut,
            Some("hang") => Self::Hang,
            Some("fail-429") => Self::Fail(StatusCode::TOO_MANY_REQUESTS),
            Some("fail-500") => Self::Fail(StatusCode::INTERNAL_SERVER_ERROR),
            _ => Self::Reply,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    model: String,
    #[serde(default)]
    stream: bool,
}

async fn complete(
    State(options): State<Options>,
    headers: HeaderMap,
    Json(Completion { model, stream }): Json<Completion>,
) -> Response {
    match Script::of(&headers) {
        Script::Reply if stream => event_stream(tokens(options).map(Ok).chain(end(options))),
        Script::Reply => whole(options, &model).await.into_response(),
        Script::Cut => {
            let cut = stream::once(async { Err(io::Error::other("cut, as scripted")) });
            event_stream(tokens(options).take(options.tokens / 2).map(Ok).chain(cut))
        }
        Script::Hang => std::future::pending().await,
        Script::Fail(status) => {
            let error = json!({"error": {"message": "as scripted", "type": "scripted", "code": null}});
            (status, [(header::RETRY_AFTER, "1")], Json(error)).into_response()
        }
    }
}

/// The tokens of a reply as events, each when it is due.
fn tokens(Options { tokens, first_ms, gap_ms, .. }: Options) -> impl Stream<Item = Bytes> {
    stream::iter(0..tokens).then(move |number| async move {
        let pause = if number == 0 { first_ms } else { gap_ms };
        if pause > 0 {
            sleep(Duration::from_millis(pause)).await;
        }
        let delta = json!({"role": "assistant", "content": token(number)});
        event(&chunk(&json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null))
    })
}

/// The events after the last token.
fn end(options: Options) -> impl Stream<Item = io::Result<Bytes>> {
    let stop = chunk(&json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), &Value::Null);
    let usage = chunk(&json!([]), &usage(options));
    stream::iter([Ok(event(&stop)), Ok(event(&usage)), Ok(Bytes::from_static(b"data: [DONE]\n\n"))])
}

async fn whole(options: Options, model: &str) -> Json<Value> {
    let Options { tokens, first_ms, gap_ms, .. } = options;
    sleep(Duration::from_millis(first_ms + gap_ms * tokens.saturating_sub(1) as u64)).await;
    let content: String = (0..tokens).map(token).collect();
    let message = json!({"role": "assistant", "content": content});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    let usage = usage(options);
    Json(json!({
        "id": "scripted", "object": "chat.completion", "created": 0, "model": model, "choices": choices, "usage": usage,
    }))
}

fn token(number: usize) -> String {
    format!("token{number} ")
}

fn chunk(choices: &Value, usage: &Value) -> Value {
    json!({
        "id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": choices,
        "usage": usage,
    })
}

fn usage(Options { tokens, .. }: Options) -> Value {
    json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": PROMPT_TOKENS + tokens})
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

fn event_stream(events: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    println!("http://{}/v1", listener.local_addr()?);
    // Otherwise the last tokens of a reply wait 40 ms for the acknowledgement of the first ones.
    let listener = listener.tap_io(|connection| _ = connection.set_nodelay(true));
    let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(options);
    axum::serve(listener, router).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options { port: 0, tokens: 3, first_ms: 0, gap_ms: 0 };

    async fn body(response: Response) -> Result<String, axum::Error> {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
        Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    async fn answer(key: &str, stream: bool) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {key}").parse().expect("a header"));
        complete(State(OPTIONS), headers, Json(Completion { model: "m".to_owned(), stream })).await
    }

    #[tokio::test]
    async fn a_stream_has_each_token_an_end_and_the_usage() {
        let text = body(answer("any", true).await).await.expect("a body");
        let events: Vec<_> = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ")).collect();
        assert_eq!(events.len(), 6);
        let parsed = |index: usize| {
            let event = events[index].expect("an event");
            serde_json::from_str::<Value>(event).expect("JSON")
        };
        assert_eq!(parsed(1)["choices"][0]["delta"]["content"], "token1 ");
        assert_eq!(parsed(3)["choices"][0]["finish_reason"], "stop");
        assert_eq!(parsed(4)["usage"]["completion_tokens"], 3);
        assert_eq!(events[5], Some("[DONE]"));
    }

    #[tokio::test]
    async fn a_whole_reply_has_the_same_text() {
        let text = body(answer("any", false).await).await.expect("a body");
        let reply: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(reply["choices"][0]["message"]["content"], "token0 token1 token2 ");
    }

    #[tokio::test]
    async fn keys_choose_faults() {
        assert_eq!(answer("fail-429", true).await.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer("fail-500", false).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body(answer("cut", true).await).await.is_err());
    }
}
