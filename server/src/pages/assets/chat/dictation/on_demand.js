// Dictation, which is loaded when its button is first used. Where the browser recognises no speech there is no button.

import { toast } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

/** `parts` are those of `startDictation`. */
export function dictationOnDemand({ button, ...parts }) {
  const Recognition = globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;
  let dictation = null;
  button.hidden = !Recognition;
  button.onclick = async () => {
    const loaded = await import("./start.js").catch(() => null);
    if (!loaded) return toast(t("common.not_loaded"));
    dictation ??= loaded.startDictation({ Recognition, button, ...parts });
    return dictation.toggle();
  };

  return {
    isOn: () => dictation?.isOn() ?? false,
    stop: () => dictation?.stop(),
    drop: () => dictation?.drop(),
  };
}
