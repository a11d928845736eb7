use proptest::prelude::*;

use super::{
    Fault, Format,
    export::format_page,
    read::{MAX_ROWS, Read, read},
    rows::{RawRow, Row},
};
use crate::http::error::ApiError;

const FORMATS: [Format; 3] = [Format::Json, Format::Jsonl, Format::Csv];

fn file(format: Format, rows: &[RawRow]) -> String {
    format_page(format, rows, true, true)
}

/// A row that may be stored, of anything that is awkward in one of the formats.
fn any_row() -> impl Strategy<Value = RawRow> {
    let text = || {
        let awkward = prop::sample::select(vec![
            "\"", "\"\"", ",", "\r\n", "\n", "\r", ";", "'", "\\", "\u{feff}", " ", "🌊", "\u{2028}", "=",
        ]);
        let part = prop_oneof![awkward.prop_map(str::to_owned), "[^\0]{0,8}"];
        prop::collection::vec(part, 1..8)
            .prop_map(|parts| parts.concat())
            .prop_filter("text that is not blank", |text| !text.trim().is_empty())
    };
    let short = "[a-zé ]{0,20}[a-zé]";
    (any::<u128>(), text(), short, any::<bool>(), text()).prop_map(|(id, question, category, draft, content)| RawRow {
        question_id: Some(uuid::Uuid::from_u128(id).to_string()),
        question: Some(question.trim().to_owned()),
        category: Some(category.trim().to_owned()),
        status: Some(if draft { "draft" } else { "final" }.to_owned()),
        content: Some(content),
    })
}

fn raw(row: &Row) -> RawRow {
    let incoming = row.as_incoming();
    RawRow {
        question_id: incoming.question_id.map(|id| id.to_string()),
        question: incoming.question.map(str::to_owned),
        category: Some(incoming.category.to_owned()),
        status: Some(incoming.status.name().to_owned()),
        content: Some(incoming.content.to_owned()),
    }
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_as_it_was(rows in prop::collection::vec(any_row(), 0..20), split in 0usize..20) {
        for format in FORMATS {
            // In two pages, as an export is made.
            let (head, tail) = rows.split_at(split.min(rows.len()));
            let text = format_page(format, head, true, false) + &format_page(format, tail, false, true);
            // A first page is never empty unless it is all.
            let text = if head.is_empty() { file(format, &rows) } else { text };
            let read = read(format, text.as_bytes()).unwrap();
            prop_assert_eq!(&read.faults, &[]);
            prop_assert_eq!(&read.rows.iter().map(raw).collect::<Vec<_>>(), &rows);
        }
    }

    /// Bytes that are of no format give faults, and nothing else.
    #[test]
    fn nothing_that_is_sent_makes_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            drop(read(format, &bytes));
        }
        let text = String::from_utf8_lossy(&bytes);
        let csv = format!("question,content\n{text}");
        if let Ok(Read { rows, faults, count }) = read(Format::Csv, csv.as_bytes()) {
            prop_assert!(rows.len() <= count && rows.len() + faults.len() >= count);
        }
    }

    /// One quote too many or too few is told in its own row, wherever it is.
    #[test]
    fn a_broken_quote_is_told_in_its_row(rows in prop::collection::vec(any_row(), 1..12), broken in any::<prop::sample::Index>()) {
        let broken = broken.index(rows.len());
        let mut text = file(Format::Csv, &rows[..broken]);
        text += "x,\"never closed,c,final,d\r\n";
        text += file(Format::Csv, &rows[broken..]).split_once("\r\n").map_or("", |(_, rows)| rows);
        let read = read(Format::Csv, text.as_bytes()).unwrap();
        prop_assert_eq!(read.rows.len(), broken);
        prop_assert_eq!(read.faults[0].row, broken + 1);
    }
}

fn faults(format: Format, text: &str) -> Vec<(usize, Option<usize>, String)> {
    let told =
        |Fault { row, line, column, reason }: Fault| (row, line, format!("{}: {reason}", column.unwrap_or_default()));
    read(format, text.as_bytes()).unwrap().faults.into_iter().map(told).collect()
}

fn fault(row: usize, line: impl Into<Option<usize>>, told: &str) -> (usize, Option<usize>, String) {
    (row, line.into(), told.to_owned())
}

#[test]
fn every_fault_of_a_row_is_named_with_its_column() {
    let text = "question,content,status,question_id\n\
                q,\"a\nb\",,\n\
                ,,finished,7\n\
                \n\
                q,c\n";
    let told = [
        fault(2, 4, "question_id: is not an id"),
        fault(2, 4, "status: must be draft or final"),
        fault(2, 4, "content: must not be empty"),
        fault(3, 6, ": has 2 fields where the header has 4"),
    ];
    assert_eq!(faults(Format::Csv, text), told);
    let text = "{\"question\":\"q\",\"content\":\"c\"}\n\n{\"question\":\"q\"\n[]\n{\"question\":\"q\",\"content\":5}\n{\"answer\":\"a\"}";
    let told = faults(Format::Jsonl, text);
    assert_eq!(
        told.iter().map(|(row, line, _)| (*row, *line)).collect::<Vec<_>>(),
        [(2, Some(3)), (3, Some(4)), (4, Some(5)), (5, Some(6))]
    );
    assert!(told[2].2.starts_with("content: invalid type"), "{told:?}");
    assert!(told[3].2.contains("unknown field `answer`"), "{told:?}");
    assert_eq!(
        faults(Format::Json, r#"[{"content":"c"}]"#),
        [fault(1, None, "question: must not be empty where there is no question_id")]
    );
    assert_eq!(
        faults(Format::Json, r#"[{"question":"q","content":"a\u0000"}]"#),
        [fault(1, None, "content: must not contain a zero character")]
    );
}

fn refusal(format: Format, bytes: &[u8]) -> String {
    let problem = read(format, bytes).unwrap_err().problem();
    format!("{}: {}", problem.code(), problem.detail)
}

#[test]
fn what_is_wrong_as_a_whole_is_refused_as_a_whole() {
    let offset = refusal(Format::Csv, b"question,content\nq,a\nq,\xff\n");
    assert_eq!(offset, "invalid: body: is not UTF-8 from byte 23 on, counted from 0, in line 3");
    assert!(refusal(Format::Json, b"{}").starts_with("invalid: body: must be an array"));
    assert!(refusal(Format::Json, b"[{}").starts_with("malformed_json"));
    assert!(refusal(Format::Csv, b"").starts_with("invalid: header: is missing"));
    assert!(refusal(Format::Csv, b"question,answer\n").contains("'answer'"));
    assert!(refusal(Format::Csv, b"question,question\n").contains("twice"));
    assert!(refusal(Format::Csv, b"question\n").contains("content"));
    assert!(refusal(Format::Csv, b"\"question,content\n").contains("never closed"));
    let many = "{}\n".repeat(MAX_ROWS + 1);
    assert!(refusal(Format::Jsonl, many.as_bytes()).contains("5000 rows"));
    assert_eq!(read(Format::Jsonl, b"").unwrap(), Read::default());
}

#[test]
fn a_mark_of_the_byte_order_is_no_part_of_the_header() {
    let read = read(Format::Csv, "\u{feff}Question,CONTENT\nq,c\n".as_bytes()).unwrap();
    assert_eq!((read.rows.len(), read.faults), (1, vec![]));
}

#[test]
fn formats_are_known_by_their_content_types() {
    let known = ["application/json; charset=utf-8", "application/x-ndjson", "Text/CSV", "text/plain", ""];
    let formats = known.map(Format::of_content_type);
    assert_eq!(formats, [Some(Format::Json), Some(Format::Jsonl), Some(Format::Csv), None, None]);
    for format in FORMATS {
        assert_eq!(Format::of_content_type(format.content_type()), Some(format));
    }
    assert!(matches!(read(Format::Json, b"\xff"), Err(ApiError::Invalid(_))));
}
