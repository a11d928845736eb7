//! The bank of questions, and one's own.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, error::DatabaseError};
use troupe_core::{
    ids::{QuestionId, UserId},
    model::interview::{MAX_CATEGORY_CHARS, MAX_QUESTION_CHARS, OWN_CATEGORY, Question},
};
use troupe_db::{
    interview::questions::{self, QuestionFilter},
    violated_constraint,
};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    auth::caller::Caller,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            idempotency::Keyed,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
        idempotent::{Created, create_idempotent},
    },
    interview::{
        Interview,
        answers::NO_QUESTION,
        daily_question,
        import_export::import::{MAX_OWN_QUESTIONS, too_many_questions},
        streak,
    },
    personas::own::own_persona,
};

/// A filter of questions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichQuestions {
    #[param(example = "beginnings")]
    category: Option<String>,
    /// Only one's own, or all.
    #[serde(default)]
    mine: bool,
    /// The slug of a persona of one's own: `answer` is the state of its answer.
    persona: Option<String>,
    /// With `persona`: only those that it has answered, drafts included, or only the rest.
    answered: Option<bool>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// The questions to answer, of the bank and one's own, in their order
#[utoipa::path(get, path = "/questions", tag = TAG, security(("token" = ["personas:read"])), params(WhichQuestions),
    responses((status = 200, body = Listed<Question>), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn list_questions(
    State(interview): State<Arc<Interview>>,
    Caller(user): Caller,
    Params(which): Params<WhichQuestions>,
) -> Result<Json<Listed<Question>>, ApiError> {
    let page = Paging { after: which.after, limit: which.limit }.page()?;
    let mut checks = Checks::default();
    checks.text("category", which.category.as_deref().unwrap_or_default(), 0..=MAX_CATEGORY_CHARS);
    checks.rule(which.answered.is_none() || which.persona.is_some(), "answered", "needs a persona");
    checks.done()?;
    let persona = match &which.persona {
        Some(slug) => Some(own_persona(&interview.pool, user, slug).await?),
        None => None,
    };
    let filter =
        QuestionFilter { category: which.category.as_deref(), mine: which.mine, persona, answered: which.answered };
    let items = questions::list(&interview.pool, user, filter, page).await?;
    Ok(Json(Listed::new(items, page.limit, |question| question.position)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateQuestion {
    #[schema(example = "How did you learn to bake bread?", min_length = 1, max_length = 1000)]
    text: String,
    #[serde(default = "own_category")]
    #[schema(example = "own", min_length = 1, max_length = 60)]
    category: String,
}

fn own_category() -> String {
    OWN_CATEGORY.to_owned()
}

/// Add a question of one's own
#[utoipa::path(post, path = "/questions", tag = TAG, security(("token" = ["personas:write"])), request_body = CreateQuestion,
    responses((status = 201, body = Question), (status = 409, description = "there is such a question, or there are too many")))]
pub(crate) async fn create_question(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Keyed { body: new, key }: Keyed<CreateQuestion>,
) -> Result<Created<Question>, ApiError> {
    let mut checks = Checks::default();
    checks
        .text("text", &new.text, 1..=MAX_QUESTION_CHARS)
        .text("category", &new.category, 1..=MAX_CATEGORY_CHARS)
        .done()?;
    create_idempotent(&interview.pool, owner, key, |db| Box::pin(create(db, owner, new))).await
}

async fn create(db: &mut PgConnection, owner: UserId, new: CreateQuestion) -> Result<Question, ApiError> {
    let exists = |known: Option<QuestionId>| {
        ApiError::conflict(
            ProblemCode::QuestionExists,
            known.map_or("you have this question already".to_owned(), |id| format!("it is the question {id}")),
        )
    };
    if let Some(known) = questions::same(&mut *db, owner, &new.text).await? {
        return Err(exists(Some(known)));
    }
    if questions::count_own(&mut *db, owner).await? >= MAX_OWN_QUESTIONS {
        return Err(too_many_questions());
    }
    let created = questions::create(db, QuestionId::new(), owner, new.category.trim(), new.text.trim()).await;
    created.map_err(|error| match violated_constraint(&error) {
        Some("questions_own_key") => exists(None),
        _ => error.into(),
    })
}

/// Delete a question of one's own that was never answered
#[utoipa::path(delete, path = "/questions/{id}", tag = TAG, security(("token" = ["personas:write"])), params(("id" = QuestionId, Path)),
    responses((status = 204), (status = 404, description = "no such question of yours"), (status = 409, description = "it is answered")))]
pub(crate) async fn delete_question(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id(id): Id<QuestionId>,
) -> Result<StatusCode, ApiError> {
    match questions::delete(&interview.pool, owner, id).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(NO_QUESTION),
        Err(error) if error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation) => {
            let detail = "there is an answer to it, or was one that can be restored";
            Err(ApiError::conflict(ProblemCode::QuestionInUse, detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// The persona, and the time zone.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForWhom {
    /// The slug of a persona of one's own.
    persona: String,
    /// The time zone of the day: UTC by default.
    #[serde(default = "streak::utc")]
    #[param(example = "Europe/Berlin")]
    timezone: String,
}

/// The question of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DailyQuestion {
    /// The current day in the time zone.
    day: NaiveDate,
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    question: Question,
}

/// The question of the day: unanswered ones first, and the same all day
#[utoipa::path(get, path = "/questions/daily", tag = TAG, security(("token" = ["personas:read"])), params(ForWhom),
    responses((status = 200, body = DailyQuestion), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn daily_question(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Params(ForWhom { persona, timezone }): Params<ForWhom>,
) -> Result<Json<DailyQuestion>, ApiError> {
    let day = streak::day_of(interview.clock.now(), streak::zone(&timezone)?);
    let id = own_persona(&interview.pool, owner, &persona).await?;
    let question = daily_question::daily_question(&interview, owner, (id, &persona), day).await?;
    Ok(Json(DailyQuestion { day, timezone, question }))
}
