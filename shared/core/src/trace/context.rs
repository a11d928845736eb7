//! What passes between processes: the `traceparent` of W3C Trace Context.

use std::{fmt, str::FromStr};

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

/// A span of another process, or of another time, whose children are to be recorded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    pub trace: TraceId,
    pub span: SpanId,
    pub sampled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct BadTraceParent;

impl TraceId {
    pub(super) fn random() -> Self {
        Self(fastrand::u128(1..))
    }
}

impl SpanId {
    pub(super) fn random() -> Self {
        Self(fastrand::u64(1..))
    }

    /// Of an attempt at a request: the same in every process, so that a later attempt can link to it.
    pub fn of_attempt(request: Uuid, attempt: u32) -> Self {
        // The second half of an id is random.
        Self(request.as_u64_pair().1 ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = BadTraceParent;

    /// Of this version and of later ones, which may have more fields.
    fn from_str(text: &str) -> Result<Self, BadTraceParent> {
        let mut fields = text.split('-');
        let mut field = |digits| hexadecimal(fields.next(), digits);
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let of_version_0 = version == 0;
        if trace == 0 || span == 0 || version == 0xff || (of_version_0 && fields.next().is_some()) {
            return Err(BadTraceParent);
        }
        Ok(Self { trace: TraceId(trace), span: SpanId(span as u64), sampled: flags & 1 == 1 })
    }
}

fn hexadecimal(field: Option<&str>, digits: usize) -> Result<u128, BadTraceParent> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let field = field.filter(|field| field.len() == digits && field.bytes().all(is_digit));
    field.and_then(|field| u128::from_str_radix(field, 16).ok()).ok_or(BadTraceParent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_written_as_it_was_read() {
        let parent: TraceParent = GIVEN.parse().unwrap();
        assert_eq!((parent.to_string().as_str(), parent.sampled), (GIVEN, true));
        assert!(!GIVEN.replace("-01", "-02").parse::<TraceParent>().unwrap().sampled);
        let later = format!("01{}-more", &GIVEN[2..]);
        assert_eq!(later.parse(), Ok(parent), "a later version may have more fields");
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zeros = GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let no_span = GIVEN.replace("00f067aa0ba902b7", &"0".repeat(16));
        let wrong = ["", "00", &GIVEN[..54], &GIVEN.to_uppercase(), &format!("{GIVEN}-more"), &zeros, &no_span];
        for text in wrong.into_iter().chain([GIVEN.replace("00-4b", "ff-4b").as_str(), &GIVEN.replace('4', "+")]) {
            assert_eq!(text.parse::<TraceParent>(), Err(BadTraceParent), "{text}");
        }
    }

    #[test]
    fn each_attempt_has_a_span_of_its_own() {
        let request = Uuid::from_u128(0x0197_0000_0000_7000_8000_1234_5678_9abc);
        let ids: Vec<_> = (1..=3).map(|attempt| SpanId::of_attempt(request, attempt).to_string()).collect();
        assert_eq!(ids[0], SpanId::of_attempt(request, 1).to_string());
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }
}
