use proptest::prelude::*;

use super::*;
use crate::knowledge::cut::pieces::weight_of;

fn tokens(text: &str) -> usize {
    text.chars().map(weight_of).sum::<usize>() / TOKEN
}

/// A sentence of about so many tokens, with a number to tell it by.
fn sentence(number: usize, tokens: usize) -> String {
    format!("Sentence {number} {}.", "lamp ".repeat(tokens.saturating_sub(4) * 4 / 5).trim_end())
}

fn headed(sections: &[(u8, &str, &str)]) -> (String, Vec<Mark>) {
    let (mut text, mut outline) = (String::new(), Vec::new());
    for (level, heading, words) in sections {
        let at = text.len();
        outline.push(Mark::Heading { at, end: at + heading.len(), level: *level });
        text.extend([heading, "\n\n", words, "\n\n"]);
    }
    (text, outline)
}

#[test]
fn a_short_text_is_one_passage() {
    let passages = cut("document 1", "  The lamp was lit at dusk.\n", &[]);
    assert_eq!(passages.len(), 1);
    assert_eq!(passages[0].content, "The lamp was lit at dusk.");
    assert_eq!(passages[0].place, PassageLocation { headings: vec![], page: None, start: 2, end: 27 });
}

#[test]
fn nothing_readable_gives_no_passage() {
    for text in ["", " \n\n ", "***", "—\n\n…\n\n!!!"] {
        assert_eq!(cut("document 1", text, &[]), []);
    }
}

#[test]
fn passages_end_with_paragraphs_once_they_are_long_enough() {
    let paragraphs: Vec<_> = (0..6).map(|n| format!("{} {}", sentence(n, 60), sentence(n + 100, 60))).collect();
    let passages = cut("document 1", &paragraphs.join("\n\n"), &[]);
    // Two paragraphs are 240 tokens: enough. Each passage after the first begins with the sentence before it.
    let begin: Vec<_> = passages.iter().map(|p| p.content.split_whitespace().nth(1).unwrap().to_owned()).collect();
    assert_eq!(begin, ["0", "101", "103"]);
    assert!(passages[0].content.ends_with(&paragraphs[1]), "{}", passages[0].content);
    assert!(passages[2].content.ends_with(&paragraphs[5]), "{}", passages[2].content);
}

#[test]
fn a_heading_parts_and_nothing_goes_over_it() {
    let long = |from: usize| (from..from + 4).map(|n| sentence(n, 40)).collect::<Vec<_>>().join(" ");
    let (first, second, third) = (long(0), long(10), long(20));
    let (text, outline) = headed(&[
        (1, "The lighthouse", &first),
        (2, "The lamp", &second),
        (1, "The sea", &third),
        (2, "Tides", "High and low."),
    ]);
    let passages = cut("document 1", &text, &outline);
    let told: Vec<_> =
        passages.iter().map(|p| (p.place.headings.join(" / "), p.content.lines().next().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("The lighthouse".to_owned(), "The lighthouse"),
            ("The lighthouse / The lamp".to_owned(), "The lamp"),
            ("The sea".to_owned(), "The sea"),
            ("The sea / Tides".to_owned(), "Tides"),
        ]
    );
    assert!(!passages[1].content.contains("Sentence 3 "));
}

#[test]
fn short_sections_go_together() {
    let (text, outline) = headed(&[(2, "Name", "Ada."), (2, "Age", "Nineteen."), (2, "Home", "A lighthouse.")]);
    let passages = cut("document 1", &text, &outline);
    assert_eq!(passages.len(), 1);
    assert_eq!(passages[0].place.headings, ["Name"]);
}

#[test]
fn the_page_is_that_of_the_beginning() {
    let pages: Vec<_> = (0..3).map(|n| sentence(n, 110)).collect();
    let text = pages.join("\n\n");
    let starts = [0, pages[0].len() + 2, pages[0].len() + pages[1].len() + 4];
    let outline: Vec<_> = (1..).zip(starts).map(|(number, at)| Mark::Page { at, number }).collect();
    let passages = cut("document 1", &text, &outline);
    let told: Vec<_> = passages.iter().map(|p| p.place.page).collect();
    assert_eq!(told, [Some(1), Some(3)], "the end of a page parts nothing");
}

#[test]
fn an_endless_word_is_cut_by_characters() {
    for letter in ["a", "é", "灯"] {
        let word = letter.repeat(100_000);
        let passages = cut("document 1", &word, &[]);
        assert!(passages.iter().all(|passage| tokens(&passage.content) <= 350));
        let together: String = passages.iter().map(|passage| passage.content.as_str()).collect();
        assert!(together == word, "something of {letter} is lost");
        let all_but_last = &passages[..passages.len() - 1];
        assert!(all_but_last.iter().all(|passage| tokens(&passage.content) >= 200), "{letter}: cut too small");
    }
}

#[test]
fn sentences_are_known_in_other_scripts() {
    let text = "灯台の光は夜に見える。".repeat(200);
    let passages = cut("document 1", &text, &[]);
    assert!(passages.len() > 1);
    assert!(passages.iter().all(|passage| passage.content.ends_with('。') && passage.content.starts_with('灯')));
}

#[test]
fn the_same_passage_keeps_its_id_and_no_other_has_it() {
    let text = (0..40).map(|n| sentence(n, 40)).collect::<Vec<_>>().join(" ");
    let passages = cut("document 1", &text, &[]);
    assert_eq!(passages, cut("document 1", &text, &[]));
    let longer = cut("document 1", &format!("{text} And one more."), &[]);
    assert_eq!(passages[..passages.len() - 1], longer[..passages.len() - 1]);
    let ids: std::collections::BTreeSet<_> = passages.iter().map(|passage| passage.id).collect();
    assert_eq!(ids.len(), passages.len());
    assert!(cut("document 2", &text, &[]).iter().all(|passage| !ids.contains(&passage.id)));
}

/// Texts of words, marks, spaces and lines of all kinds, some of them much too long.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[a-zA-Z]{1,12}",
        2 => "[.!?…。！)\"”]{1,3}",
        4 => Just(" ".to_owned()),
        2 => Just("\n\n".to_owned()),
        1 => "\\PC{0,20}",
        1 => "[ \t\n]{0,300}",
        1 => (1..3_000_usize).prop_map(|n| "x".repeat(n)),
        1 => (1..2_000_usize).prop_map(|n| "灯".repeat(n)),
        1 => (1..60_usize).prop_map(|n| "The lamp was lit, and the sea was dark. ".repeat(n)),
    ];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn outlines(text: &str, at: &[usize]) -> Vec<Mark> {
    let mut outline: Vec<_> = at
        .iter()
        .map(|at| text.floor_char_boundary(at % (text.len() + 1)))
        .map(|at| match at % 3 {
            0 => Mark::Page { at, number: at as u32 },
            level => Mark::Heading { at, end: text.floor_char_boundary(at + 10), level: level as u8 },
        })
        .collect();
    outline.sort_by_key(super::at);
    outline
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_too_long(text in texts(), at in proptest::collection::vec(any::<usize>(), 0..8)) {
        let outline = outlines(&text, &at);
        let passages = cut("document 1", &text, &outline);
        let letters: Vec<char> = text.chars().collect();
        let mut covered = vec![false; letters.len()];
        for (number, passage) in passages.iter().enumerate() {
            let (start, end) = (passage.place.start as usize, passage.place.end as usize);
            prop_assert_eq!(passage.ordinal as usize, number);
            prop_assert_eq!(&passage.content, &letters[start..end].iter().collect::<String>());
            prop_assert!(tokens(&passage.content) <= 350, "{} tokens", tokens(&passage.content));
            prop_assert_eq!(passage.content.trim(), passage.content.as_str());
            prop_assert!(passage.content.chars().any(char::is_alphanumeric));
            covered[start..end].fill(true);
        }
        for (letter, covered) in letters.iter().zip(covered) {
            prop_assert!(covered || !letter.is_alphanumeric(), "{letter:?} is in no passage");
        }
        prop_assert_eq!(passages, cut("document 1", &text, &outline));
    }

    #[test]
    fn passages_are_not_short_without_need(text in texts()) {
        let passages = cut("document 1", &text, &[]);
        for pair in passages.windows(2) {
            let gap: String = text.chars().take(pair[1].place.start as usize).skip(pair[0].place.end as usize).collect();
            let anew = tokens(&gap) >= 20;
            prop_assert!(anew || tokens(&pair[0].content) >= 199, "{} tokens: {:?}", tokens(&pair[0].content), pair[0].content);
        }
    }
}
