use proptest::prelude::*;

use super::extract;

#[test]
fn plain_statements_are_taken_as_they_were_said() {
    for (said, facts) in [
        ("My name is Ada.", &["My name is Ada"][..]),
        ("hi, my name's Ada Lovelace, nice to meet you!", &["My name's Ada Lovelace"]),
        ("Please call me Bob", &["Call me Bob"]),
        ("You can call me Al.", &["You can call me Al"]),
        ("I live in St. Louis now.", &["I live in St. Louis now"]),
        ("i’m originally from Porto :)", &["I’m originally from Porto"]),
        ("I was born in 1984 and I grew up on a farm.", &["I was born in 1984", "I grew up on a farm"]),
        ("I work as a nurse, and my wife is a baker.", &["I work as a nurse", "My wife is a baker"]),
        ("I like tea, coffee and dark chocolate", &["I like tea, coffee and dark chocolate"]),
        ("I'm allergic to nuts, so please suggest something else.", &["I'm allergic to nuts"]),
        ("I have two children and a dog.", &["I have two children and a dog"]),
        ("I've got a cat! My cat's called Mog.", &["I've got a cat", "My cat's called Mog"]),
        ("I am 34 years old and I'm a teacher.", &["I am 34 years old", "I'm a teacher"]),
        ("I'm vegan btw", &["I'm vegan"]),
        ("My favourite colour is green.", &["My favourite colour is green"]),
        ("My birthday is on 3 May, by the way.", &["My birthday is on 3 May"]),
        ("My favourite book is \"Dune\".", &["My favourite book is \"Dune\""]),
        ("Remember that the alarm code is on the fridge.", &["The alarm code is on the fridge"]),
        ("Please don't forget that I leave on Monday", &["I leave on Monday"]),
        ("remember: my sister's name is Eve", &["My sister's name is Eve"]),
        ("By the way, I love sailing — it's the wind.", &["I love sailing — it's the wind"]),
        ("- I live alone\n- I have a garden", &["I live alone", "I have a garden"]),
        ("I live in Łódź 🌊 and my dog is Żubr.", &["I live in Łódź 🌊", "My dog is Żubr"]),
    ] {
        assert_eq!(extract(said), facts, "{said}");
    }
}

#[test]
fn a_negation_stays_in_what_was_said() {
    for (said, fact) in [
        ("I don't like rain.", "I don't like rain"),
        ("I do not eat meat", "I do not eat meat"),
        ("I'm not a doctor.", "I'm not a doctor"),
        ("I no longer live in Paris.", "I no longer live in Paris"),
        ("I never drink wine", "I never drink wine"),
        ("My name is not Bob.", "My name is not Bob"),
        ("I have no children.", "I have no children"),
        ("I can't stand coriander", "I can't stand coriander"),
        ("Don't call me Bobby.", "Don't call me Bobby"),
        ("I am not from here, I'm from Rome", "I'm from Rome"),
    ] {
        assert_eq!(extract(said), [fact], "{said}");
    }
}

#[test]
fn a_statement_before_a_question_counts_and_a_question_does_not() {
    for (said, facts) in [
        ("I'm vegetarian, what can I cook?", &["I'm vegetarian"][..]),
        ("I live in Oslo and how far is Bergen?", &["I live in Oslo"]),
        ("I like tea, don't you?", &["I like tea"]),
        ("I have a dog. Do you have one?", &["I have a dog"]),
        ("Do I like tea?", &[]),
        ("Is my name Bob?", &[]),
        ("My name is Bob?", &[]),
        ("Do you remember that I live in Oslo?", &[]),
        ("What if my name is Bob, would you mind?", &[]),
        ("Do you think I like tea", &[]),
        ("Guess where I live", &[]),
    ] {
        assert_eq!(extract(said), facts, "{said}");
    }
}

#[test]
fn what_others_say_and_what_is_only_supposed_is_no_fact() {
    for said in [
        "She said \"I live in Paris\".",
        "'My name is Bob,' he said.",
        "“I like tea” is a sentence.",
        "> My name is Bob\n> I live in Paris",
        "```\nmy name is Bob\n```",
        "He told me: I like tea",
        "My brother says I like tea.",
        "She said, I am a doctor",
        "If I live in Paris, I like rain.",
        "Imagine my name is Bob.",
        "Suppose I have two dogs",
        "In my novel, I am a pirate.",
        "Translate this: my name is Bob",
        "Please translate the following.\nMy name is Bob.",
        "I wish I had a dog",
        "I would like a dog.",
        "I'd like to live in Paris",
        "I think I like tea",
        "I'm not sure I live in Paris",
        "It is not true that I like tea.",
        "Maybe I have a dog",
    ] {
        assert_eq!(extract(said), [] as [&str; 0], "{said}");
    }
}

#[test]
fn what_means_nothing_by_itself_is_left() {
    for said in [
        "I like it.",
        "I love you!",
        "I like that idea",
        "I like what you said",
        "I like the idea of it",
        "I hate when this happens",
        "I have a question.",
        "I have a quick question about bread",
        "I have no idea",
        "I'm a bit tired",
        "I am a little late",
        "Call me back",
        "Call me when you know",
        "Remember that time we met?",
        "Remember that summer.",
        "Remember to buy bread",
        "I work on it",
        "Hello there",
        "",
        "?",
        "My brother and my sister are teachers",
    ] {
        assert_eq!(extract(said), [] as [&str; 0], "{said}");
    }
}

#[test]
fn a_message_tells_only_so_much() {
    let many = (0..30).map(|n| format!("I like thing {n}.")).collect::<Vec<_>>().join(" ");
    assert_eq!(extract(&many).len(), 10);
    assert_eq!(extract("I like tea. I LIKE TEA!"), ["I like tea"]);
    assert_eq!(extract(&format!("I like {}", "x".repeat(400))), [] as [&str; 0]);
    assert_eq!(extract(&format!("I like tea. {}", "word ".repeat(1_000))), [] as [&str; 0], "a text from elsewhere");
}

proptest! {
    #[test]
    fn any_message_can_be_read(text in "(\\PC|\n|\"|'|“|”|‘|’|`|>|I like |my name is |, and |🌊|\\?|\\. ){0,60}") {
        for fact in extract(&text) {
            prop_assert!(fact.chars().count() <= 300 && !fact.contains('\n'), "{fact}");
            // Nothing is made up.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            prop_assert!(words.contains(&fact.to_lowercase()), "{fact}");
        }
    }

    #[test]
    fn what_is_quoted_is_never_a_fact(name in "[A-Z][a-z]{2,8}", mark in 0..4_usize) {
        let (open, close) = [("\"", "\""), ("“", "”"), ("«", "»"), ("`", "`")][mark];
        prop_assert_eq!(extract(&format!("Well: {open}My name is {name}.{close} So.")), Vec::<String>::new());
    }
}
