//! Holds every message against the database and against what each client saw.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde_json::Value;
use troupe_tests::{Transcript, socket::TextFrame, transcript::is_terminal};

use crate::{
    devices::{Habits, Session},
    ledger::Entry,
    listeners::Listened,
    load::Said,
    replies::{Manner, manner_of, reply_to},
};

/// What must never happen, and did.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Replies, ends or characters that somebody ought to have and has not.
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    /// Any other disagreement.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    pub(crate) fn assert_none(&self) {
        let all: Vec<_> = [("lost", &self.lost), ("doubled", &self.doubled), ("wrong", &self.wrong)]
            .into_iter()
            .flat_map(|(kind, findings)| findings.iter().map(move |finding| format!("{kind}: {finding}")))
            .collect();
        // Before the logs of all that ran, which are long.
        for finding in &all {
            println!("{finding}");
        }
        assert!(all.is_empty(), "{} findings", all.len());
    }

    /// Every message that was sent against what the database has.
    pub(crate) fn of_sending(&mut self, said: &[Said], ledger: &[Entry]) {
        let mut asked: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in ledger {
            asked.entry(&entry.question).or_default().push(entry);
        }
        for said in said {
            self.wrong
                .extend(said.unexpected.iter().map(|answer| format!("“{}” was answered {answer}", said.question)));
            let stored = asked.remove(&*said.question).unwrap_or_default();
            if let Some((request, _)) = &said.accepted
                && !stored.iter().any(|entry| entry.id == *request)
            {
                self.lost.push(format!("“{}” was accepted as {request} and is not stored", said.question));
            }
            // However often it was sent: each has an Idempotency-Key.
            if stored.len() > 1 {
                self.doubled.push(format!("“{}” is stored {} times", said.question, stored.len()));
            }
        }
        self.wrong.extend(asked.keys().map(|question| format!("“{question}” is stored, and nobody said it")));
    }

    /// Every request by itself, and in its conversation.
    pub(crate) fn of_ledger(&mut self, ledger: &[Entry]) {
        let mut newest_reply: HashMap<&str, i64> = HashMap::new();
        for entry in ledger {
            let what = format!("{} “{}”", entry.id, entry.question);
            let expected = if manner_of(&entry.question) == Manner::Refused { "failed" } else { "completed" };
            if !entry.is_final() {
                self.lost.push(format!("{what} is still {}", entry.status));
            } else if entry.status != expected {
                self.wrong.push(format!("{what} is {} and ought to be {expected}", entry.status));
            }
            if entry.recorded != i64::from(entry.attempt) {
                self.wrong.push(format!("{what}: {} attempts, {} records", entry.attempt, entry.recorded));
            }
            match (&*entry.replies, &*entry.status) {
                ([], "completed") => self.lost.push(format!("{what} is completed without a reply")),
                ([reply], "completed") if reply.content != reply_to(&entry.question) => {
                    self.wrong.push(format!("{what} was answered “{}”", reply.content));
                }
                ([], _) | ([_], "completed") => {}
                ([_], _) => self.wrong.push(format!("{what} is {} and has a reply", entry.status)),
                (several, _) => self.doubled.push(format!("{what} has {} replies", several.len())),
            }
            for reply in &entry.replies {
                let newest = newest_reply.entry(&entry.conversation).or_default();
                if reply.position < *newest {
                    self.wrong.push(format!("{what} was answered before an earlier message of its conversation"));
                }
                *newest = reply.position;
            }
        }
    }

    /// Everything that one socket heard.
    pub(crate) fn of_session(&mut self, session: &Session, user: &str, said: &[Said], ledger: &HashMap<&str, &Entry>) {
        let mut transcripts: HashMap<String, Transcript> = HashMap::new();
        let mut spoiled = HashSet::new();
        for TextFrame { json, text, .. } in &session.frames {
            if json["type"] == "hello" {
                transcripts
                    .values_mut()
                    .filter(|running| running.end.is_none())
                    .for_each(|running| _ = running.snapshot(json));
            }
            for request in named_in(json) {
                let Some(entry) = ledger.get(&*request).filter(|entry| entry.user == user) else {
                    self.wrong.push(format!("a socket of {user} heard of somebody else's {request}: {text}"));
                    continue;
                };
                let transcript = transcripts.entry(request.clone()).or_insert_with(|| Transcript::strict(&request));
                let breach = take_up(transcript, json, entry).err();
                if let Some(breach) = breach.filter(|_| spoiled.insert(request.clone())) {
                    let heard = heard_of(&request, &session.frames);
                    self.breach(is_terminal(json), format!("{request}: {breach}; the socket heard:\n{heard}"));
                }
            }
        }
        if session.to_the_end {
            for request in unheard(&session.frames, said) {
                let heard = heard_of(&request, &session.frames);
                self.lost.push(format!("a socket did not hear the end of {request}; it heard:\n{heard}"));
            }
        }
    }

    /// A reply that was heard aloud: every sentence once, in its order, as it is stored.
    pub(crate) fn of_listening(&mut self, listened: &Listened, entry: &Entry, sentences: &[String]) {
        self.wrong.extend(listened.fault(entry, sentences));
    }

    fn breach(&mut self, terminal: bool, breach: String) {
        let twice = breach.contains("an event after the end") || breach.contains("is followed by");
        let short = breach.contains("but the reply is");
        match (terminal, twice, short) {
            (_, true, _) => self.doubled.push(breach),
            (_, _, true) => self.lost.push(breach),
            _ => self.wrong.push(breach),
        }
    }

    /// What the API says of a request now, and its events from the beginning.
    pub(crate) fn of_polling(&mut self, entry: &Entry, polled: &Value, events: &[Value]) {
        let what = format!("{} “{}”", entry.id, entry.question);
        let reply = entry.replies.first();
        if polled["status"] != *entry.status
            || polled["attempt"] != entry.attempt
            || polled["reply"]["content"].as_str() != reply.map(|reply| &*reply.content)
        {
            self.wrong.push(format!("{what}: polled {polled}, stored {entry:?}"));
        }
        let mut transcript = Transcript::strict(&entry.id);
        for event in events {
            if let Err(breach) = take_up(&mut transcript, event, entry) {
                self.breach(is_terminal(event), format!("{what}, followed from the beginning: {breach}"));
                return;
            }
        }
        if transcript.end.is_none() {
            self.lost.push(format!("{what}: its events have no end: {events:?}"));
        }
    }
}

/// The requests that a frame tells of.
fn named_in(frame: &Value) -> Vec<String> {
    if frame["type"] == "hello" {
        let active = frame["active"].as_array().map(Vec::as_slice).unwrap_or_default();
        return active.iter().filter_map(|active| active["request_id"].as_str()).map(str::to_owned).collect();
    }
    let event = frame["cursor"].is_string();
    frame["request_id"].as_str().filter(|_| event).map(str::to_owned).into_iter().collect()
}

/// Takes a frame up as a client does. At every moment the text must be the beginning of the reply, and the end what is
/// stored.
fn take_up(transcript: &mut Transcript, frame: &Value, entry: &Entry) -> Result<(), String> {
    if frame["type"] == "hello" {
        if let Some(end) = &transcript.end {
            return Err(format!("it is running in a snapshot after its end {end}"));
        }
        transcript.snapshot(frame);
    } else {
        transcript.try_apply(frame)?;
    }
    let (shown, whole) = (&transcript.text, reply_to(&entry.question));
    if !whole.starts_with(shown.as_str()) {
        return Err(format!("“{shown}” is shown, but the reply is “{whole}”"));
    }
    let agrees = match frame["type"].as_str().unwrap_or_default() {
        "reply.completed" => {
            let stored = entry.replies.first().map(|reply| &*reply.id);
            entry.status == "completed" && frame["message"]["id"].as_str() == stored
        }
        "request.failed" => entry.status == "failed",
        "request.cancelled" => entry.status == "cancelled",
        _ => true,
    };
    if agrees { Ok(()) } else { Err(format!("{frame} is told, and stored is {entry:?}")) }
}

/// What a socket that is still open ought to have heard the end of, and has not: all that it heard of, and all that was
/// sent after its first hello, unless a further hello, which comes after a gap, no longer lists it: then clients look
/// it up.
pub(crate) fn unheard(frames: &[TextFrame], said: &[Said]) -> Vec<String> {
    let mut ended: HashMap<String, bool> = HashMap::new();
    let mut hellos: Vec<Instant> = Vec::new();
    for TextFrame { at, json, .. } in frames {
        if json["type"] == "hello" {
            hellos.push(*at);
        }
        for request in named_in(json) {
            *ended.entry(request).or_default() |= is_terminal(json);
        }
    }
    let after_hello = |sent: &Instant| hellos.first().is_some_and(|first| first < sent);
    let in_gap = |sent: &Instant| hellos.last().is_some_and(|last| last > sent);
    let sent = said.iter().filter_map(|said| said.accepted.as_ref());
    let unheard_of = sent
        .filter(|(request, at)| !ended.contains_key(request) && after_hello(at) && !in_gap(at))
        .map(|(request, _)| request.clone())
        .collect::<Vec<_>>();
    let unended = ended.into_iter().filter(|(_, ended)| !ended).map(|(request, _)| request);
    unended.chain(unheard_of).collect()
}

fn heard_of(request: &str, frames: &[TextFrame]) -> String {
    let frames = frames.iter().filter(|frame| frame.text.contains(request) || frame.json["type"] == "hello");
    frames.map(|frame| format!("    {}", frame.text)).collect::<Vec<_>>().join("\n")
}

/// The longest time, from a moment on, between two frames of a steady device that waited for something.
pub(crate) fn longest_silence(sessions: &[Session], since: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    let users: HashSet<_> = sessions.iter().map(|session| session.user).collect();
    for user in users {
        let frames = sessions.iter().filter(|s| s.user == user && s.habits == Habits::Steady).flat_map(|s| &s.frames);
        let (mut waiting, mut last): (HashSet<String>, Option<Instant>) = (HashSet::new(), None);
        for TextFrame { at, json, .. } in frames {
            if let Some(last) = last.filter(|last| *at > since && !waiting.is_empty() && *last < *at) {
                longest = longest.max(*at - last.max(since));
            }
            last = Some(*at);
            if json["type"] == "hello" {
                waiting.clear();
            }
            waiting.extend(named_in(json));
            if is_terminal(json)
                && let Some(request) = json["request_id"].as_str()
            {
                waiting.remove(request);
            }
        }
    }
    longest
}
