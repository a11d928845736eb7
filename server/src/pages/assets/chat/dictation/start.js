// The button of dictation and what is said beside it. Loaded when the button is first used.

import { el, setText, toast } from "../../lib/dom.js";
import { formatLanguage, t } from "../../lib/i18n.js";
import { newDictation } from "./dictation.js";

/** Chrome on Android repeats all that it has understood in each further result, unless it stops after the first pause. */
const isContinuous = () => !/\bAndroid\b/.test(navigator.userAgent);

/** A language as recognition wants it, with a country: that of the browser (`en-GB`), or where it is spoken most (`uk-UA`). */
export function recognitionTag(tag, preferred) {
  const wanted = new Intl.Locale(tag);
  if (wanted.region) return tag;
  const { language, script, region } = wanted.maximize();
  const isSame = (other) => other.region && other.language === language && other.maximize().script === script;
  return preferred.map((each) => new Intl.Locale(each)).find(isSame)?.toString() ?? `${language}-${region}`;
}

/**
 * `Recognition` is the browser's; `language()` the tag of what is spoken. `onBegin()` and `onEnd()` hear when it records, and
 * no more.
 */
export function startDictation({ Recognition, button, form, composer, language, onBegin, onEnd }) {
  let spoken = null;
  let wasOn = false;
  // There before it says something: what comes with its text is not read aloud.
  const saying = el("p", { className: "hint dictating", role: "status" });
  form.after(saying);
  const dictation = newDictation({
    newRecognition: () => Object.assign(new Recognition(), { continuous: isContinuous() }),
    composer, onStatus: show,
    onFailure: (why) => toast(t(`chat.dictation.failed.${why}`, { language: formatLanguage(spoken) })),
  });

  function show(status) {
    const isOn = dictation.isOn();
    button.ariaPressed = String(isOn);
    setText(saying, status === "listening" ? t("chat.dictation.listening", { language: formatLanguage(spoken) }) : "");
    if (isOn !== wasOn) {
      wasOn = isOn;
      isOn ? onBegin() : onEnd();
    }
  }

  addEventListener("keydown", ({ key }) => key === "Escape" && dictation.stop());
  document.addEventListener("visibilitychange", () => document.hidden && dictation.stop());

  return {
    ...dictation,
    toggle() {
      if (!dictation.isOn()) spoken = language();
      dictation.toggle(recognitionTag(spoken, navigator.languages));
    },
  };
}
