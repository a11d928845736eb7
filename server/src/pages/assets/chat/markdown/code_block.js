// A block of code: its language, a button that copies it, and colours once it is whole.

import { el } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { icon, changeIcon } from "../../lib/icons.js";
import { copyText } from "../clipboard.js";

/** Longer code stays plain. */
const MAX_COLOURED = 20_000;
/** A browser lays out a whole element anew when text is added to it, so long code grows in several. */
const PIECE = 4_000;
const COPIED_MS = 2_000;

/** `set` shows the code so far, `close` says that no more will come. */
export function newCodeBlock() {
  const label = el("span", { className: "code-language", dir: "ltr" });
  const words = el("span", { textContent: t("chat.code.copy") });
  const copy = el("button", { type: "button", className: "code-copy" }, icon("copy", "small"), words);
  const body = el("code");
  // Focusable: what scrolls is reached by keyboard.
  const pre = el("pre", { tabIndex: 0, dir: "ltr", role: "group" }, body);
  const root = el("div", { className: "code" }, el("div", { className: "code-head" }, label, copy), pre);
  let code = "";
  let language = "";
  /** The text node that grows. */
  let piece = null;
  copy.onclick = async () => {
    if (await copyText(code)) showCopied(copy);
  };

  function set(next) {
    language = next.language;
    label.textContent = language || t("chat.code.plain");
    pre.ariaLabel = t("chat.code.label", { language: label.textContent });
    if (!next.code.startsWith(code)) {
      body.replaceChildren();
      piece = null;
      code = "";
    }
    append(next.code.slice(code.length));
    code = next.code;
  }

  function append(added) {
    for (let from = 0; from < added.length;) {
      if (!piece || piece.data.length >= PIECE) body.append(el("span", { className: "code-piece" }, piece = document.createTextNode("")));
      // Pieces end with lines, because each is a block of its own.
      const line = added.indexOf("\n", from + PIECE - piece.data.length - 1);
      const to = line === -1 ? added.length : line + 1;
      piece.appendData(added.slice(from, to));
      from = to;
    }
  }

  async function close() {
    if (!language || code.length > MAX_COLOURED) return;
    const { highlight } = await import("./highlight.js").catch(() => ({}));
    const coloured = code;
    const parts = await highlight?.(coloured, language);
    if (!parts || coloured !== code || !root.isConnected) return;
    body.replaceChildren(...parts.map(([text, kind]) => (kind ? el("span", { className: `code-${kind}`, textContent: text }) : text)));
  }

  return { root, set, close };
}

function showCopied(button) {
  const [drawn, words] = button.children;
  changeIcon(drawn, "check");
  words.textContent = t("chat.copied");
  setTimeout(() => {
    changeIcon(drawn, "copy");
    words.textContent = t("chat.code.copy");
  }, COPIED_MS);
}
