// Theme, language and notifications: what is kept in this browser.

import { attempt, el, toast } from "../lib/dom.js";
import { LANGUAGES, chooseLanguage, chosenLanguage, isMachineTranslated, t } from "../lib/i18n.js";
import { byOwnName, languageOption, readLanguages } from "../lib/languages.js";
import { THEMES, chooseTheme, chosenTheme } from "../lib/theme.js";
import { pushState, refreshPush, turnOff, turnOn } from "../push/push.js";
import { button, panel } from "./parts.js";

function themeChoice() {
  const choices = THEMES.map((theme) => el("label", {},
    el("input", { type: "radio", name: "theme", value: theme, checked: theme === chosenTheme(), onchange: () => chooseTheme(theme) }),
    el("span", { textContent: t(`account.look.${theme}`) })));
  return el("fieldset", { className: "field" }, el("legend", { textContent: t("account.look.theme") }), el("div", { className: "segments" }, ...choices));
}

function languageChoice() {
  const automatic = el("option", { value: "", textContent: t("account.look.automatic") });
  const options = Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, textContent: name, lang: code }));
  const select = el("select", { name: "language" }, automatic, ...options);
  const note = el("small", { className: "quiet", hidden: !isMachineTranslated() }, t("account.look.machine_about"));
  select.value = chosenLanguage() ?? "";
  offerOthers(select);
  select.onchange = async () => {
    await chooseLanguage(select.value || null);
    note.hidden = !isMachineTranslated();
    note.textContent = t("account.look.machine_about");
    // Notifications come in the language of the page.
    await attempt(refreshPush);
  };
  return el("label", { className: "field" }, t("account.look.language"), select, note);
}

/** Languages that the pages can be translated into, below those that they are written in. */
async function offerOthers(select) {
  const { items, translates } = await readLanguages().catch(() => ({ items: [], translates: false }));
  const chosen = chosenLanguage();
  const isOffered = ({ code }) => !(code in LANGUAGES) && (translates || code === chosen);
  const others = byOwnName(items.filter(isOffered));
  if (others.length === 0) return;
  select.append(el("optgroup", { label: t("account.look.machine") }, ...others.map(languageOption)));
  select.value = chosen ?? "";
}

export const lookPanel = () => panel("look", el("div", { className: "choices" }, themeChoice(), languageChoice()));

export function pushPanel() {
  const word = el("p", { className: "quiet", role: "status" });
  const change = button("", () => attempt(toggle), "button");

  async function toggle() {
    change.disabled = true;
    try {
      if ((await pushState()) === "on") await turnOff();
      else await turnOn();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      toast(t("common.push.not_kept"));
    } finally {
      change.disabled = false;
      await show();
    }
  }

  async function show() {
    const state = await pushState();
    const possible = state === "on" || state === "off";
    change.hidden = !possible;
    change.textContent = t(state === "on" ? "account.push.off" : "account.push.on");
    word.textContent = possible ? "" : t(`common.push.${state}`);
  }

  return { section: panel("push", change, word), show };
}
