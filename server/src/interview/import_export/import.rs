//! Stores many responses, with as many statements as for one: all or nothing, or row by row.
//!
//! Existing answers with the same content are unchanged, so an import can be repeated.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use troupe_core::{
    ids::{QuestionId, ResponseId, UserId},
    model::{
        audit::{By, On},
        interview::ResponseStatus,
        knowledge::SourceKind,
    },
    problem::FieldError,
};
use troupe_db::{
    interview::{
        import::{self, Known},
        questions,
        responses::{self, Written},
    },
    knowledge::index_work,
};
use utoipa::ToSchema;

use super::{
    Fault, Format,
    read::{Read, read},
    rows::Row,
};
use crate::{
    audit::note,
    http::error::{ApiError, ProblemCode},
    interview::answers,
};

/// The maximum of a user's own questions.
pub(crate) const MAX_OWN_QUESTIONS: i64 = 5_000;
/// The maximum of faults in an error; a report has all.
const MAX_NAMED_FAULTS: usize = 100;

/// What happens to the valid rows when others are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// None is stored.
    #[default]
    AllOrNothing,
    /// All of them are stored.
    RowByRow,
}

/// The result of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct Report {
    /// The number of rows: the sum of the next four.
    pub(crate) rows: usize,
    /// Answers to questions that had none.
    pub(crate) imported: usize,
    /// New versions of existing answers.
    pub(crate) changed: usize,
    /// Rows that are the same as the existing answer.
    pub(crate) unchanged: usize,
    pub(crate) refused_rows: usize,
    /// Own questions that were created.
    pub(crate) questions_made: u64,
    /// The faults of the refused rows.
    pub(crate) refused: Vec<Fault>,
}

/// Imports a body of this format into a persona of this owner.
pub(crate) async fn import(
    db: &mut PgConnection,
    by: &By,
    owner: UserId,
    slug: &str,
    (format, mode): (Format, Mode),
    bytes: &[u8],
) -> Result<Report, ApiError> {
    let Read { rows, mut faults, count } = read(format, bytes)?;
    let mut transaction = db.begin().await?;
    let persona = answers::lock(&mut transaction, owner, slug).await?;
    let incoming: Vec<_> = rows.iter().map(Row::as_incoming).collect();
    let questions_made = import::add_questions(&mut *transaction, owner, &incoming).await?;
    if questions_made > 0 && questions::count_own(&mut *transaction, owner).await? > MAX_OWN_QUESTIONS {
        return Err(too_many_questions());
    }
    let known = import::find_known(&mut *transaction, owner, persona, &incoming).await?;
    let plan = plan(&rows, &known);
    faults.extend(plan.faults);
    faults.sort_by_key(|fault| fault.row);
    if mode == Mode::AllOrNothing && !faults.is_empty() {
        return Err(refused(&faults));
    }
    let written = responses::write(&mut *transaction, persona, &plan.writes).await?;
    let marked = written.iter().filter(|(_, question)| plan.counting.contains(question));
    let marked: Vec<_> = marked.map(|(id, _)| id.as_uuid()).collect();
    index_work::mark_all(&mut *transaction, SourceKind::Response, &marked, persona).await?;
    let Plan { imported, changed, unchanged, .. } = plan;
    let counts = json!({"imported": imported, "changed": changed});
    note(&mut *transaction, &by.does("answers.imported").on(On::thing("persona", persona).of(owner)).after(counts))
        .await?;
    transaction.commit().await?;
    let refused_rows = count - imported - changed - unchanged;
    Ok(Report { rows: count, imported, changed, unchanged, refused_rows, questions_made, refused: faults })
}

/// The writes of an import, and the faults.
#[derive(Default)]
struct Plan<'a> {
    writes: Vec<Written<'a>>,
    /// Questions whose answers are or were part of the persona's knowledge.
    counting: HashSet<QuestionId>,
    imported: usize,
    changed: usize,
    unchanged: usize,
    faults: Vec<Fault>,
}

fn plan<'a>(rows: &'a [Row], known: &[Known]) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut seen: HashMap<QuestionId, &Row> = HashMap::new();
    for (row, known) in rows.iter().zip(known) {
        let Some(question) = known.question else {
            plan.faults.push(row.fault("question_id", "there is no such question"));
            continue;
        };
        match seen.entry(question) {
            Entry::Occupied(first) => {
                let first = first.get();
                if first.content == row.content && first.status == row.status {
                    plan.unchanged += 1;
                } else {
                    let reason = format!("row {} answers the same question otherwise", first.number);
                    plan.faults.push(row.fault("question", reason));
                }
                continue;
            }
            Entry::Vacant(free) => drop(free.insert(row)),
        }
        if known.same {
            plan.unchanged += 1;
            continue;
        }
        *(if known.status.is_some() { &mut plan.changed } else { &mut plan.imported }) += 1;
        if [known.status, Some(row.status)].contains(&Some(ResponseStatus::Final)) {
            plan.counting.insert(question);
        }
        plan.writes.push(Written { id: ResponseId::new(), question, content: &row.content, status: row.status });
    }
    plan
}

fn refused(faults: &[Fault]) -> ApiError {
    let field = |fault: &Fault| match &fault.column {
        Some(column) => format!("row {}, {column}", fault.row),
        None => format!("row {}", fault.row),
    };
    let message = |fault: &Fault| match fault.line {
        Some(line) => format!("{} (line {line})", fault.reason),
        None => fault.reason.clone(),
    };
    let named = faults.iter().take(MAX_NAMED_FAULTS);
    let errors: Vec<_> = named.map(|fault| FieldError { field: field(fault), message: message(fault) }).collect();
    let first = errors.first().map(|first| format!("{}: {}", first.field, first.message)).unwrap_or_default();
    let others = match faults.len() - 1 {
        0 => String::new(),
        others => format!("; and {others} more"),
    };
    ApiError::import_refused(format!("nothing was stored; {first}{others}"), errors)
}

pub(crate) fn too_many_questions() -> ApiError {
    let detail = format!("nobody may have more than {MAX_OWN_QUESTIONS} questions of their own");
    ApiError::conflict(ProblemCode::TooManyQuestions, detail)
}
