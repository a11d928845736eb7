//! What an imaginary person has said, and questions with the answers that belong to them. Written before anything was
//! measured, and not to be changed to please a search.

/// Questions of the interview and their answers; a question below names them by their places here.
pub(super) const ANSWERS: [(&str, &str); 40] = [
    (
        "Where were you born?",
        "In Hestvik, on the coldest night of February 1938, in the room above the harbour office.",
    ),
    (
        "What did your father do?",
        "He piloted the ferry between Hestvik and the islands for thirty-one years and never learned to swim.",
    ),
    (
        "What did your mother do?",
        "She mended nets, and in the evenings she taught the pilots' children to read for a jar of cloudberries.",
    ),
    (
        "Did you have brothers or sisters?",
        "One brother, Iver, two years older. He went to sea at fifteen and wrote to me from every port.",
    ),
    (
        "What was your first school like?",
        "One stove, one map and forty of us. Miss Dahlgren kept order with a tuning fork that she struck on the desk.",
    ),
    (
        "What did you want to become as a child?",
        "A lighthouse keeper, because he was the only man in the village who owned an encyclopedia.",
    ),
    (
        "What do you remember of the war?",
        "Blackout paper in the windows and turnips every day. My uncle hid a wireless under the henhouse floor.",
    ),
    (
        "Which meal do you remember best?",
        "My grandmother's fish soup with dill and sour cream, on Saturdays, after the boats were in.",
    ),
    (
        "Did your family have animals?",
        "A goat called Prinsesse, who ate the priest's straw hat, and a long line of black cats.",
    ),
    (
        "What frightened you as a child?",
        "The foghorn. I believed that something huge was drowning out there and calling for us.",
    ),
    (
        "How did you meet your husband?",
        "Anders came into the workshop with a stopped watch. I repaired it too well, so he had to break it twice more to come back.",
    ),
    (
        "What was your wedding like?",
        "It rained so hard that the guests rowed to the church. I wore my mother's dress and rubber boots.",
    ),
    ("Do you have children?", "Two daughters. Sunniva became a veterinarian, and Tora builds organs in Bergen."),
    (
        "What work did you do?",
        "I was a clockmaker for forty-four years, the first woman in the county with the certificate.",
    ),
    (
        "How did you learn your trade?",
        "Old Mr. Quist took me on as an apprentice when I was sixteen because my fingers were thinner than his nephew's.",
    ),
    (
        "What was your hardest job?",
        "The tower clock of Saint Olaf's. It had stood still since the lightning of 1911, and I needed two winters for it.",
    ),
    (
        "Which tool could you not be without?",
        "A pair of brass tweezers that Mr. Quist left to me. They are in my apron pocket even now.",
    ),
    (
        "What did you earn first?",
        "Eleven kroner a week. With the first three I bought a fountain pen, which leaks to this day.",
    ),
    (
        "Did you ever think of giving up?",
        "After the fire in the workshop in 1972. Every drawing burned. The neighbours came with brooms before I could despair.",
    ),
    (
        "Where have you travelled?",
        "To La Chaux-de-Fonds, to see the watch museum, and once to Lisbon by train, which took three days.",
    ),
    (
        "Which place is dearest to you?",
        "The bench behind the boathouse. In June you can read a newspaper there at midnight.",
    ),
    (
        "What do you believe in?",
        "In keeping promises and in oiling things before they squeak. I go to church for the singing.",
    ),
    (
        "What music do you like?",
        "Hardanger fiddle, and Grieg when nobody is watching. I play the accordion, but only for the cat.",
    ),
    (
        "Which book has stayed with you?",
        "Kristin Lavransdatter. I have read it in every decade of my life, and each time it was about somebody else.",
    ),
    (
        "What illness have you had?",
        "Tuberculosis at nineteen. I lay on a balcony in the mountains for seven months and counted avalanches.",
    ),
    (
        "What was the saddest day of your life?",
        "When the telegram about Iver came. His ship, the Solveig, went down off Iceland in November 1959.",
    ),
    (
        "What was the happiest day?",
        "When the bells of Saint Olaf's struck noon again and the baker ran out into the square with flour on his face.",
    ),
    (
        "What do you do when you cannot sleep?",
        "I get up and take a pocket watch apart. By the third screw I am usually yawning.",
    ),
    (
        "What are you proud of?",
        "That no apprentice of mine ever left without the certificate. There were nine of them.",
    ),
    (
        "What do you regret?",
        "That I quarrelled with my sister-in-law about a sideboard and that we did not speak for twelve years.",
    ),
    (
        "How did you spend Christmas?",
        "With ribs, seven kinds of biscuits and a sheaf of oats for the birds. Father read the gospel with his cap on.",
    ),
    (
        "What did you grow in your garden?",
        "Rhubarb, redcurrants and potatoes; and roses against all advice, because of the salt wind.",
    ),
    (
        "Which car did you drive?",
        "A green Volvo Amazon until it rusted through, and after that I took the bus and knitted.",
    ),
    (
        "What advice do you have for the young?",
        "Learn one thing with your hands. Heads are easily talked out of something; hands remember.",
    ),
    (
        "How did you celebrate birthdays?",
        "With a cream cake and a flag beside the plate. Whoever had the birthday did not have to wash the dishes.",
    ),
    (
        "Who was your best friend?",
        "Borghild from the telephone exchange. She knew everything about everybody and never told a word of it.",
    ),
    (
        "What sport did you do?",
        "Skiing to school, which nobody called sport, and rowing. In 1956 we women won the regatta against the fire brigade.",
    ),
    (
        "How has the village changed?",
        "The cannery closed, the road tunnel came, and now tourists photograph what used to smell of herring.",
    ),
    (
        "What do you think of computers?",
        "My granddaughter Live gave me a tablet. I look at the weather on it and play chess against a man in Brazil.",
    ),
    (
        "How would you like to be remembered?",
        "As someone who was on time. And who left the door of the workshop open when the kettle was on.",
    ),
];

/// What is asked, and where it is answered.
pub(super) const QUESTIONS: [(&str, &[usize]); 32] = [
    // In the words of the answer, or nearly.
    ("Where were you born and when?", &[0]),
    ("How did you meet Anders?", &[10]),
    ("What was your wedding day like?", &[11]),
    ("Tell me about the fire in your workshop.", &[18]),
    ("What do you grow in the garden?", &[31]),
    // Other forms of the words.
    ("Did your father swim?", &[1]),
    ("Who taught you clockmaking?", &[14, 13]),
    ("Have you travelled by trains?", &[19]),
    ("Were there any cats or goats in your house?", &[8]),
    ("Which musical instruments do you play?", &[22]),
    ("What did your grandmothers cook?", &[7]),
    ("Did you win at rowing?", &[36]),
    // Names.
    ("Who was Mr. Quist?", &[14, 16]),
    ("What happened to Iver?", &[25, 3]),
    ("Saint Olaf's", &[15, 26]),
    ("What is Tora doing in Bergen?", &[12]),
    ("Who is Borghild?", &[35]),
    ("What do you think of Kristin Lavransdatter?", &[23]),
    ("the Solveig", &[25]),
    // With mistakes.
    ("What was the hardst clock you ever repared?", &[15]),
    ("tell me about your dauhgters", &[12]),
    ("did you have tuberculossis", &[24]),
    ("what did you eat at chrismas", &[30]),
    ("miss dalgren", &[4]),
    // By their meaning.
    ("Which dish takes you back to your childhood?", &[7]),
    ("Are you religious?", &[21]),
    ("Do you have any siblings?", &[3]),
    ("What was your profession?", &[13]),
    ("What do you do against insomnia?", &[27]),
    ("Do you play games with people on the internet?", &[38]),
    ("What would you tell a teenager today?", &[33]),
    ("What was your salary in the beginning?", &[17]),
];
