// Before the first paint: the theme that was chosen on the account page, so that no other one flashes, and the modules of
// the place that the address leads to, so that they come along with the page's own. Not a module, because modules wait
// until the document has been read.

try {
  const theme = JSON.parse(localStorage.getItem("troupe.theme"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme.
}

// The build puts the addresses of what each entry loads in place of this. Without it (in development) nothing is asked
// for before a module imports it.
const MODULES = "modules-of-the-build";

function entryOfPlace() {
  try {
    if (!localStorage.getItem("troupe.session")) return "gate/gate.js";
  } catch {
    return "gate/gate.js";
  }
  if (/^#\/(c|new)\//.test(location.hash)) return "chat/chat.js";
  if (/^#\/control(\/|$)/.test(location.hash)) return "control/control.js";
  if (/^#\/studio(\/|$)/.test(location.hash)) return "studio/studio.js";
  return location.hash === "#/account" ? "account/account.js" : null;
}

for (const href of MODULES[entryOfPlace()] ?? []) {
  document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
}
