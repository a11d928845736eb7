//! Services with a canned answer, in pieces, for tests and fuzz targets: everything but the socket is real.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use reqwest::{Body, Request, Response, header::CONTENT_TYPE};
use troupe_core::lifecycle;

use super::{
    anthropic::AnthropicChatModel,
    http::{Exchange, check_status},
    json::JsonChatModel,
    openai::OpenAiChatModel,
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk},
    failure::Failure,
    prompt::Prompt,
};

/// async-openai needs a client even where it makes no call.
static UNUSED: LazyLock<reqwest::Client> = LazyLock::new(|| {
    lifecycle::install_tls();
    reqwest::Client::new()
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
    Json,
}

/// All chunks of an answer that comes cut into pieces at these indexes. After it the connection is closed properly.
///
/// # Panics
/// If the stream breaks a promise that all formats make: nothing comes after the end or after a failure.
pub(crate) fn chunks_of(format: Format, answer: &[u8], cuts: &[usize], prefill: &str) -> Vec<Result<Chunk, Failure>> {
    let exchange = exchange(format, pieces(answer, cuts));
    let model: Box<dyn ChatModel> = match format {
        Format::OpenAi => Box::new(OpenAiChatModel::over(exchange, UNUSED.clone(), "http://model", None)),
        Format::Anthropic => Box::new(AnthropicChatModel::over(exchange, "http://model", None)),
        Format::Json => Box::new(JsonChatModel::over(exchange, "http://model", None)),
    };
    let prompt = Prompt { temperature: 0.5, ..Prompt::asking("?") };
    let call = Call { prompt: &prompt, model: "m", max_tokens: 100, prefill };
    let collected = async {
        match model.stream(call).await {
            Ok(chunks) => chunks.collect().await,
            Err(failure) => vec![Err(failure)],
        }
    };
    let chunks: Vec<_> = block_on(collected);
    let last = chunks.len().saturating_sub(1);
    for (n, chunk) in chunks.iter().enumerate() {
        assert!(n == last || matches!(chunk, Ok(Chunk::Text(_) | Chunk::Usage(_))), "something came after {chunk:?}");
        assert!(!matches!(chunk, Ok(Chunk::Text(text)) if text.is_empty()), "empty text is none");
    }
    chunks
}

fn exchange(format: Format, pieces: Vec<Vec<u8>>) -> Exchange {
    let kind = if format == Format::Json { "application/json" } else { "text/event-stream; charset=utf-8" };
    Arc::new(move |_: Request| -> BoxFuture<'static, Result<Response, Failure>> {
        let pieces = stream::iter(pieces.clone()).map(Ok::<_, Infallible>);
        let mut response = ::http::Response::new(Body::wrap_stream(pieces));
        response.headers_mut().insert(CONTENT_TYPE, ::http::HeaderValue::from_static(kind));
        check_status(response.into()).boxed()
    })
}

fn pieces(answer: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (answer.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([answer.len()]);
    let begins = [0].into_iter().chain(cuts.iter().copied());
    begins.zip(ends).map(|(begin, end)| answer[begin..end].to_vec()).collect()
}

#[expect(clippy::expect_used, reason = "without a runtime there is no test")]
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
