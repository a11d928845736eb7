//! Properties of the streams of every format, however the network cuts them and wherever they break off.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use troupe_core::model::{Usage, providers::Outcome};

use crate::providers::{
    chat_model::{Chunk, FinishReason},
    failure::Failure,
    formats::test_support::{Format, chunks_of},
};

/// A stream as it is sent, and its chunks.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
}

/// The style in which a service writes its events.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own that services have or lack")]
struct Style {
    line_end: &'static str,
    space: bool,
    mark: bool,
    comments: bool,
    done: bool,
}

fn style() -> impl Strategy<Value = Style> {
    let line_end = select(vec!["\n", "\r\n", "\r"]);
    (line_end, any::<[bool; 4]>()).prop_map(|(line_end, [space, mark, comments, done])| Style {
        line_end,
        space,
        mark,
        comments,
        done,
    })
}

impl Style {
    fn write(&self, events: &[(&str, Value)]) -> Vec<u8> {
        let end = self.line_end;
        let space = if self.space { " " } else { "" };
        let mut written = Vec::from(if self.mark { "\u{feff}" } else { "" });
        let mut write = |line: String| written.extend([line.as_bytes(), end.as_bytes()].concat());
        for (kind, event) in events {
            if self.comments {
                write(format!(": awake 🌊{end}"));
            }
            if !kind.is_empty() {
                write(format!("event:{space}{kind}"));
            }
            write(format!("data:{space}{event}{end}"));
        }
        written
    }
}

const USAGE: Usage = Usage { prompt_tokens: 9, completion_tokens: 4, estimated: false };

fn openai() -> impl Strategy<Value = Sent> {
    let reasons = vec![
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ];
    (vec(".{0,12}", 0..8), select(reasons), style()).prop_map(|(texts, (name, reason), style)| {
        let delta = |delta: Value| ("", json!({"choices": [{"delta": delta, "finish_reason": null}], "usage": null}));
        let mut events = vec![delta(json!({"role": "assistant", "content": null}))];
        events.extend(texts.iter().map(|text| delta(json!({"content": text, "surprise": [text]}))));
        events.push(("", json!({"choices": [{"delta": {}, "finish_reason": name}]})));
        events.push(("", json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})));
        let mut bytes = style.write(&events);
        if style.done {
            bytes.extend(format!("data: [DONE]{0}{0}", style.line_end).into_bytes());
        }
        Sent { bytes, chunks: chunks(&texts, &[], Some(USAGE), reason) }
    })
}

fn anthropic() -> impl Strategy<Value = Sent> {
    let reasons = vec![
        ("end_turn", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
    ];
    (vec(".{0,12}", 0..8), select(reasons), style()).prop_map(|(texts, (name, reason), style)| {
        let delta =
            |delta: Value| ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta}));
        let usage = json!({"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": null});
        let mut events = vec![
            ("message_start", json!({"type": "message_start", "message": {"content": [], "usage": usage}})),
            (
                "content_block_start",
                json!({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
            ),
            ("ping", json!({"type": "ping"})),
            delta(json!({"type": "thinking_delta", "thinking": "hm"})),
        ];
        events.extend(texts.iter().map(|text| delta(json!({"type": "text_delta", "text": text}))));
        let stopped = json!({"delta": {"stop_reason": name, "stop_sequence": null}, "usage": {"output_tokens": 4}});
        events.push(("message_delta", stopped));
        events.push(("message_stop", json!({"type": "message_stop"})));
        let partial = Usage { completion_tokens: 1, ..USAGE };
        Sent { bytes: style.write(&events), chunks: chunks(&texts, &[Chunk::Usage(partial)], Some(USAGE), reason) }
    })
}

fn json_answer() -> impl Strategy<Value = Sent> {
    ".{0,40}".prop_map(|text| {
        let answer = json!({"reply": text, "usage": {"input_tokens": 9, "output_tokens": 4}, "surprise": null});
        Sent { bytes: answer.to_string().into_bytes(), chunks: chunks(&[text], &[], Some(USAGE), FinishReason::Stop) }
    })
}

fn chunks(texts: &[String], before: &[Chunk], usage: Option<Usage>, reason: FinishReason) -> Vec<Chunk> {
    let texts = texts.iter().filter(|text| !text.is_empty()).cloned().map(Chunk::Text);
    before.iter().cloned().chain(texts).chain(usage.map(Chunk::Usage)).chain([Chunk::End(reason)]).collect()
}

fn any_format() -> impl Strategy<Value = (Format, Sent)> {
    prop_oneof![
        openai().prop_map(|sent| (Format::OpenAi, sent)),
        anthropic().prop_map(|sent| (Format::Anthropic, sent)),
        json_answer().prop_map(|sent| (Format::Json, sent)),
    ]
}

fn comparable(chunks: Vec<Result<Chunk, Failure>>) -> Vec<Result<Chunk, (Outcome, String)>> {
    chunks.into_iter().map(|chunk| chunk.map_err(|failure| (failure.outcome, failure.message))).collect()
}

/// Bytes that look like a stream of some kind, or like nothing at all.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "data:",
        "data: ",
        "event: error",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        ":",
        "\u{feff}",
        "{}",
        "[",
        "]",
        "null",
        "[DONE]",
        "id: 1",
        r#"{"choices":null}"#,
        r#"{"choices":[{"delta":null,"finish_reason":7}],"usage":[]}"#,
        r#"{"error":{}}"#,
        r#"{"choices":[{"delta":{"content":"x"}}],"error":false}"#,
        r#"{"type":"content_block_delta","delta":null}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#,
        r#"{"type":"ping"}"#,
        "\"",
        "7e999",
    ];
    let piece = prop_oneof![
        3 => select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_stream_says_the_same_however_it_is_cut(
        (format, sent) in any_format(),
        cuts in vec(any::<usize>(), 0..40),
    ) {
        let expected: Vec<_> = sent.chunks.into_iter().map(Ok).collect();
        prop_assert_eq!(comparable(chunks_of(format, &sent.bytes, &cuts, "")), expected);
    }

    #[test]
    fn a_stream_that_breaks_off_says_a_part_of_it_and_no_end_of_its_own(
        (format, sent) in any_format(),
        length in any::<proptest::sample::Index>(),
        cuts in vec(any::<usize>(), 0..10),
    ) {
        let part = &sent.bytes[..length.index(sent.bytes.len() + 1)];
        let part_chunks = comparable(chunks_of(format, part, &cuts, ""));
        let end = sent.chunks.last();
        let texts = part_chunks.iter().flatten().filter(|chunk| !matches!(chunk, Chunk::End(_)));
        prop_assert!(texts.zip(&sent.chunks).all(|(part, whole)| part == whole), "{part_chunks:?}");
        let ended = part_chunks.iter().flatten().find(|chunk| matches!(chunk, Chunk::End(_)));
        prop_assert!(ended.is_none() || ended == end, "{part_chunks:?}");
        let reason_given = match format {
            Format::OpenAi => String::from_utf8_lossy(part).contains(r#"finish_reason":""#),
            Format::Anthropic => String::from_utf8_lossy(part).contains(r#"stop_reason":""#),
            Format::Json => part.len() == sent.bytes.len(),
        };
        prop_assert!(ended.is_none() || reason_given, "{part_chunks:?}");
    }

    #[test]
    fn noise_is_never_an_end_and_is_the_same_noise_however_it_is_cut(
        noise in noise(),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        for format in [Format::OpenAi, Format::Anthropic] {
            let whole = comparable(chunks_of(format, &noise, &[], ""));
            prop_assert!(!whole.iter().any(|chunk| matches!(chunk, Ok(Chunk::End(_)))), "{whole:?}");
            prop_assert_eq!(comparable(chunks_of(format, &noise, &cuts, "")), whole);
        }
        let whole = comparable(chunks_of(Format::Json, &noise, &[], ""));
        prop_assert_eq!(comparable(chunks_of(Format::Json, &noise, &cuts, "")), whole);
    }
}

/// The chunks of these events.
fn events(format: Format, events: &[&str]) -> Vec<Result<Chunk, (Outcome, String)>> {
    let bytes: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    comparable(chunks_of(format, bytes.concat().as_bytes(), &[], ""))
}

fn text(text: &str) -> Chunk {
    Chunk::Text(text.to_owned())
}

#[test]
fn nothing_where_something_is_due_costs_no_reply() {
    let openai = events(
        Format::OpenAi,
        &[
            r#"{"choices":null,"usage":null,"error":null,"object":null}"#,
            "",
            r#"{"choices":[{"delta":null,"finish_reason":null}],"error":{}}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"text","text":"The sea"}],"refusal":null}}]}"#,
            r#"{"choices":[{"delta":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":null}}"#,
        ],
    );
    assert_eq!(openai, [Ok(text("The sea")), Ok(Chunk::End(FinishReason::Stop))]);
    let anthropic = events(
        Format::Anthropic,
        &[
            r#"{"type":"message_start","message":null}"#,
            r#"{"type":"content_block_start","content_block":null}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"The sea"}}"#,
            r#"{"type":"something_new","delta":{"partial_json":"{"}}"#,
            r#"{"type":"message_delta","delta":null,"usage":null}"#,
            r#"{"type":"message_stop"}"#,
        ],
    );
    assert_eq!(anthropic, [Ok(text("The sea")), Ok(Chunk::End(FinishReason::Stop))]);
}

#[test]
fn a_service_that_declines_says_so() {
    let openai = events(
        Format::OpenAi,
        &[
            r#"{"choices":[{"delta":{"content":null,"refusal":"I cannot"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        ],
    );
    assert_eq!(openai, [Ok(text("I cannot")), Ok(Chunk::End(FinishReason::Refusal))]);
    let refusal = r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#;
    let text_event = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"I cannot"}}"#;
    assert_eq!(
        events(Format::Anthropic, &[text_event, refusal]),
        [Ok(text("I cannot")), Ok(Chunk::End(FinishReason::Refusal))]
    );
    assert_eq!(events(Format::Anthropic, &[refusal]), [Ok(Chunk::End(FinishReason::ContentFilter))]);
}

#[test]
fn an_error_inside_a_stream_is_the_last_of_it() {
    let outcome = |format, sent: &[&str]| events(format, sent).pop().map(|last| last.map_err(|(outcome, _)| outcome));
    let text_event = r#"{"choices":[{"delta":{"content":"The"}}]}"#;
    for (error, expected) in [
        (r#"{"error":{"message":"overloaded"}}"#, Outcome::Failed),
        (r#"{"error":{"code":"rate_limit_exceeded"}}"#, Outcome::RateLimited),
        (r#"{"object":"error","message":"the prompt is too long: 9000"}"#, Outcome::TooLong),
        (r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"gone"}}]}"#, Outcome::Failed),
        (r#"{"choices":"#, Outcome::Malformed),
    ] {
        assert_eq!(outcome(Format::OpenAi, &[text_event, error, text_event]), Some(Err(expected)), "{error}");
    }
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(outcome(Format::Anthropic, &[overloaded]), Some(Err(Outcome::Failed)));
    // What breaks after the end costs nothing.
    let stopped = r#"{"choices":[{"finish_reason":"stop"}]}"#;
    assert_eq!(outcome(Format::OpenAi, &[text_event, stopped, "nonsense"]), Some(Ok(Chunk::End(FinishReason::Stop))));
}

#[test]
fn an_answer_that_ends_in_the_middle_of_a_letter_was_cut() {
    let answer = [br#"{"reply":"The sea"}"#, &"🌊".as_bytes()[..2]].concat();
    let last = chunks_of(Format::Json, &answer, &[], "").pop().and_then(Result::err).map(|failure| failure.outcome);
    assert_eq!(last, Some(Outcome::Cut));
}

#[test]
fn a_flood_without_an_end_is_stopped() {
    let last =
        |format, flood: &[u8]| chunks_of(format, flood, &[], "").pop().and_then(Result::err).map(|last| last.outcome);
    let line = vec![b'x'; 2 * 1024 * 1024];
    assert_eq!(last(Format::OpenAi, &line), Some(Outcome::Malformed));
    assert_eq!(last(Format::Anthropic, &line), Some(Outcome::Malformed));
    let padding = "x".repeat(900_000);
    let events = format!("data: {{\"choices\":[],\"padding\":\"{padding}\"}}\n\n").repeat(20);
    assert_eq!(last(Format::OpenAi, events.as_bytes()), Some(Outcome::Malformed));
}
