//! Speech for programs, by the voices and the cache of spoken replies.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use troupe_core::ids::ConversationId;
use troupe_db::{
    personas,
    replies::conversations::{self, NewConversation},
};
use utoipa::ToSchema;

use crate::{
    auth::caller::Identified,
    http::{error::ApiError, extract::validation::Checks},
    openai::{
        OpenAi,
        body::{Call, OpenAiBody, Unsupported, is_never, is_one},
    },
    speech::{Speech, aloud},
};

const MAX_INPUT_BYTES: usize = 16_384;
/// The voice that a persona has.
const OWN_VOICE: &str = "default";

/// A text that is to be spoken.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateSpeech {
    /// The persona that speaks.
    #[schema(example = "demo")]
    model: String,
    /// At most 16 KiB. Code and addresses are left out, as of replies.
    #[schema(min_length = 1)]
    input: String,
    /// One of `/v1/audio/voices`; the persona's own where it is left out, or `default`.
    #[serde(default)]
    #[schema(example = "openai/coral")]
    voice: Option<String>,
    /// `wav`; others are refused.
    #[serde(default)]
    #[schema(example = "wav")]
    response_format: Option<String>,
}

impl Call for CreateSpeech {
    const UNSUPPORTED: &'static [Unsupported] =
        &[("speed", is_one), ("instructions", is_never), ("stream_format", |value| value == "audio")];
}

/// The voices that speak here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AudioVoices {
    #[schema(example = "list")]
    object: &'static str,
    #[schema(inline)]
    data: Vec<AudioVoice>,
    /// The same, for programs that look for them here.
    #[schema(inline)]
    voices: Vec<AudioVoice>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct AudioVoice {
    #[schema(example = "openai/coral")]
    id: String,
    /// As its provider calls it.
    #[schema(example = "coral")]
    name: String,
    #[schema(example = "voice")]
    object: &'static str,
}

/// Speak a text
///
/// As a WAV file, once all of it is spoken. It costs what a spoken reply of the persona costs, and is kept for the
/// caller for a day.
#[utoipa::path(post, path = "/v1/audio/speech", tag = super::TAG, security(("token" = ["chat:write"])), request_body = CreateSpeech,
    responses(
        (status = 200, content_type = "audio/wav", body = Vec<u8>),
        (status = 404, description = "no persona that you may talk with"),
        (status = 503, description = "nothing could speak it"),
    ))]
pub(crate) async fn create_speech(
    State(openai): State<Arc<OpenAi>>,
    State(speech): State<Arc<Speech>>,
    Identified(identity): Identified,
    OpenAiBody { call, .. }: OpenAiBody<CreateSpeech>,
) -> Result<Response, ApiError> {
    let CreateSpeech { model, input, voice, response_format } = call;
    let format = response_format.as_deref().unwrap_or("wav");
    Checks::default()
        .text("input", &input, 1..=MAX_INPUT_BYTES)
        .rule(format == "wav", "response_format", "must be wav: no other is made here")
        .done()?;
    let user = identity.user;
    let persona = personas::find(&openai.pool, user, &model).await?.ok_or(ApiError::NotFound("model"))?;
    let voice = match voice.as_deref().filter(|voice| *voice != OWN_VOICE) {
        Some(voice) => {
            speech.named_voice(voice).ok_or_else(|| ApiError::field("voice", "is none of /v1/audio/voices"))?
        }
        None => speech.voice(persona.voice.as_deref())?,
    };
    let id = ConversationId::new();
    let new = NewConversation { id, user, persona: &model, title: None, temporary: true, language: None };
    let mut db = openai.pool.acquire().await?;
    conversations::create(&mut db, new).await?.ok_or(ApiError::NotFound("model"))?;
    drop(db);
    let text = aloud::Text {
        user,
        tier: identity.as_user_of_tier().tier.to_owned(),
        persona: persona.id,
        conversation: id,
        voice: voice.to_string(),
        content: input,
    };
    let deadline = Instant::now() + openai.chat.config.server.reply_timeout;
    let wav = aloud::speak(&speech, text, deadline).await?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], wav).into_response())
}

/// The voices
#[utoipa::path(get, path = "/v1/audio/voices", tag = super::TAG, security(("token" = ["personas:read"])), responses((status = 200, body = AudioVoices)))]
pub(crate) async fn list_audio_voices(State(speech): State<Arc<Speech>>) -> Json<AudioVoices> {
    let voices = speech.voices().into_iter();
    let voices: Vec<_> =
        voices.map(|voice| AudioVoice { id: voice.to_string(), name: voice.name, object: "voice" }).collect();
    Json(AudioVoices { object: "list", data: voices.clone(), voices })
}
