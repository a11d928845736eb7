//! The listeners: each hears every third reply of its user aloud, sentence by sentence, while it is written, from
//! whichever server answers.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use tokio::time::sleep;
use troupe_core::wav::Wav;
use troupe_tests::{Client, speaker::sound_of};

use crate::{ledger::Entry, load::Stage};

const EVERY: usize = 3;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A reply as it was heard.
#[derive(Debug)]
pub(crate) struct Listened {
    pub(crate) request: String,
    pub(crate) sounds: Vec<Wav>,
}

/// Listens until everything is settled and heard.
pub(crate) async fn listen(stage: Arc<Stage>, client: Client, user: usize, mut random: fastrand::Rng) -> Vec<Listened> {
    let (mut said, mut settled) = (stage.said.subscribe(), stage.settled.subscribe());
    let (mut seen, mut listened) = (0, Vec::new());
    loop {
        // Before what is new is looked at: what comes after is none.
        let over = settled.borrow_and_update().is_some();
        let new: Vec<_> = said.borrow_and_update()[seen..].to_vec();
        for message in new {
            seen += 1;
            let request = message.accepted.map(|(request, _)| request).filter(|_| message.user == user);
            if let Some(request) = request.filter(|_| seen % EVERY == 0) {
                listened.push(hear(&stage, &client, request, &mut random).await);
            }
        }
        if over {
            return listened;
        }
        tokio::select! {
            _ = said.changed() => {}
            _ = settled.changed() => {}
        }
    }
}

/// One sentence after the other, until there is none; whatever fails is asked for again.
async fn hear(stage: &Stage, client: &Client, request: String, random: &mut fastrand::Rng) -> Listened {
    let mut sounds = Vec::new();
    loop {
        let path = format!("/api/v1/requests/{request}/speech/{}?wait=2", sounds.len() + 1);
        let server = client.at(&stage.any_server(random));
        let answer = server.call(Method::GET, &path).timeout(ANSWER_TIMEOUT).send().await;
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        match (status, answer) {
            (200, Ok(answer)) => {
                if let Ok(bytes) = answer.bytes().await {
                    sounds.push(Wav::parse(&bytes).expect("a sound"));
                }
            }
            (204, _) => return Listened { request, sounds },
            (202, _) => {}
            _ => sleep(Duration::from_millis(random.u64(20..200))).await,
        }
    }
}

impl Listened {
    /// What is wrong with it, if anything is; `sentences` are those of the whole reply.
    pub(crate) fn fault(&self, entry: &Entry, sentences: &[String]) -> Option<String> {
        let expected: Vec<_> = sentences.iter().map(|sentence| sound_of(sentence)).collect();
        (self.sounds != expected).then(|| {
            let lengths: Vec<_> = self.sounds.iter().map(Wav::duration).collect();
            format!("{} “{}” was heard as {lengths:?}, and is {sentences:?}", entry.id, entry.question)
        })
    }
}
