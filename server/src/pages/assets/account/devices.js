// Names of devices, from what browsers call themselves.

import { t } from "../lib/i18n.js";

const BROWSERS = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
const SYSTEMS = [
  ["Windows", "Windows"], ["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["CrOS", "ChromeOS"], ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
];
const MAX_NAME = 60;

const nameIn = (marks, agent) => marks.find(([mark]) => agent.includes(mark))?.[1];

/** What a client called itself, as a person would. */
export function deviceOf(agent) {
  if (!agent) return t("account.sign_ins.program");
  const browser = nameIn(BROWSERS, agent);
  const system = nameIn(SYSTEMS, agent);
  if (!browser) return Array.from(agent).slice(0, MAX_NAME).join("");
  return system ? t("account.sign_ins.device", { browser, system }) : browser;
}
