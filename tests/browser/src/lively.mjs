// People and conversations to look at: what pictures of the pages are filled with.

const PERSONAS = [
  { slug: "henrik", name: "Henrik", languages: ["en", "da"], description: "Built bridges for thirty-eight years, and now restores clocks that others have given up." },
  { slug: "ines", name: "Ines", languages: ["en", "de", "es"], description: "Studies mosses in the cloud forest. Ask her in English oder auf Deutsch." },
  { slug: "tomas", name: "Tomás", languages: ["es", "en"], description: "Keeps bees on the roofs of Bilbao, and knows which streets are in flower." },
  { slug: "noor", name: "نور", languages: ["ar", "en"], description: "تحكي عن النجوم كما رآها البحارة القدامى." },
  { slug: "maud", name: "Maud", languages: ["fr", "en"], description: "Tunes harpsichords, and has opinions about temperaments." },
];

const OF_ENGLISH = {
  titles: ["A clock that stops at noon", "Which moss is this?", "Bees in October", "Well temperament, simply"],
  folder: "Music",
  name: "Grace",
  email: "grace@example.com",
  title: "What should the engine compute first?",
  turns: [
    ["What should the engine compute first?", "The **Bernoulli numbers**. They are awkward by hand, and each needs all of those before it — which is just what a machine is for.\n\nI have written the operations out as a table:\n\n| step | operation | result |\n|---:|:---:|---|\n| 1 | v₂ × v₃ | 2n |\n| 2 | v₄ − v₁ | 2n − 1 |\n| 3 | v₅ + v₁ | 2n + 1 |"],
    ["Can you show that as a little program?", "Gladly. In a notation of your own century:\n\n```rust\n/// The n-th Bernoulli number, by the recurrence of the Notes.\nfn bernoulli(n: usize) -> f64 {\n    let mut row = vec![0.0; n + 1];\n    for m in 0..=n {\n        row[m] = 1.0 / (m as f64 + 1.0);\n        for j in (1..=m).rev() {\n            row[j - 1] = j as f64 * (row[j - 1] - row[j]);\n        }\n    }\n    row[0]\n}\n```\n\nThe inner loop runs *backwards*, as the cards of the loom do."],
  ],
};

const OF_ARABIC = {
  titles: ["ساعة تتوقف عند الظهر", "ما اسم هذا الطحلب؟", "النحل في أكتوبر", "السلالم الموسيقية ببساطة"],
  folder: "موسيقى",
  name: "ليلى",
  email: "layla@example.com",
  title: "ماذا يجب أن تحسب الآلة أولا؟",
  turns: [
    ["ماذا يجب أن تحسب الآلة أولا؟", "**أعداد برنولي**. حسابها باليد شاق، وكل عدد منها يحتاج إلى كل ما قبله، وهذا ما صنعت الآلة من أجله.\n\n- نبدأ بالعدد الأول\n- ثم نكرر العملية نفسها\n- ونحفظ كل نتيجة في عمودها"],
    ["هل يمكنك أن تكتبي ذلك برنامجا صغيرا؟", "بكل سرور، بلغة من عصركم:\n\n```rust\nfn bernoulli(n: usize) -> f64 {\n    let mut row = vec![0.0; n + 1];\n    for m in 0..=n {\n        row[m] = 1.0 / (m as f64 + 1.0);\n    }\n    row[0]\n}\n```\n\nوالحلقة الداخلية تسير *إلى الوراء* كما تفعل بطاقات النول."],
  ],
};

const OF_HINDI = {
  titles: ["घड़ी जो दोपहर में रुक जाती है", "यह कौन-सी काई है?", "अक्टूबर में मधुमक्खियाँ", "स्वर-क्रम, सरल शब्दों में"],
  folder: "संगीत",
  name: "मीरा",
  email: "meera@example.com",
  title: "इंजन सबसे पहले किसकी गणना करे?",
  turns: [
    ["इंजन सबसे पहले किसकी गणना करे?", "**बर्नूली संख्याओं** की। इन्हें हाथ से निकालना कठिन है, और हर एक के लिए उससे पहले की सभी संख्याएँ चाहिए। मशीन इसी काम के लिए तो बनी है।\n\n- पहली संख्या से शुरू करते हैं\n- फिर वही क्रिया दोहराते हैं\n- और हर परिणाम उसके स्तंभ में रखते हैं"],
    ["क्या आप इसे एक छोटे प्रोग्राम के रूप में लिख सकती हैं?", "ख़ुशी से, आपकी अपनी सदी की भाषा में:\n\n```rust\nfn bernoulli(n: usize) -> f64 {\n    let mut row = vec![0.0; n + 1];\n    for m in 0..=n {\n        row[m] = 1.0 / (m as f64 + 1.0);\n    }\n    row[0]\n}\n```\n\nभीतर का चक्र उलटा चलता है, जैसे करघे के पत्ते चलते हैं।"],
  ],
};

const OF_JAPANESE = {
  titles: ["正午に止まる時計", "この苔は何でしょう？", "十月のミツバチ", "音律をやさしく"],
  folder: "音楽",
  name: "葵",
  email: "aoi@example.com",
  title: "解析機関はまず何を計算すべき？",
  turns: [
    ["解析機関はまず何を計算すべき？", "**ベルヌーイ数**です。手で求めるのは骨が折れますし、どの数もそれより前のすべての数を必要とします。まさに機械のための仕事です。\n\n- 最初の数から始めます\n- 同じ手順を繰り返します\n- 結果をそれぞれの列に収めます"],
    ["小さなプログラムにしてもらえますか？", "喜んで。あなたの世紀の言葉で書きましょう。\n\n```rust\nfn bernoulli(n: usize) -> f64 {\n    let mut row = vec![0.0; n + 1];\n    for m in 0..=n {\n        row[m] = 1.0 / (m as f64 + 1.0);\n    }\n    row[0]\n}\n```\n\n内側のループは逆向きに進みます。織機のカードと同じです。"],
  ],
};

const PEOPLE = { en: OF_ENGLISH, ar: OF_ARABIC, hi: OF_HINDI, ja: OF_JAPANESE };

/** What the page of a conversation shows, in languages that nobody has written the pages in: the lines of their translator. */
export const PAGE_LINES = {
  hi: {
    "New conversation": "नई बातचीत", Studio: "स्टूडियो", "Search your messages": "अपने संदेश खोजें", Folders: "फ़ोल्डर", Pinned: "पिन किए हुए", Today: "आज", Yesterday: "कल",
    "Last {} days": "पिछले {} दिन", Older: "पुराने", Live: "जुड़ा हुआ", Copy: "कॉपी करें", "Message {}": "{} को संदेश", "Replies come from a model on this machine.": "जवाब इसी मशीन के एक मॉडल के हैं।",
    "How to change that": "इसे कैसे बदलें", "Enter sends, Shift + Enter begins a new line.": "Enter से भेजें, Shift + Enter से नई पंक्ति।",
  },
  ja: {
    "New conversation": "新しい会話", Studio: "スタジオ", "Search your messages": "メッセージを検索", Folders: "フォルダー", Pinned: "ピン留め", Today: "今日", Yesterday: "昨日",
    "Last {} days": "過去{}日間", Older: "それ以前", Live: "オンライン", Copy: "コピー", "Message {}": "{}へのメッセージ", "Replies come from a model on this machine.": "返信はこのコンピューターのモデルによるものです。",
    "How to change that": "変更する方法", "Enter sends, Shift + Enter begins a new line.": "Enterで送信、Shift + Enterで改行。",
  },
};

/** The last reply of the English conversation. */
export const REPLY_IN_HINDI = {
  "Gladly. In a notation of your own century:": "ख़ुशी से। आपकी अपनी सदी के संकेतों में:",
  "The inner loop runs *backwards*, as the cards of the loom do.": "भीतर का चक्र *उलटा* चलता है, जैसे करघे के पत्ते।",
};

const OWN = {
  en: {
    slug: "rosa", name: "Grandmother Rosa", languages: ["en", "de"], description: "Baked rye bread on Fridays, and knew everybody on the street by their step.",
    system_prompt: "You are Grandmother Rosa. You speak in the first person, warmly, and in your own words.\n\nWhat you know of your life is what you have told. Tell from it as one remembers, with the small things that make a day. When you are asked for something that you never told, say that you do not remember it, and ask back.",
    answers: ["My mother's hands, white with flour, and the radio that was never quite on the station.", "Rye with caraway. The crust must sing when it comes out of the oven."],
  },
  ar: {
    slug: "warda", name: "الجدة وردة", languages: ["ar"], description: "كانت تخبز كل يوم جمعة، وتعرف الجيران من وقع خطاهم.",
    system_prompt: "أنت الجدة وردة. تتحدثين بصيغة المتكلم، بدفء وبكلماتك أنت.\n\nما تعرفينه عن حياتك هو ما حكيته.",
    answers: ["يدا أمي بيضاوان من الطحين، والمذياع لا يستقر على محطة.", "خبز الشعير باليانسون، وقشرته تغني حين يخرج من الفرن."],
  },
};

/** A persona of somebody's own, with the first answers of its interview; returns its slug. */
export async function addOwn(user, language) {
  const { answers, ...persona } = OWN[language];
  await user.call("POST", "/personas", persona);
  const { items } = await user.call("GET", "/questions?limit=100");
  for (const [at, content] of answers.entries()) await user.call("PUT", `/personas/${persona.slug}/responses/${items[at].id}`, { content, status: "final" });
  return persona.slug;
}

const hoursAgo = (hours) => `now() - interval '${hours} hours'`;

/** More personas than the one that every installation has, for everybody. */
export async function addPersonas(owner) {
  for (const persona of PERSONAS) {
    await owner.call("POST", "/personas", { ...persona, system_prompt: `You are ${persona.name}.`, visibility: "public" });
  }
}

/** Somebody with some conversations; returns them, and the conversation that is worth looking at. */
export async function lively(stack, language = "en") {
  const { titles, folder, name, email, title, turns } = PEOPLE[language];
  const user = await stack.register(name);
  await stack.sql(`update users set email = '${email}' where id = '${user.id}'`);
  user.email = email;
  const slugs = ["henrik", "ines", "tomas", "maud"];
  for (const [at, other] of titles.entries()) {
    const { id } = await user.converse(other, slugs[at]);
    const when = hoursAgo([3, 26, 50, 300][at]);
    await stack.sql(`update conversations set created_at = ${when}, updated_at = ${when} where id = '${id}'`);
    if (at === 1) await user.call("PATCH", `/conversations/${id}`, { pinned: true });
    if (at === 3) await user.call("PATCH", `/conversations/${id}`, { folder });
  }
  const conversation = await user.converse(title);
  for (const [question, answer] of turns) {
    stack.provider.on(question, answer);
    await user.ask(conversation, question);
  }
  return { user, conversation };
}

/** A day's curve from 0 to 1, with a little noise that is the same each time. */
const curve = (at, points) => {
  const noise = Math.abs(Math.sin(at * 12.9898) * 43758.5453) % 1;
  return Math.max(0, Math.sin((at / points) * Math.PI * 3) * 0.35 + 0.4 + (noise - 0.5) * 0.25);
};

function queueHistory() {
  const points = 60;
  const now = Math.floor(Date.now() / 60_000) * 60_000;
  const pointOf = (tier, size) => (_, at) => {
    const load = curve(at, points) * size;
    return {
      at: new Date(now - (points - at) * 60_000).toISOString(), tier, depth: Math.round(load * load), oldest_ms: Math.round(load * 900), arrivals: Math.round(load * 14), completions: Math.round(load * 13),
      failures: at % 17 === 0 ? 1 : 0, wait_p50_ms: Math.round(80 + load * 120), wait_p95_ms: Math.round(220 + load * 900),
    };
  };
  return { step: "minute", from: new Date(now - points * 60_000).toISOString(), points: [["free", 4], ["pro", 2]].flatMap(([tier, size]) => Array.from({ length: points }, pointOf(tier, size))) };
}

function usage() {
  const dayOf = (tier, size) => (_, at) => {
    const load = curve(at, 30) * size;
    const messages = Math.round(load * 240);
    return {
      day: new Date(Date.now() - (30 - at) * 86_400_000).toISOString().slice(0, 10), tier, users: Math.round(load * 30), messages, replies: Math.round(messages * 0.98), failed: Math.round(messages * 0.01),
      prompt_tokens: messages * 820, completion_tokens: messages * 190, cost: messages * 0.0011, thumbs_up: Math.round(messages * 0.05), thumbs_down: Math.round(messages * 0.01),
    };
  };
  const personas = ["Ada", "Henrik", "Ines", "Maud"].map((name, at) => ({ slug: name.toLowerCase(), name, messages: 4_100 - at * 930, users: 88 - at * 17, cost: 4.2 - at, thumbs_up: 190 - at * 41, thumbs_down: 12 + at * 5 }));
  return { days: [["free", 3], ["pro", 1]].flatMap(([tier, size]) => Array.from({ length: 30 }, dayOf(tier, size))), personas };
}

function processes() {
  const of = (kind, at) => ({
    kind, id: `019400${at}0-7a1c-7000-8000-00000000b${at}0${at}`, version: "0.1.0", started_at: new Date(Date.now() - (at + 1) * 7_300_000).toISOString(), seen_at: new Date(Date.now() - 2_000).toISOString(),
    rss_bytes: (48 + at * 9) * 2 ** 20, cpu_seconds: 73 + at * 41, pool: { in_use: at + 1, size: 16, waiting: at === 3 ? 2 : 0 }, ...(kind === "server" && { sockets: 120 + at * 7 }),
  });
  return { processes: [of("server", 0), of("server", 1), of("worker", 2), of("worker", 3)] };
}

/** Where a user is signed in: all that these pictures are taken with would be there otherwise. */
export async function showDevices(context) {
  const of = (id, agent, address, hours, current = false) =>
    ({ id, agent, address, current, created_at: new Date(Date.now() - hours * 3_600_000).toISOString(), last_used_at: new Date(Date.now() - hours * 3_600_000).toISOString() });
  const json = [of("1", "Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.0.0", "203.0.113.24", 0, true), of("2", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6) Safari/604.1", "198.51.100.7", 14)];
  await context.route("**/api/v1/auth/sign-ins", (route) => route.fulfill({ json }));
}

/** What takes an operator's whole month to come together, in the control room: history, usage, processes. */
export async function showCounts(pageOrContext) {
  const answers = { "queue/history": queueHistory, stats: usage, system: processes };
  for (const [path, make] of Object.entries(answers)) {
    await pageOrContext.route(new RegExp(`/api/v1/admin/${path}(\\?|$)`), (route) => route.fulfill({ json: make() }));
  }
}
