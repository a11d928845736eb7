use std::time::Duration;

use chrono::TimeDelta;
use sqlx::types::Json;
use troupe_core::model::knowledge::PassageLocation;
use uuid::Uuid;

use super::*;

fn settings() -> Settings {
    Settings {
        passages: 6,
        max_tokens: 1_000,
        candidates: 30,
        timeout: Duration::from_millis(300),
        min_similarity: 0.2,
        half_life: None,
        response_weight: 1.0,
        document_weight: 1.0,
        vector_weight: 1.0,
    }
}

fn passage(n: u128, content: &str) -> Passage {
    Passage {
        id: PassageId::from(Uuid::from_u128(n)),
        content: content.to_owned(),
        place: Json(PassageLocation::default()),
        source_kind: SourceKind::Document,
        source_id: Uuid::nil(),
        created_at: DateTime::UNIX_EPOCH,
    }
}

/// The numbers of these passages in their order.
fn order(keyword: &[Passage], vector: &[Passage], settings: &Settings, age: TimeDelta) -> Vec<u128> {
    let vector = vector.iter().map(|passage| NearPassage { passage: passage.clone(), score: 0.5 });
    let ranked = fuse(keyword.to_vec(), vector.collect(), settings, DateTime::UNIX_EPOCH + age);
    numbers(&ranked)
}

fn numbers(ranked: &[Ranked]) -> Vec<u128> {
    ranked.iter().map(|ranked| ranked.passage.id.as_uuid().as_u128()).collect()
}

#[test]
fn what_both_found_comes_before_what_one_found_first() {
    let found = |numbers: [u128; 3]| numbers.map(|n| passage(n, "words"));
    let order = order(&found([5, 3, 2]), &found([4, 2, 3]), &settings(), TimeDelta::zero());
    assert_eq!(order, [3, 2, 5, 4], "of equal ones, those first that were found by their words");
}

#[test]
fn weights_and_age_count() {
    let answer = Passage { source_kind: SourceKind::Response, ..passage(2, "words") };
    let both = [passage(1, "words"), answer];
    let weighty = Settings { response_weight: 1.5, ..settings() };
    assert_eq!(order(&both, &[], &settings(), TimeDelta::zero()), [1, 2]);
    assert_eq!(order(&both, &[], &weighty, TimeDelta::zero()), [2, 1]);

    let newer = Passage { created_at: DateTime::UNIX_EPOCH + TimeDelta::days(30), ..passage(2, "words") };
    let both = [passage(1, "words"), newer];
    let fading = Settings { half_life: Some(Duration::from_hours(24 * 30)), ..settings() };
    let today = TimeDelta::days(30);
    assert_eq!(order(&both, &[], &settings(), today), [1, 2]);
    assert_eq!(order(&both, &[], &fading, today), [2, 1]);
}

/// The numbers of those that are chosen of these, in this order.
fn chosen(passages: Vec<Passage>, most: usize, settings: &Settings) -> Vec<u128> {
    let ranked = |passage| Ranked { passage, score: 1.0, ranks: Ranks::default() };
    numbers(&choose(passages.into_iter().map(ranked).collect(), most, settings))
}

#[test]
fn what_was_said_already_is_not_said_again() {
    let long = "The lamp has to be trimmed every four hours, or the ships will not see it in the fog.";
    let passages = vec![
        passage(1, long),
        passage(2, &long.to_uppercase().replace(',', " -")),
        passage(3, "or the ships will not see it in the fog"),
        passage(4, "The lamp is large. Ships see it from afar, but not in the fog."),
        passage(5, "Yes."),
        passage(6, "yes"),
        passage(7, "No."),
    ];
    assert_eq!(chosen(passages, 9, &settings()), [1, 4, 5, 7]);
}

#[test]
fn no_more_is_told_than_wanted_and_what_is_too_long_makes_room_for_the_next() {
    let word = |n: u128, words: usize| passage(n, &format!("{n} ").repeat(words));
    let passages = || vec![word(1, 100), word(2, 2_000), word(3, 100), word(4, 100)];
    assert_eq!(chosen(passages(), 2, &settings()), [1, 3]);
    let few = Settings { max_tokens: 120, ..settings() };
    assert_eq!(chosen(passages(), 9, &few), [1, 3]);
}
