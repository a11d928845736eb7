//! `Range`: a part of what is there, for players that seek.

use std::ops::Range;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// What a call asks for.
#[derive(Debug, PartialEq)]
enum Requested {
    Whole,
    Part(Range<usize>),
    /// A part that there is not.
    Beyond,
}

/// The whole, or the one part that was asked for. Several parts at once are answered with the whole.
pub(crate) fn respond(headers: &HeaderMap, tag: &str, content: Vec<u8>) -> Response {
    let accepts = [(header::ACCEPT_RANGES, "bytes")];
    let length = content.len();
    match requested(headers, tag, length) {
        Requested::Whole => (accepts, content).into_response(),
        Requested::Part(range) => {
            let place = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let part = Bytes::from(content).slice(range);
            (StatusCode::PARTIAL_CONTENT, accepts, [(header::CONTENT_RANGE, place)], part).into_response()
        }
        Requested::Beyond => {
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{length}"))]).into_response()
        }
    }
}

fn requested(headers: &HeaderMap, tag: &str, length: usize) -> Requested {
    let value = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if value(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Requested::Whole;
    }
    let bounds = value(header::RANGE).and_then(|range| range.strip_prefix("bytes=")?.trim().split_once('-'));
    let Some((first, last)) = bounds else { return Requested::Whole };
    let range = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Requested::Whole,
    };
    if range.start < range.end { Requested::Part(range) } else { Requested::Beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Requested {
        let headers = [(header::RANGE, range.parse().unwrap())].into_iter().collect();
        requested(&headers, "\"a\"", 100)
    }

    #[test]
    fn a_part_is_within_what_is_there() {
        for (range, part) in
            [("bytes=0-9", 0..10), ("bytes=90-", 90..100), ("bytes=-30", 70..100), ("bytes=5-999", 5..100)]
        {
            assert_eq!(asked(range), Requested::Part(part), "{range}");
        }
        for range in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(asked(range), Requested::Beyond, "{range}");
        }
        for range in ["bytes=0-1,5-6", "bytes=9-2", "lines=1-2", "bytes=", "bytes=x-y", "0-5"] {
            assert_eq!(asked(range), Requested::Whole, "{range}");
        }
    }

    #[test]
    fn a_part_of_something_else_is_the_whole() {
        let with = |tag: &str| {
            let range = (header::RANGE, "bytes=1-2".parse().unwrap());
            [range, (header::IF_RANGE, tag.parse().unwrap())].into_iter().collect::<HeaderMap>()
        };
        assert_eq!(requested(&with("\"b\""), "\"a\"", 100), Requested::Whole);
        assert_eq!(requested(&with("\"a\""), "\"a\"", 100), Requested::Part(1..3));
    }
}
