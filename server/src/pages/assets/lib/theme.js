// The theme: the system's, or the one that was chosen. early.js sets it before the first paint.

import { THEME, store, stored } from "./storage.js";

export const THEMES = ["system", "light", "dark"];

export function chosenTheme() {
  const chosen = stored(localStorage, THEME);
  return THEMES.includes(chosen) ? chosen : "system";
}

export function chooseTheme(theme) {
  store(localStorage, THEME, theme === "system" ? null : theme);
  applyTheme();
}

/** Shows the chosen theme, and gives the browser's own bars its colour. */
export function applyTheme() {
  const theme = chosenTheme();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const paper = (scheme) => document.querySelector(`meta[name="theme-color"][media*="${scheme}"]`)?.dataset.color;
  for (const scheme of ["light", "dark"]) {
    const meta = document.querySelector(`meta[name="theme-color"][media*="${scheme}"]`);
    if (meta) meta.content = paper(theme === "system" ? scheme : theme);
  }
}

/** Chosen in another tab, the theme changes here too. */
export function startTheme() {
  applyTheme();
  addEventListener("storage", ({ key, storageArea }) => key === THEME && storageArea === localStorage && applyTheme());
}
