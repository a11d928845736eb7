// The small window of the voice: whether replies are spoken by themselves, how fast, and whether they are heard.

import { el, setText } from "../../lib/dom.js";
import { formatNumber, t } from "../../lib/i18n.js";
import { openPopover } from "../popover.js";
import { SPEEDS } from "./settings.js";

function switchOf(key, checked, change) {
  const input = el("input", { type: "checkbox", className: "switch", checked });
  input.onchange = () => change(input.checked);
  return el("label", { className: "choice turned" }, input, el("span", { textContent: t(key) }));
}

function speedOf(speed, change) {
  const input = el("input", { type: "range", ...SPEEDS, value: speed });
  const word = el("output", { className: "quiet", dir: "ltr" });
  const show = () => {
    setText(word, t("chat.voice.rate", { speed: formatNumber(Number(input.value), { maximumFractionDigits: 2 }) }));
    input.ariaValueText = word.textContent;
  };
  input.oninput = show;
  // What is spoken already is made anew at another speed: not for each place that the slider passes.
  input.onchange = () => change(Number(input.value));
  show();
  const heading = el("span", { className: "voice-speed" }, el("span", { textContent: t("chat.voice.speed") }), word);
  return el("label", { className: "field" }, heading, input);
}

/** Opens it beside a button; `change(some)` takes some of the settings. */
export function openVoicePanel(anchor, { isOn, speed, isMuted }, change) {
  const content = el("div", { className: "voice-panel" },
    switchOf("chat.voice.speak", isOn, (checked) => change({ isOn: checked })),
    el("p", { className: "quiet", textContent: t("chat.voice.about") }),
    speedOf(speed, (chosen) => change({ speed: chosen })),
    switchOf("chat.voice.mute", isMuted, (checked) => change({ isMuted: checked })));
  openPopover(anchor, content, t("chat.voice.title"));
}
