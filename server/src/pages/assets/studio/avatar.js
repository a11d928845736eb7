// The picture of a persona: looked at before it is sent.

import { Problem, call } from "../lib/api.js";
import { el, setText, toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { button } from "./fields.js";
import { portrait } from "./portrait.js";

const TYPES = "image/png,image/jpeg,image/webp";
const SEND_MS = 60_000;

/** Returns a node. `changed(persona)` hears of a new picture. */
export function avatarField({ persona, changed }) {
  const picture = el("span", { className: "avatar-now" }, portrait(persona, "large"));
  const fault = el("span", { className: "fault", role: "alert" });
  const input = el("input", { type: "file", accept: TYPES, hidden: true });
  const choose = button(t("studio.avatar.choose"), () => input.click(), "button small");
  const send = button(t("studio.avatar.send"), upload, "primary");
  const about = el("p", { className: "quiet small-text", textContent: t("studio.avatar.about") });
  const buttons = el("div", { className: "avatar-buttons" }, choose, send, input);
  const node = el("div", { className: "avatar-field" }, picture,
    el("div", {}, el("strong", { textContent: t("studio.avatar.label") }), about, buttons, fault));
  let file = null;
  let preview = "";
  send.hidden = true;

  input.onchange = () => {
    [file] = input.files;
    setText(fault, "");
    if (preview) URL.revokeObjectURL(preview);
    preview = file ? URL.createObjectURL(file) : "";
    send.hidden = !file;
    picture.replaceChildren(portrait(file ? { ...persona, avatar_url: preview } : persona, "large"));
  };

  async function upload() {
    send.disabled = true;
    try {
      await call("PUT", `/personas/${persona.slug}/avatar`, { body: file, patience: SEND_MS });
      persona = await call("GET", `/personas/${persona.slug}`);
      send.hidden = true;
      changed(persona);
      picture.replaceChildren(portrait(persona, "large"));
      toast(t("studio.avatar.sent"));
      choose.focus();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(fault, problem.message);
    } finally {
      send.disabled = false;
    }
  }

  return node;
}
