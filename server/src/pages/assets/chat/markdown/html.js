// The HTML of a block: parsed by marked, sanitised by DOMPurify, with HTML of its own as text.

import DOMPurify from "../../vendor/dompurify/dompurify.js";
import { Marked } from "../../vendor/marked/marked.js";

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;
/** `$…$`, `$$…$$`, `\(…\)` and `\[…\]` stay as they are written: within them, marks mean something else. */
const MATH = /^(?:\$\$[^$]{1,2000}\$\$|\$(?![\s$])(?:[^$\n\\]|\\.){0,200}?[^\s$\\]\$(?!\d)|\\\([^\n]{1,400}?\\\)|\\\[[^]{1,2000}?\\\])/;

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

function link(href, text) {
  if (!SAFE_LINK.test(href)) return text;
  return `<a href="${escape(href)}" rel="noopener noreferrer nofollow" target="_blank">${text}</a>`;
}

const math = {
  name: "math",
  level: "inline",
  start: (source) => source.search(/\$|\\[([]/),
  tokenizer(source) {
    const match = MATH.exec(source.slice(0, 2_100));
    return match ? { type: "math", raw: match[0] } : undefined;
  },
  renderer: ({ raw }) => `<span class="math">${escape(raw)}</span>`,
};

const renderer = {
  // Below the headings of the page.
  heading({ tokens, depth }) {
    const level = Math.min(6, depth + 2);
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
  },
  link({ href, tokens, raw }) {
    return link(href, SAFE_LINK.test(href) ? this.parser.parseInline(tokens) : escape(raw));
  },
  // Nothing is loaded from other hosts because a reply says so.
  image: ({ href, text, raw }) => link(href, escape(text || (SAFE_LINK.test(href) ? href : raw))),
  html: ({ text }) => escape(text),
  checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
};

const tokenizer = {
  html: () => undefined,
  tag: () => undefined,
  // A reply must not lose the line that looks like one.
  def: () => undefined,
};

const marked = new Marked({ gfm: true, breaks: true, silent: false, renderer, tokenizer, extensions: [math] });

const ALLOWED = {
  ALLOWED_TAGS: [
    "p", "br", "strong", "em", "del", "a", "code", "pre", "ul", "ol", "li", "blockquote", "h3", "h4", "h5", "h6", "hr",
    "table", "thead", "tbody", "tr", "th", "td", "span",
  ],
  ALLOWED_ATTR: ["href", "rel", "target", "class", "align", "start"],
  // Values of these are no addresses.
  ADD_URI_SAFE_ATTR: ["rel", "target", "class", "align", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_LINK,
  RETURN_DOM_FRAGMENT: true,
};

/** The elements of a block of Markdown. */
export const fragmentOf = (source) => DOMPurify.sanitize(marked.parse(source), ALLOWED);
