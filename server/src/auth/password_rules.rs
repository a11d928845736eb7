//! Password rules: not too short, not a common one, not the owner's name or address.
//!
//! No rule requires special characters or capitals: such passwords are forgotten by people and guessed by programs.
//! Lengths count characters after the normalization of [`super::passwords`].

use std::sync::LazyLock;

use super::passwords::normal;
use crate::http::extract::validation::Checks;

/// Common passwords of at least eight characters: lower-case, sorted. Repetitions and sequences are left to
/// [`is_monotonous`].
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The longest piece whose mere repetition is refused.
const MAX_PIECE_CHARS: usize = 4;

/// The owner of the password.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
}

/// Adds each rule that the password breaks to `checks`.
pub(crate) fn check(checks: &mut Checks, field: &str, password: &str, owner: Owner<'_>) {
    let password = normal(password);
    checks.text(field, &password, 8..=200);
    let lowercase = password.to_lowercase();
    let long_enough = lowercase.chars().count() >= 8;
    let common = COMMON.binary_search(&lowercase.as_str()).is_ok() || is_monotonous(&lowercase);
    checks.rule(!(long_enough && common), field, "must not be one that is guessed first: it is very common");
    checks.rule(!names_owner(&lowercase, owner), field, "must not be your e-mail address or your name");
}

/// Whether it only repeats a piece, counts up or counts down.
fn is_monotonous(password: &str) -> bool {
    let chars: Vec<char> = password.chars().collect();
    let number = |char: char| i64::from(u32::from(char));
    let counts = |step: i64| chars.windows(2).all(|pair| number(pair[1]) - number(pair[0]) == step);
    let repeats = |piece: usize| {
        chars.len() >= 2 * piece && chars.iter().zip(chars.iter().skip(piece)).all(|(one, other)| one == other)
    };
    counts(1) || counts(-1) || (1..=MAX_PIECE_CHARS).any(repeats)
}

/// Whether it is the address, the address's local part, or the name; only letters and digits are compared.
fn names_owner(password: &str, owner: Owner<'_>) -> bool {
    let bare = |text: &str| normal(text).to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let password = bare(password);
    let local_part = owner.email.rsplit_once('@').map_or("", |(local, _)| local);
    [owner.email, local_part, owner.name].iter().any(|known| !password.is_empty() && bare(known) == password)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Owner<'_> = Owner { email: "ada.lovelace@example.com", name: "Ada King Noel" };

    fn faults(password: &str) -> Vec<String> {
        let mut checks = Checks::default();
        check(&mut checks, "password", password, ADA);
        let Err(refused) = checks.done() else { return Vec::new() };
        refused.problem().errors.into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn the_list_can_be_searched_and_holds_no_word_too_many() {
        assert!(COMMON.len() > 3_000);
        assert!(COMMON.is_sorted(), "it is searched by halves");
        for word in COMMON.iter() {
            let sound = word.len() >= 8 && !word.contains(char::is_uppercase) && word.trim() == *word;
            assert!(sound && !is_monotonous(word), "{word}");
        }
    }

    #[test]
    fn each_rule_says_what_is_wrong() {
        let (short, long) = ("must have at least 8 characters", "must not have more than 200 characters");
        let common = "must not be one that is guessed first: it is very common";
        let own = "must not be your e-mail address or your name";
        for (password, fault) in [
            ("seven77", short),
            // Eight as it is typed, seven as it is hashed.
            ("cafe\u{301} au", short),
            (&*"y7z!q".repeat(41), long),
            ("password123", common),
            ("PassWord123", common),
            ("IloveYou", common),
            ("aaaaaaaaaaaa", common),
            ("12345678", common),
            ("zyxwvutsr", common),
            ("abc1abc1abc", common),
            ("ada.lovelace@example.com", own),
            ("Ada.Lovelace", own),
            ("adalovelace", own),
            ("ada king noel", own),
            ("with a \0 in it", "must not contain a zero character"),
        ] {
            assert_eq!(faults(password), [fault], "{password}");
        }
        assert_eq!(faults(""), ["must not be empty"]);
    }

    #[test]
    fn what_is_long_and_ones_own_is_taken() {
        for password in
            ["correct horse battery staple", "ada.lovelace's", "пароль от дома", "🐎🔋📎✅🐎🔋📎✅🦄", "g7#kq9!z"]
        {
            assert_eq!(faults(password), Vec::<String>::new(), "{password}");
        }
    }
}
