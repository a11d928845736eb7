// The address of a persona, suggested from its name. Nothing in this file touches the page.

const MAX_SLUG = 63;

/** Letters that have no Latin one inside them; those with marks come apart by themselves. */
const LETTERS = new Map(Object.entries({
  ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", þ: "th", ł: "l", ı: "i", ŋ: "ng",
  ...paired("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o"),
  ...paired("абвгдежзийклмнопрстуфхцчшщъыьэюяєіїґ", "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch - y - e yu ya ye i i g"),
  ...paired("ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءؤئ", "a b t th j h kh d dh r z s sh s d t z a gh f q k l m n h w y a a - w y"),
  ...paired("אבגדהוזחטיכךלמםנןסעפףצץקרשת", "a b g d h v z ch t y k k l m m n n s a p f ts ts k r sh t"),
}));

function paired(letters, sounds) {
  const all = sounds.split(" ").map((sound) => (sound === "-" ? "" : sound));
  return Object.fromEntries(Array.from(letters).map((letter, at) => [letter, all[at]]));
}

/** `Großmutter Øse` is at `grossmutter-ose`. Empty where no letter of the name is known here. */
export function suggestSlug(name) {
  const plain = Array.from(name.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, ""), (letter) => LETTERS.get(letter) ?? letter).join("");
  const slug = plain.replace(/['’]/g, "").replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, MAX_SLUG).replace(/-+$/, "");
  return slug.length < 2 ? "" : slug;
}
