//! Exports all responses of a persona, streamed in pages.

use bytes::Bytes;
use futures::{Stream, stream};
use sqlx::PgPool;
use troupe_core::ids::{PersonaId, ResponseId};
use troupe_db::interview::responses;

use super::{
    Format, csv,
    rows::{COLUMNS, RawRow},
};

const PAGE: i64 = 100;

/// The position of an export.
enum Next {
    Page(Option<ResponseId>),
    Nothing,
}

pub(crate) fn export(
    pool: PgPool,
    persona: PersonaId,
    format: Format,
) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    stream::try_unfold(Next::Page(None), move |next| {
        let pool = pool.clone();
        async move {
            let Next::Page(after) = next else { return Ok(None) };
            let page = responses::in_order(&pool, persona, after, PAGE).await?;
            let last = page.last().map(|response| response.id).filter(|_| page.len() as i64 == PAGE);
            let rows: Vec<_> = page.into_iter().map(RawRow::from).collect();
            let text = format_page(format, &rows, after.is_none(), last.is_none());
            Ok(Some((Bytes::from(text), last.map_or(Next::Nothing, |last| Next::Page(Some(last))))))
        }
    })
}

/// Formats a page of rows, with the header of the first and the end of the last.
pub(super) fn format_page(format: Format, rows: &[RawRow], first: bool, last: bool) -> String {
    let json = |row: &RawRow| serde_json::to_string(row).unwrap_or_default();
    match format {
        Format::Json => {
            let (open, close) = (if first { "[\n" } else { "" }, if last { "\n]\n" } else { "" });
            let separator = |index| if first && index == 0 { "" } else { ",\n" };
            let rows = rows.iter().enumerate().map(|(index, row)| format!("{}{}", separator(index), json(row)));
            format!("{open}{}{close}", rows.collect::<String>())
        }
        Format::Jsonl => rows.iter().map(|row| json(row) + "\n").collect(),
        Format::Csv => {
            let header = if first { csv::line(&COLUMNS) } else { String::new() };
            let line = |row: &RawRow| {
                let RawRow { question_id, question, category, status, content } = row;
                let fields = [question_id, question, category, status, content];
                csv::line(&fields.map(|field| field.as_deref().unwrap_or_default()))
            };
            header + &rows.iter().map(line).collect::<String>()
        }
    }
}
