// What the scripted provider says: replies that a test may ask for by the first word of a message.

/** Everything that Markdown is used for in replies. */
export const MARKDOWN = `# A heading of the first kind

Some **bold**, some *slanted*, some ~~struck~~ words, \`code\` within a line, and [a link](https://example.com/a?b=c).

- a list
  - with a list in it
    1. and a numbered one in that
    2. of two lines
- [x] done
- [ ] not done

> A quotation,
> of two lines.

| left | middle | right |
|:-----|:------:|------:|
| a    |   b    |     c |
| 1    |   22   |   333 |

\`\`\`rust
/// Says hello.
fn main() {
    let name = "Ada";
    println!("Hello, {name}!"); // a comment
}
\`\`\`

---

Mathematics stays text: $e^{i\\pi} + 1 = 0$, and the last line ends here.
`;

/** Each of these would run something, load something or leave the page, were it taken as HTML. */
export const HOSTILE = `<script>window.ran = "script"</script>
<img src="x" onerror="window.ran = 'image'">
<svg onload="window.ran = 'svg'"><a xlink:href="javascript:window.ran='svg link'"><text>click</text></a></svg>
<iframe srcdoc="<script>parent.ran = 'frame'</script>"></iframe>
<style>body { display: none }</style>
<form action="https://evil.example/"><button formaction="javascript:window.ran='form'">a button</button></form>
<details open ontoggle="window.ran = 'toggle'"><summary>more</summary></details>
<math><mtext><table><mglyph><style><img src=x onerror="window.ran = 'math'"></style></mglyph></table></mtext></math>

[script link](javascript:window.ran='link') [data link](data:text/html,<script>window.ran='data'</script>)
[capital link](JaVaScRiPt:window.ran='capital') [vb link](vbscript:window.ran) [file link](file:///etc/passwd)
![tracker](https://evil.example/pixel.png) ![inline](data:image/svg+xml,<svg onload="window.ran='inline'"/>)
[ref]: javascript:window.ran='reference'
[reference link][ref] <javascript:window.ran='auto'> <https://example.com/fine>

\`\`\`html"><img src=x onerror=window.ran='fence'>
<script>window.ran = "code"</script>
\`\`\`

Still here.`;

/** A name for each word that a message may begin with, and what is said then. */
export const REPLIES = {
  markdown: () => MARKDOWN,
  hostile: () => HOSTILE,
  long: () => Array.from({ length: 120 }, (_, n) => `Paragraph ${n + 1}. ${words(60, n)}`).join("\n\n"),
  line: () => `\`\`\`\n${"x = [0, 1, 2, 3]; ".repeat(11_000)}\n\`\`\`\n\nThat was one line.`,
  nested: () => `${nestedList(10_000)}\n\nThat was a list.`,
  quotes: () => `${"> ".repeat(5_000)}deep\n\nThat was a quotation.`,
};

/** A list in a list in a list: bounded indentation, as a model that has lost its way would write it. */
const nestedList = (depth) => `${"- ".repeat(depth)}deepest`;

const WORDS = ["the", "engine", "weaves", "algebraic", "patterns", "as", "the", "loom", "weaves", "flowers", "and", "leaves",
  "Grüße", "灯台", "маяк", "🌊"];

/** As many words as wanted, always the same ones. */
export function words(count, from = 0) {
  return `${Array.from({ length: count }, (_, n) => WORDS[(n * 7 + from) % WORDS.length]).join(" ")}.`;
}
