//! What another imaginary person has said, in five languages, and questions in the same five: most are in another
//! language than their answers. Written before anything was measured, and not to be changed to please a search.

/// Questions of the interview and their answers; a question below names them by their places here.
pub(super) const ANSWERS: [(&str, &str); 26] = [
    ("Gdzie się urodziłaś?", "W Gdyni, w 1944 roku, w piwnicy piekarni, bo na port spadały bomby."),
    (
        "Was war Ihr Vater von Beruf?",
        "Er war Kranführer im Hafen und konnte mit dem Haken eine Streichholzschachtel schließen.",
    ),
    ("What did your mother do?", "She sewed sails by day and wedding dresses by night, on the same machine."),
    (
        "Czy miałaś rodzeństwo?",
        "Miałam trzech starszych braci. Najmłodszy z nich, Witek, nauczył mnie gwizdać na palcach.",
    ),
    (
        "What did you do for a living?",
        "I was a radio officer on cargo ships for nineteen years. The captains got used to a woman sooner than their wives did.",
    ),
    (
        "Wie haben Sie das Morsen gelernt?",
        "Mit einem Löffel am Heizungsrohr. Das Mädchen im Zimmer darunter klopfte zurück, und bald konnten wir uns unterhalten.",
    ),
    (
        "Comment avez-vous rencontré votre mari ?",
        "À Marseille, dans un bureau de poste. Émile triait le courrier et m'a rendu une lettre que j'avais oublié d'affranchir.",
    ),
    (
        "What was your worst storm?",
        "In the Bay of Biscay, in January 1973. We lost two lifeboats and the cook's piano, and I sent the distress call eleven times.",
    ),
    (
        "Haben Sie Kinder?",
        "Einen Sohn, Łukasz, er ist Kinderarzt in Leipzig, und zwei Enkelinnen, die mich beim Kartenspiel betrügen.",
    ),
    (
        "¿Dónde vivió después del mar?",
        "En un pueblo cerca de Valencia, entre naranjos. Compramos la casa por el precio de un coche usado.",
    ),
    (
        "Which hobby do you have?",
        "Bees. I keep fourteen hives behind the house, and every queen is named after a ship that I sailed on.",
    ),
    (
        "Jaka jest twoja ulubiona potrawa?",
        "Pierogi z jagodami, tak jak robiła je moja babcia, ze śmietaną i odrobiną cynamonu.",
    ),
    (
        "Quelle musique écoutez-vous ?",
        "Barbara et Brel le soir. Le matin, le silence, parce que mes oreilles ont assez travaillé.",
    ),
    (
        "Wovor hatten Sie als Kind Angst?",
        "Vor dem Schornsteinfeger. Ich dachte, er nimmt die Kinder mit, die zu laut singen.",
    ),
    (
        "What illness have you had?",
        "My left ear gave out at fifty, from all the headphones. I wear a hearing aid and take it out when my sister-in-law visits.",
    ),
    (
        "¿Cuál fue el día más feliz de su vida?",
        "Cuando mi hijo aprendió a nadar. Cruzó solo la piscina y salió enfadado porque nadie lo había aplaudido bastante.",
    ),
    (
        "Jaki był najsmutniejszy dzień w twoim życiu?",
        "Dzień, w którym umarł Emil. Zatrzymałam wszystkie zegary w domu i nakręciłam je dopiero na wiosnę.",
    ),
    (
        "Welches Auto sind Sie gefahren?",
        "Einen gelben Trabant, den wir Kanarienvogel nannten. Bei Regen tropfte es mir auf das linke Knie.",
    ),
    (
        "What do you believe in?",
        "In answering every call, even a wrong number. I left the church over a sermon, but I still light a candle for the drowned.",
    ),
    (
        "Quel livre vous a marquée ?",
        "Moby Dick, que j'ai lu trois fois en mer et jamais à terre. À terre, il sent le papier.",
    ),
    (
        "Was war Ihr schlimmster Streit?",
        "Mit meinem Bruder Stefan, wegen der Wohnung unserer Eltern. Wir haben acht Jahre lang nur über Anwälte geredet.",
    ),
    (
        "What did you earn first?",
        "Forty zlotys a week, for gutting sprats. I bought red shoes that were a size too small.",
    ),
    (
        "¿Qué le gusta de la vejez?",
        "Que ya nadie me da órdenes. Duermo la siesta, riego los tomates y digo lo que pienso.",
    ),
    ("Czego żałujesz?", "Że nie nauczyłam syna mówić po polsku. Teraz moje wnuczki rozumieją tylko przekleństwa."),
    ("How would you like to be remembered?", "As the one who kept listening after the others had gone to bed."),
    ("Wie war Ihre erste Schule?", "Sechzig Kinder und ein Ofen. Fräulein Nowak warf mit Kreide und traf immer."),
];

/// What is asked, and where it is answered.
pub(super) const QUESTIONS: [(&str, &[usize]); 40] = [
    // English.
    ("Where were you born?", &[0]),
    ("How did you learn Morse code?", &[5]),
    ("How did you and Émile meet?", &[6]),
    ("Which food do you love most?", &[11]),
    ("Tell me about the storm in the Bay of Biscay.", &[7]),
    ("What are your bees called?", &[10]),
    ("What was the saddest day of your life?", &[16]),
    ("Did you ever fall out with somebody in your family?", &[20]),
    // German.
    ("Wo sind Sie geboren?", &[0]),
    ("Was haben Sie beruflich gemacht?", &[4]),
    ("Haben Sie Enkelkinder?", &[8, 23]),
    ("Welches Buch hat Sie geprägt?", &[19]),
    ("Sind Sie gläubig?", &[18]),
    ("Was für ein Auto hatten Sie?", &[17]),
    ("Wie war es in der Schule?", &[25]),
    ("Womit haben Sie Ihr erstes Geld verdient?", &[21]),
    // French.
    ("Quel était le métier de votre père ?", &[1]),
    ("Avez-vous des frères et sœurs ?", &[3, 20]),
    ("Où avez-vous connu votre mari ?", &[6]),
    ("Quels chanteurs aimez-vous ?", &[12]),
    ("De quoi aviez-vous peur quand vous étiez petite ?", &[13]),
    ("Qu'est-ce que vous regrettez ?", &[23]),
    ("Portez-vous un appareil auditif ?", &[14]),
    ("Quelle est la pire tempête que vous ayez vécue ?", &[7]),
    // Spanish.
    ("¿A qué se dedicaba su madre?", &[2]),
    ("¿Qué hizo cuando murió su marido?", &[16]),
    ("¿Tiene hijos?", &[8, 15]),
    ("¿Dónde está su casa?", &[9]),
    ("¿Tiene algún pasatiempo?", &[10]),
    ("¿Qué es lo bueno de ser mayor?", &[22]),
    ("¿Qué le pasó en el oído?", &[14]),
    ("¿Cómo quiere que la recuerden?", &[24]),
    // Polish.
    ("Kim był twój ojciec?", &[1]),
    ("Gdzie mieszkałaś, kiedy przestałaś pływać?", &[9]),
    ("Co zrobiłaś, kiedy zmarł Emil?", &[16]),
    ("Jakie pierogi lubisz?", &[11]),
    ("Kto nauczył cię gwizdać?", &[3]),
    ("Jaka książka jest dla ciebie najważniejsza?", &[19]),
    ("W co wierzysz?", &[18]),
    ("Jaki był twój najszczęśliwszy dzień?", &[15]),
];

/// What neither person has an answer to.
pub(super) const UNANSWERED: [&str; 10] = [
    "Hello!",
    "Thank you, that is all for today.",
    "What is the boiling point of water?",
    "Write a program that sorts numbers.",
    "Wie geht es dir?",
    "Kannst du mir bei der Steuererklärung helfen?",
    "Merci beaucoup !",
    "Quelle est la capitale de l'Australie ?",
    "¿Qué hora es en Tokio?",
    "Ile to jest siedem razy osiem?",
];
