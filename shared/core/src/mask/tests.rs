use proptest::{prelude::*, string::string_regex};

use super::masked;

#[test]
fn secrets_of_known_shapes_are_found_wherever_they_stand() {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789";
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for secret in [
        format!("sk-{}", &letters[..20]),
        format!("sk-proj-{}_-x", &letters[..30]),
        format!("sk-ant-api03-{}", &letters[..30]),
        format!("xai-{letters}"),
        format!("ghp_{}", &letters[..36]),
        format!("github_pat_11{}_{}", &letters[..20], &letters[..40]),
        format!("glpat-{}", &letters[..20]),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("AIza{}", &letters[..35]),
        format!("xoxb-123456789012-{}", &letters[..24]),
        ["sk_li", "ve_4eC39HqLyjWDarjtT1zdp7dc"].concat(),
        format!("whsec_{}", &letters[..32]),
        format!("SG.{}.{}", &letters[..22], &letters[..43]),
        format!("npm_{}", &letters[..36]),
        format!("hf_{}", &letters[..34]),
        format!("dop_v1_{hex}"),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U".to_owned(),
    ] {
        assert_eq!(masked(&secret), "[masked]", "{secret}");
        assert_eq!(masked(&format!("Mine is \"{secret}\", keep it.")), "Mine is \"[masked]\", keep it.");
        assert_eq!(masked(&format!("x={secret}&y={secret}")), "x=[masked]&y=[masked]");
    }
}

#[test]
fn what_is_called_a_secret_is_one() {
    for (text, expected) in [
        ("Authorization: Bearer abcdef", "Authorization: Bearer [masked]"),
        ("curl -H 'Authorization: Basic dXNlcjpwYXNz' x", "curl -H 'Authorization: Basic [masked]' x"),
        ("send bearer 9f8e7d6c5b4a with it", "send bearer [masked] with it"),
        ("My password is hunter2.", "My password is [masked]."),
        ("password: p@ss,word", "password: [masked],word"),
        ("PASSWORD=correcthorse9", "PASSWORD=[masked]"),
        (r#"{"password": "hunter2", "user": "ada"}"#, r#"{"password": "[masked]", "user": "ada"}"#),
        ("**Password:** hunter2", "**Password:** [masked]"),
        ("secret: password: x1y2z3", "secret: password: [masked]"),
        ("The passcode is 4711", "The passcode is [masked]"),
        ("client_secret => s3cr3t", "client_secret => [masked]"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=[masked]"),
        ("the key for the door is 0123456789abcdef0123", "the key for the door is [masked]"),
        ("token: 550e8400-e29b-41d4-a716-446655440000", "token: [masked]"),
        ("api key\tQk2v9ZpL0xWm4TnR8sYd7A==", "api key\t[masked]"),
        ("postgres://ada:hunter@db.example.com/x", "postgres://ada:[masked]/x"),
        ("redis://:p@ss@cache:6379", "redis://:[masked]@cache:6379"),
    ] {
        assert_eq!(masked(text), expected);
    }
}

#[test]
fn private_keys_are_taken_out_whole_even_without_their_end() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----";
    assert_eq!(masked(&format!("Here:\n{key}\nthat was it")), "Here:\n[masked]\nthat was it");
    assert_eq!(masked(&format!("{key}\n{key}")), "[masked]\n[masked]");
    assert_eq!(masked(&key[..60]), "[masked]");
    assert_eq!(masked(&key.replace("RSA ", "").replace('\n', "\\n")), "[masked]");
    let public = "-----BEGIN PUBLIC KEY-----\nMFww\n-----END PUBLIC KEY-----";
    assert_eq!(masked(public), public);
}

#[test]
fn addresses_of_people_are_found_those_of_pages_are_not() {
    assert_eq!(masked("Write to <ada.l+x@mail.example.co.uk>!"), "Write to <[e-mail address]>!");
    assert_eq!(masked("a@b.de,c@d.org"), "[e-mail address],[e-mail address]");
    assert_eq!(masked("'jörg@müller.example'"), "'[e-mail address]'");
    for text in ["@ada said so", "see https://example.com/@ada", "me@home", "1 @ 2.50", "a @ b.de"] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn numbers_of_cards_are_found_by_their_sum() {
    for number in
        ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "3782 822463 10005", "30569309025904"]
    {
        assert_eq!(masked(number), "[card number]");
        assert_eq!(masked(&format!("In 2024 {number}, 12/29")), "In 2024 [card number], 12/29");
    }
    for text in [
        "4111 1111 1111 1112",
        "1732217483123 ms",
        "0000 0000 0000 0000",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
        "2024-11-21 19:31:23.000000",
        "978-3-16-148410-0",
        "123456789012345678901234567890",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "",
        "The key is understanding, and a token of my love was the standard bearer considerations.",
        "A basic understanding of the secret of bread: time.",
        "Your password is case-sensitive and must not be shared; password: required.",
        "My monkey whistles Donaudampfschifffahrtsgesellschaftskapitän.",
        "The key to the my-server-name-2024-prod cluster is patience.",
        "Commit 0123456789abcdef0123456789abcdef01234567 broke it.",
        "She bore id 550e8400-e29b-41d4-a716-446655440000.",
        "ask-me-anything-about-the-lighthouse, risk-averse-and-proud-of-it",
        "Der Schlüssel liegt unter der Matte 🗝️, 鍵は机の上です。",
        "The flag bearer 2024-2025 stood in the glass-house-with-a-view-of-the-sea.",
    ] {
        assert_eq!(masked(text), text);
    }
}

/// Secrets as they are made, each in a text of its own that calls it what it is where it must.
fn secret() -> impl Strategy<Value = (String, String)> {
    let shaped = |pattern: &str| string_regex(pattern).unwrap().prop_map(|secret| (secret.clone(), secret)).boxed();
    let named = |name: &'static str, pattern: &str| {
        let mixed = |s: &String| s.bytes().any(|b| b.is_ascii_digit()) && s.bytes().any(|b| b.is_ascii_alphabetic());
        let secret = string_regex(pattern).unwrap().prop_filter("without a digit it may be words", mixed);
        secret.prop_map(move |secret| (format!("{name}{secret}"), secret)).boxed()
    };
    prop_oneof![
        shaped("sk-(proj-|ant-api03-|)[A-Za-z0-9_-]{20,60}"),
        shaped("gh[opusr]_[A-Za-z0-9]{36}"),
        shaped("(AKIA|ASIA)[A-Z0-9]{16}"),
        shaped("AIza[A-Za-z0-9_-]{35}"),
        shaped("xox[bp]-[0-9]{12}-[A-Za-z0-9]{24}"),
        shaped("eyJ[A-Za-z0-9_-]{10,30}\\.eyJ[A-Za-z0-9_-]{10,60}\\.[A-Za-z0-9_-]{43}"),
        shaped("-----BEGIN (RSA |EC |OPENSSH |)PRIVATE KEY-----\n[A-Za-z0-9+/\n]{20,200}\n-----END PRIVATE KEY-----"),
        shaped("[a-z][a-z0-9.]{0,10}@[a-z0-9]{2,10}\\.(com|org|example)"),
        named("Authorization: Bearer ", "[A-Za-z0-9._~-]{12,60}"),
        named("password: ", "[A-Za-z0-9]{6,20}"),
        named("my key is ", "[a-f0-9]{32,64}"),
        named("API_TOKEN=", "[A-Za-z0-9+/]{40,64}"),
        string_regex("[3-6][0-9]{14}").unwrap().prop_map(|digits| {
            let check = (0..10).map(|digit| format!("{digits}{digit}")).find(|number| luhn(number)).unwrap();
            (check.clone(), check)
        }),
    ]
}

fn luhn(number: &str) -> bool {
    let digits = number.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit } else { [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize] })
        .sum();
    sum.is_multiple_of(10)
}

/// Sentences of words that secrets are called by, and others.
fn prose() -> impl Strategy<Value = String> {
    let words = [
        "the", "key", "token", "of", "love", "cookies", "bearer", "basic", "sea", "is", "1984", "42", "naïve", "🌊",
        "e.g.",
    ];
    let word =
        (prop::sample::select(words.to_vec()), prop::sample::select(vec![" ", ", ", ". ", "\n", ": ", " (", ") "]));
    prop::collection::vec(word, 0..30)
        .prop_map(|words| words.into_iter().flat_map(|(word, mark)| [word, mark]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_of_a_secret_survives(before in "\\PC{0,80}", (named, secret) in secret(), after in "\\PC{0,80}") {
        let text = format!("{before} {named} {after}");
        let masked = masked(&text);
        prop_assert!(!masked.contains(&secret), "{masked}");
        // Nor the greater part of it.
        let most = secret.chars().take(secret.chars().count() * 3 / 4).collect::<String>();
        prop_assert!(!masked.contains(&most), "{masked}");
    }

    #[test]
    fn all_around_a_secret_stays(before in prose(), (named, secret) in secret(), after in prose()) {
        let told = named.strip_suffix(&secret).unwrap();
        let masked = masked(&format!("{before}\n{named}\n{after}")).into_owned();
        prop_assert!(masked.starts_with(&format!("{before}\n{told}[")), "{masked}");
        prop_assert!(masked.ends_with(&format!("]\n{after}")), "{masked}");
    }

    #[test]
    fn prose_is_left_alone(text in prose()) {
        prop_assert_eq!(masked(&text), text.as_str());
    }

    #[test]
    fn any_text_can_be_read(text in "(\\PC|\n|key|password|:|=|@|[0-9]{4}|[A-Za-z0-9]{16}| ){0,60}") {
        masked(&text);
    }
}
