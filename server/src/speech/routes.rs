//! Replies spoken aloud, over HTTP.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use troupe_core::ids::RequestId;
use troupe_db::speech::set_heard;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Speech,
    aloud::joined,
    follow::{Reply, follow},
    sentences::Sentence,
    sound::{sentence, sound, tag},
};
use crate::{
    auth::caller::Caller,
    chat::routes::requests::Waiting,
    http::{
        byte_range,
        error::{ApiError, ProblemCode},
        etag,
        extract::{body::Body, paging::Params, path::Id},
    },
};

/// Of one reply.
const MAX_SENTENCES: usize = 1_000;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Speech>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list_voices))
        .routes(routes!(list_sentences))
        .routes(routes!(speak_reply))
        .routes(routes!(speak_sentence))
        .routes(routes!(note_heard))
}

/// The voices that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voices {
    /// In the order in which providers are asked; empty where nothing speaks here.
    items: Vec<VoiceView>,
    /// The voice of personas without one.
    #[schema(example = "openai/alloy")]
    default: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VoiceView {
    /// What a persona's `voice` is set to.
    #[schema(example = "openai/coral")]
    id: String,
    #[schema(example = "openai")]
    provider: String,
    /// As the provider calls it.
    #[schema(example = "coral")]
    voice: String,
}

/// A reply's sentences.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sentences {
    /// Whether no more come.
    whole: bool,
    sentences: Vec<SentenceView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SentenceView {
    #[schema(minimum = 1)]
    sentence: usize,
    /// Where it is in the reply, in characters.
    start: usize,
    end: usize,
    /// What is said: without what nobody would read aloud.
    text: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AwaitedSentences {
    /// Seconds to wait for more sentences than `after`, or for the reply's end.
    #[param(minimum = 0, maximum = 60)]
    #[serde(default)]
    wait: u64,
    #[param(maximum = 1000)]
    #[serde(default)]
    after: usize,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heard {
    /// The last sentence that was heard to its end; 0 for none.
    #[schema(maximum = 1000)]
    sentence: usize,
}

/// The voices that personas can have
#[utoipa::path(get, path = "/voices", tag = "speech", security(("token" = ["personas:read"])), responses((status = 200, body = Voices)))]
pub(crate) async fn list_voices(State(speech): State<Arc<Speech>>) -> Json<Voices> {
    let config = speech.configuration.now();
    let voices = speech.voices().into_iter();
    let items = voices.map(|voice| VoiceView { id: voice.to_string(), provider: voice.provider, voice: voice.name });
    let default = config.speech.default_voice(&config.providers).map(|voice| voice.to_string());
    Json(Voices { items: items.collect(), default })
}

/// The sentences of a reply, as far as it is written
///
/// Those that no further text changes.
#[utoipa::path(get, path = "/requests/{id}/sentences", tag = "speech", security(("token" = ["chat:read"])), params(("id" = RequestId, Path), AwaitedSentences),
    responses((status = 200, body = Sentences), (status = 404, description = "no such request of yours")))]
pub(crate) async fn list_sentences(
    State(speech): State<Arc<Speech>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Params(AwaitedSentences { wait, after }): Params<AwaitedSentences>,
) -> Result<Json<Sentences>, ApiError> {
    let deadline = Instant::now() + Waiting::of(wait).time(speech.chat.config.server.max_wait)?;
    let reply = follow(&speech, user, id, after, deadline).await?;
    let mut characters = CharacterCount { text: &reply.text, at: 0, count: 0 };
    let view = |(number, Sentence { range, spoken }): (usize, Sentence)| SentenceView {
        sentence: number + 1,
        start: characters.up_to(range.start),
        end: characters.up_to(range.end),
        text: spoken,
    };
    let sentences = reply.sentences().into_iter().take(MAX_SENTENCES).enumerate().map(view).collect();
    Ok(Json(Sentences { whole: reply.is_whole, sentences }))
}

/// A sentence of a reply, spoken
///
/// Also while the reply is still being written: with `wait` it comes as soon as the sentence is there and has been
/// spoken. A reply that begins anew has other sentences, and other tags.
#[utoipa::path(get, path = "/requests/{id}/speech/{sentence}", tag = "speech", security(("token" = ["chat:write"])),
    params(("id" = RequestId, Path), ("sentence" = u32, Path, minimum = 1, maximum = 1000), Waiting),
    responses(
        (status = 200, content_type = "audio/wav", body = Vec<u8>),
        (status = 202, description = "it is not there yet", headers(("Retry-After" = u32))),
        (status = 204, description = "the reply has ended, and has no such sentence"),
        (status = 206, description = "the part that `Range` names"),
        (status = 304, description = "as `If-None-Match` has it"),
        (status = 404, description = "no such request of yours"),
        (status = 416, description = "there is no such part"),
        (status = 503, description = "nothing could speak it"),
    ))]
pub(crate) async fn speak_sentence(
    State(speech): State<Arc<Speech>>,
    Caller(user): Caller,
    Id((id, number)): Id<(RequestId, u32)>,
    Params(waiting): Params<Waiting>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let index = (number as usize).checked_sub(1).filter(|index| *index < MAX_SENTENCES);
    let index = index.ok_or(ApiError::NotFound("sentence of this number"))?;
    let deadline = Instant::now() + waiting.time(speech.chat.config.server.max_wait)?;
    let reply = follow(&speech, user, id, index, deadline).await?;
    let Some(Sentence { spoken, .. }) = reply.sentences().into_iter().nth(index) else {
        return Ok(if reply.is_whole { StatusCode::NO_CONTENT.into_response() } else { not_yet() });
    };
    let wanted = sentence(&speech, user, &reply, spoken)?;
    let tag = tag(std::slice::from_ref(&wanted));
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let clip = sound(&speech, &wanted, &[], deadline).await?;
    Ok(clip.map_or_else(not_yet, |clip| audio(&headers, tag, clip.bytes)))
}

/// A reply, spoken as a whole
///
/// Once it has ended.
#[utoipa::path(get, path = "/requests/{id}/speech", tag = "speech", security(("token" = ["chat:write"])), params(("id" = RequestId, Path), Waiting),
    responses(
        (status = 200, content_type = "audio/wav", body = Vec<u8>),
        (status = 202, description = "it is not all spoken yet", headers(("Retry-After" = u32))),
        (status = 204, description = "there is nothing to be said"),
        (status = 206, description = "the part that `Range` names"),
        (status = 304, description = "as `If-None-Match` has it"),
        (status = 404, description = "no such request of yours"),
        (status = 409, description = "it is still being written"),
        (status = 416, description = "there is no such part"),
        (status = 503, description = "nothing could speak it"),
    ))]
pub(crate) async fn speak_reply(
    State(speech): State<Arc<Speech>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Params(waiting): Params<Waiting>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + waiting.time(speech.chat.config.server.max_wait)?;
    let reply = follow(&speech, user, id, usize::MAX, deadline).await?;
    let reply = whole(reply)?;
    let sentences = reply.sentences();
    let wanted = sentences.into_iter().take(MAX_SENTENCES);
    let wanted: Vec<_> = wanted.map(|said| sentence(&speech, user, &reply, said.spoken)).collect::<Result<_, _>>()?;
    if wanted.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let tag = tag(&wanted);
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let joined = joined(&speech, &wanted, deadline).await?;
    Ok(joined.map_or_else(not_yet, |wav| audio(&headers, tag, wav)))
}

/// Note how much of a spoken reply was heard
///
/// For a listener who has interrupted it: the prompts of later replies have no more of it.
#[utoipa::path(post, path = "/requests/{id}/heard", tag = "speech", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)),
    request_body = Heard, responses((status = 204), (status = 404, description = "no such request of yours, or it has no reply"),
        (status = 409, description = "the reply is still being written")))]
pub(crate) async fn note_heard(
    State(speech): State<Arc<Speech>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Body(Heard { sentence }): Body<Heard>,
) -> Result<StatusCode, ApiError> {
    let reply = whole(follow(&speech, user, id, 0, Instant::now()).await?)?;
    let sentences = reply.sentences();
    let heard = if sentence >= sentences.len() {
        None
    } else {
        let end = sentence.checked_sub(1).map_or(0, |last| sentences[last].range.end);
        Some(i32::try_from(reply.text[..end].chars().count()).unwrap_or(i32::MAX))
    };
    if set_heard(&speech.pool, user, id, heard).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound("reply of this request"))
    }
}

fn whole(reply: Reply) -> Result<Reply, ApiError> {
    if reply.is_whole {
        return Ok(reply);
    }
    Err(ApiError::conflict(ProblemCode::ReplyUnfinished, "the reply is still being written"))
}

fn not_yet() -> Response {
    (StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")]).into_response()
}

fn audio(headers: &HeaderMap, tag: String, wav: Vec<u8>) -> Response {
    let mut response = byte_range::respond(headers, &tag, wav);
    let common = [
        (header::CONTENT_TYPE, "audio/wav".to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    for (name, value) in common {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Counts the characters of a text once, for places that come in order.
struct CharacterCount<'a> {
    text: &'a str,
    at: usize,
    count: usize,
}

impl CharacterCount<'_> {
    fn up_to(&mut self, byte: usize) -> usize {
        self.count += self.text[self.at..byte].chars().count();
        self.at = byte;
        self.count
    }
}
