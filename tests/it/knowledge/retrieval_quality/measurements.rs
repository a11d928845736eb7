//! What docs/KNOWLEDGE.md says of the local embedder besides: how alike it finds what belongs together and what does
//! not, and how long it takes. Nothing is judged.

use std::{sync::Arc, time::Instant};

use troupe_core::{adapters::embedders, clock::SystemClock, config::Live, lifecycle::Tasks};

use super::{Library, Local, Quality, SETS, five_languages::UNANSWERED, person};

const PASSAGES: usize = 1_000;
const PASSAGE_WORDS: usize = 100;
const QUERY_ROUNDS: usize = 5;
const THRESHOLDS: [f32; 9] = [0.0, 0.76, 0.78, 0.79, 0.80, 0.81, 0.82, 0.84, 0.86];

#[tokio::test]
#[ignore = "it prints tables and judges nothing"]
async fn which_similarity_parts_what_is_right_from_what_is_not() {
    let Some(local) = Local::start().await else { return };
    for set in &SETS {
        let mut library = Library::new(&local.cluster, set, (0.0, 1.0)).await;
        let (mut right_scores, mut wrong_scores, mut best_unanswered) = (Vec::new(), Vec::new(), Vec::new());
        for (question, right) in set.questions {
            for near in library.near(question, set.answers.len()).await {
                let is_right = right.contains(&library.place(&near.passage));
                let scores = if is_right { &mut right_scores } else { &mut wrong_scores };
                scores.push(near.score);
            }
        }
        let mut unanswered = Vec::new();
        for question in UNANSWERED {
            let scores: Vec<f32> =
                library.near(question, set.answers.len()).await.iter().map(|near| near.score).collect();
            best_unanswered.push(scores[0]);
            unanswered.extend(scores);
        }
        eprintln!("{}: similarity of", set.title);
        for (what, scores) in [
            ("right passages", &mut right_scores),
            ("others", &mut wrong_scores),
            ("the best to what has no answer", &mut best_unanswered),
        ] {
            scores.sort_by(f32::total_cmp);
            let quantiles = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0].map(|share| quantile(scores, share));
            eprintln!("  {what}: {quantiles:.3?}");
        }
        eprintln!("| {} | right kept | others | without an answer | recall@5 | MRR |", set.title);
        for threshold in THRESHOLDS {
            let share = |scores: &[f32]| scores.iter().filter(|score| **score >= threshold).count() as f64;
            library.retriever.settings.min_similarity = threshold;
            let mut found = Vec::new();
            for (question, _) in set.questions {
                found.push(library.together(question).await);
            }
            let Quality { recall, reciprocal_rank } = Quality::of(set, &found);
            eprintln!(
                "| {threshold:.2} | {:.3} | {:.1} | {:.1} | {recall:.3} | {reciprocal_rank:.3} |",
                share(&right_scores) / right_scores.len() as f64,
                share(&wrong_scores) / set.questions.len() as f64,
                share(&unanswered) / UNANSWERED.len() as f64,
            );
        }
    }
}

fn quantile(sorted: &[f32], share: f64) -> f32 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[tokio::test]
#[ignore = "a measurement of some minutes"]
async fn how_long_the_local_embedder_takes() {
    let Some(local) = Local::start().await else { return };
    let live = Live::fixed(local.cluster.config());
    let embedder = embedders::from_config(&live, Arc::new(SystemClock), &Tasks::default()).unwrap();
    let mut queries = Vec::new();
    for round in 0..QUERY_ROUNDS {
        for (question, _) in SETS.iter().flat_map(|set| set.questions) {
            // Others in each round, for what remembers them.
            let question = format!("{question} {round}");
            let began = Instant::now();
            embedder.embed_queries(&[question]).await.unwrap();
            queries.push(began.elapsed());
        }
    }
    queries.sort();
    let at = |share: usize| queries[(queries.len() - 1) * share / 100];
    eprintln!("{} queries, one after the other: p50 {:?}, p99 {:?}", queries.len(), at(50), at(99));

    let words: Vec<_> = person::ANSWERS.iter().flat_map(|(_, answer)| answer.split(' ')).collect();
    let passage = |number: usize| words.iter().cycle().skip(number).take(PASSAGE_WORDS).copied().collect::<Vec<_>>();
    let passages: Vec<_> = (0..PASSAGES).map(|number| passage(number).join(" ")).collect();
    let began = Instant::now();
    for batch in passages.chunks(embedder.batch()) {
        embedder.embed(batch).await.unwrap();
    }
    eprintln!("{PASSAGES} passages of {PASSAGE_WORDS} words: {:?}", began.elapsed());
}
