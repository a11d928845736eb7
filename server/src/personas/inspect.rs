//! Asks a worker what a model would be told for a question.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use troupe_core::{
    ids::{ConversationId, UserId},
    jobs::InspectPrompt,
    trace,
};
use troupe_db::{
    jobs::enqueue::{NewJob, enqueue_bounded},
    personas::inspection::{InspectedPrompt, Inspection, take, withdraw},
};

use super::{Personas, own::own_persona};
use crate::http::error::ApiError;

/// Inspections that wait for a worker, of all users.
const MAX_OPEN: usize = 100;
/// A worker takes milliseconds; this is for one that is busy, or away.
const MAX_WAIT: Duration = Duration::from_secs(5);
const FIRST_LOOK: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// The prompt for a question of the persona's owner; nothing of it is sent or kept.
pub(super) async fn inspect(
    personas: &Personas,
    owner: UserId,
    slug: &str,
    question: String,
    conversation_id: Option<ConversationId>,
) -> Result<InspectedPrompt, ApiError> {
    let persona_id = own_persona(&personas.pool, owner, slug).await?;
    if let Some(call) = trace::current() {
        call.be_patient();
    }
    let job = NewJob::new(&InspectPrompt { persona_id, conversation_id, question }).of(owner);
    if !enqueue_bounded(&personas.pool, &job, MAX_OPEN).await? {
        return Err(ApiError::overloaded());
    }
    let deadline = Instant::now() + MAX_WAIT;
    let mut pause = FIRST_LOOK;
    loop {
        sleep(pause).await;
        match take(&personas.pool, job.id).await? {
            Inspection::Done(prompt) => return Ok(*prompt),
            Inspection::Nothing => return Err(ApiError::NotFound("conversation of yours with this persona")),
            Inspection::Failed => return Err(ApiError::unavailable("a worker could not make a prompt")),
            Inspection::Open if Instant::now() >= deadline => {
                withdraw(&personas.pool, job.id).await?;
                return Err(ApiError::unavailable("no worker made a prompt in time"));
            }
            Inspection::Open => pause = (pause * 2).min(MAX_PAUSE),
        }
    }
}
