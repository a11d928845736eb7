//! The patterns of plain statements, and of exceptions.
//!
//! All are matched without regard to case. `{adverbs}`, `{am}` and `{'}` stand for parts that many share.

use std::sync::LazyLock;

use regex::Regex;

/// Group 1 is the object. Each is anchored at the beginning of a clause.
const STATEMENT_PATTERNS: [&str; 14] = [
    r"my (?:(?:full|first|last|real|middle) )?name(?:{'}s| is)(?: not)? (.+)",
    r"(?:(?:you (?:can|may|should)|(?:my friends|friends|people|everyone|everybody|they) (?:all )?)\s?)?(?:(?:don{'}t|do not) )?call me ([^,.;:!?]+)",
    r"{am} called (.+)",
    r"(?:i{adverbs}(?:live|reside)|{am} living) ((?:in|at|near|with|on|by|outside|abroad|alone|next to|close to)\b.*)",
    r"(?:{am}(?: originally)? from|i{adverbs}come from) (.+)",
    r"i (?:was(?:n{'}t| not)? (?:born|raised|brought up)|grew up) ((?:in|on|near|with|at|by)\b.+)",
    r"i{adverbs}work ((?:as|at|for|in|with|from|nights|part|full)\b.+)",
    r"i{adverbs}(?:study|teach|coach|own|drive|speak|play|collect|wear|smoke|drink|eat|practi[sc]e) (.+)",
    r"i{adverbs}(?:like|love|enjoy|prefer|hate|dislike|adore|detest|miss|(?:can{'}t|cannot) stand) (.+)",
    r"{am}{adverbs}(?:into|fond of|afraid of|scared of|allergic to|intolerant (?:of|to)|keen on|interested in|passionate about) (.+)",
    r"i(?:{adverbs}have|{'}ve got|{adverbs}have got) ((?:an?|no|any|one|two|three|four|five|six|seven|eight|nine|ten|\d+) .+)",
    r"{am}{adverbs}(an? .+|\d{1,3}(?: years old| years of age)?(?:[\s,.!;]*$|,? (?:and|but)\b).*)",
    r"{am}{adverbs}((?:vegetarian|vegan|pescatarian|married|single|divorced|widowed|engaged|retired|unemployed|self-employed|left-handed|deaf|blind|colou?r-?blind|pregnant|diabetic|autistic|dyslexic|(?:lactose|gluten)[ -]intolerant|coeliac|celiac|gay|lesbian|bisexual|trans|transgender|jewish|muslim|christian|catholic|protestant|hindu|buddhist|american|australian|austrian|belgian|brazilian|british|canadian|chinese|danish|dutch|english|finnish|french|german|greek|indian|irish|italian|japanese|korean|mexican|norwegian|polish|portuguese|russian|scottish|spanish|swedish|swiss|turkish|ukrainian|welsh)\b.*)",
    r"my (?:(?:late|older|younger|elder|little|big|best|new|old|first|second|third) |ex-|step-?)*(?:favou?rite(?: [\w-]+){1,3}|wife|husband|partner|spouse|girlfriend|boyfriend|fianc[ée]e?|mother|father|mum|mom|dad|parents?|sons?|daughters?|child|children|kids?|baby|brothers?|sisters?|siblings?|twin|grand(?:mother|father|parents|sons?|daughters?|ma|pa)|aunt|uncle|cousins?|nephews?|nieces?|friends?|dogs?|cats?|horses?|rabbits?|parrot|pets?|birthday|age|job|profession|hobby|hobbies|home ?town|home|house|address|(?:native|first) language|mother tongue|nationality|religion|pronouns|height|blood type|shoe size|school|university|company|team|car|surname|nickname|allerg(?:y|ies)|diet)(?:{'}s|{'}re| (?:is|are|was|were|isn{'}t|aren{'}t|has|have|lives?|works?|died|loves?|likes?)) (.+)",
];

pub(super) static STATEMENTS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| STATEMENT_PATTERNS.iter().map(|pattern| compiled(&format!("^(?:{pattern})"))).collect());

/// An explicit request to remember something: group 1 or 2.
pub(super) static REMEMBER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:always |kindly |you (?:should|must) )?(?:remember|(?:don{'}t|do not|never) forget|(?:keep|bear) in mind)(?:(?: that\b|[:,])\s*(.{3,})|\s+((?:my|i|i{'}m)\b.+))",
    )
});

/// "Remember that time" is not a request.
pub(super) static ANECDOTE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:time|day|night|evening|summer|winter|year|one|guy|man|woman|girl|boy|place|song|film|movie|book|story)\b",
    )
});

/// Objects without meaning outside the conversation, or of short duration.
pub(super) static VAGUE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"^(?:[\s.!?,;:…—–-]*$|(?:(?:to|in|at|with|on|for|from|near|of|about|as) )?(?:it|that|this|these|those|you|your|yours|yourself|him|her|them",
        r"|how|what|where|when|who|why|whether|if|here|there|nothing|something|anything|back|later|again|tomorrow|tonight|now|crazy|by|out|up)\b",
        r"|(?:to )?(?:think|say|believe|know)\b|(?:a|an|on|at|in) (?:bit|little|lot|taxi|cab|mess|moment|hurry|idiot)\b",
        r"|the (?:idea|way|sound|thought|fact|looks?|answer|story|first|second|last|latter|former|one|same|rest|following)\b",
        r"|(?:an?|no|any|one|two|three|\d+) (?:[\w-]+ ){0,2}(?:questions?|ideas?|problems?|doubts?|feelings?|requests?|suggestions?|favou?rs?",
        r"|points?|hunch|plans?|meetings?|appointments?|headache|cold|fever|minutes?|moments?|seconds?|hours?|few|bit|lot|clue|look|tasks?|bugs?",
        r"|errors?|issues?|chances?|choice|reasons?|thoughts?|confession|time|more)\b)",
    ))
});

/// A sentence about something hypothetical.
pub(super) static HYPOTHETICAL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"^\W*(?:(?:and|but|so|or) )?(?:if|when|whenever|unless|suppose|supposing|imagine|pretend|assume|assuming|say|let{'}s say|what if|in case|once|until)\b",
        r"|\b(?:suppose|imagine|pretend|hypothetically|as if|as though|for example|in (?:my|the|this|a) (?:story|novel|game|dreams?|play|film|movie|book|song))\b",
    ))
});

/// A message with a text to edit, or with a role play: its first person is not the user.
pub(super) static FOREIGN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?:^|[.!?:\n]\s*|\b(?:please|(?:can|could|would|will) you|i want you to|to) )",
        r"(?:translate|rewrite|rephrase|paraphrase|proofread|summari[sz]e|correct|edit|role-?play|pretend|imagine|repeat|play the (?:part|role))\b",
    ))
});

/// Where a question begins, after a statement in the same sentence.
pub(super) static QUESTION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?:\s*[,;:—–]\s*(?:(?:and|but|so) )?|\s-\s|\s(?:so|and|but) )(?:what|how|can|could|would|will|should|do|does|did|don{'}t|doesn{'}t|isn{'}t|aren{'}t",
        r"|won{'}t|is|are|am|was|were|have|has|where|when|which|who|whose|why|any|may|might)\b",
    ))
});

/// Where the next statement begins within a sentence: group 2, after a mere "and" if there is a group 1.
pub(super) static NEXT_STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?:(?:\s*[,;:()—–]|\s-)\s*(?:(?:and|but|so|plus|also|because|since|though|although|while) )*|(\s(?:and|but|because|so|plus) (?:also )?))",
        r"((?:i|my|please|call|remember|don{'}t|keep|bear|you can call|by the way)\b)",
    ))
});

/// Words before reported speech or a supposition.
pub(super) static REPORTED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"\b(?:sa(?:id|ys?|ying)|t(?:old|ells?|elling)|ask(?:s|ed|ing)?|thinks?|thought|claim(?:s|ed)?|wrote|writes?|repl(?:ied|ies)|answer(?:s|ed)?",
        r"|shout(?:s|ed)?|believe[sd]?|means?|meant|that|if|whether|when|unless|until)(?: (?:me|you|him|her|us|them|everyone|people|that))*$",
    ))
});

/// Words before a statement that are no part of it.
pub(super) static LEAD_IN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"^(?:[\s*•,:;()—–-]+|\d+[.)]\s|(?:hi|hello|hey|hiya|there|well|okay|ok|oh|ah|yes|yeah|yep|no|nope|so|and|but|also|then|because|plus|btw|fyi|sure",
        r"|by the way|actually|honestly|frankly|basically|first of all|to be honest|as you know|as i said|just so you know|so you know|for the record",
        r"|for your information|you should know(?: that)?|i (?:should|must|have to) (?:say|mention|add)(?: that)?|i want you to know(?: that)?",
        r"|the truth is(?: that)?|thanks|thank you|please|sorry)\b[\s,!:—–-]*)+",
    ))
});

/// Words after a statement that are no part of it.
pub(super) static ASIDE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"\s*(?:,|;|:|—|–|\s-|\s\(|\s)\s*(?:(?:and )?(?:nice|pleased|glad|good) to meet you.*|by the way|btw|you know|right|okay|ok|please|thanks|thank you|lol)\W*$",
        r"|,? so\s.*$|(?:,|,? and|,? but) (?:i|my|what|how|can|could|would|do|does|is|are|please|where|who|it|you|we|this|he|she|they|there|tell|give",
        r"|suggest|help|write)\b.*$|\s[:;]-?[)(DPp]+\s*$",
    ))
});

pub(super) static TRAILER: LazyLock<Regex> = LazyLock::new(|| compiled(r"[\s.!?,;:…—–-]*$"));

#[expect(clippy::expect_used, reason = "the patterns above, which the tests compile")]
fn compiled(pattern: &str) -> Regex {
    let adverbs = r"(?: (?:really|truly|also|still|just|usually|always|often|mostly|absolutely|especially|never|currently|now|only|mainly|not|do|don{'}t|do not|can{'}t|cannot|no longer))* ";
    let pattern =
        pattern.replace("{adverbs}", adverbs).replace("{am}", "(?:i{'}m|i am)(?: not)?").replace("{'}", "['’]");
    Regex::new(&format!("(?is){pattern}")).expect("a sound pattern")
}
