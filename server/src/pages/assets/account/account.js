// The account page. Loaded when it is first opened.

import { loadCatalogue, onLanguageChange } from "../lib/i18n.js";
import { keysPanel, passwordPanel, signInsPanel } from "./access.js";
import { dataPanel, leavePanel } from "./data.js";
import { lookPanel, pushPanel } from "./look.js";

let unlisten = null;

/** Fills the page, for whoever has this address; `closed` hears that the account is no more. */
export async function show(root, { email, closed }) {
  await loadCatalogue("account");
  const signIns = signInsPanel();
  const keys = keysPanel();
  const notifications = pushPanel();
  // All at once: what came later would move what is being read.
  await Promise.all([signIns.read(), keys.read(), notifications.show()]);
  root.replaceChildren(
    lookPanel(), notifications.section, signIns.section, passwordPanel(email, signIns.read), keys.section, dataPanel(), leavePanel(closed),
  );
  unlisten?.();
  unlisten = onLanguageChange(async () => {
    if (root.hidden) return;
    await show(root, { email, closed });
    root.querySelector("[name=language]").focus();
  });
}
