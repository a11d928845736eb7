// The picture of a persona: looked at before it is sent, and taken away again.

import { Problem, call } from "../lib/api.js";
import { el, setText, toast } from "../lib/dom.js";
import { hasText, t } from "../lib/i18n.js";
import { button } from "./fields.js";
import { portrait } from "./portrait.js";

const TYPES = "image/png,image/jpeg,image/webp";
const SEND_MS = 60_000;

/** Returns a node. `changed(persona)` hears of a new picture, and of none. */
export function avatarField({ persona, changed }) {
  const path = `/personas/${persona.slug}/avatar`;
  const picture = el("span", { className: "avatar-now" });
  const fault = el("span", { className: "fault", role: "alert" });
  const input = el("input", { type: "file", accept: TYPES, hidden: true });
  const choose = button(t("studio.avatar.choose"), () => input.click(), "button small");
  const send = button(t("studio.avatar.send"), () => save(upload, send), "primary");
  const remove = button(t("studio.avatar.remove"), () => save(takeAway, remove), "button small plain");
  const about = el("p", { className: "quiet small-text", textContent: t("studio.avatar.about") });
  const buttons = el("div", { className: "avatar-buttons" }, choose, send, remove, input);
  const node = el("div", { className: "avatar-field" }, picture,
    el("div", {}, el("strong", { textContent: t("studio.avatar.label") }), about, buttons, fault));
  let file = null;
  let preview = "";

  function show() {
    picture.replaceChildren(portrait(file ? { ...persona, avatar_url: preview } : persona, "large"));
    send.hidden = !file;
    remove.hidden = Boolean(file) || !persona.avatar_url;
  }

  function take(chosen) {
    if (preview) URL.revokeObjectURL(preview);
    file = chosen ?? null;
    preview = file ? URL.createObjectURL(file) : "";
    input.value = "";
    setText(fault, "");
    show();
  }

  input.onchange = () => take(input.files[0]);

  async function upload() {
    persona = await call("PUT", path, { body: file, patience: SEND_MS });
    toast(t("studio.avatar.sent"));
  }

  async function takeAway() {
    await call("DELETE", path);
    persona = { ...persona, avatar_url: null };
    toast(t("studio.avatar.removed"));
  }

  /** The button goes when it has done its work, and its focus with it. */
  async function save(change, pressed) {
    pressed.disabled = true;
    setText(fault, "");
    try {
      await change();
      take(null);
      changed(persona);
      choose.focus();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(fault, faultText(problem));
    } finally {
      pressed.disabled = false;
    }
  }

  show();
  return node;
}

function faultText({ code, message }) {
  const own = `studio.avatar.fault.${code}`;
  return code && hasText(own) ? t(own) : message;
}
