// The control room, for admins: what works, what waits, what failed, and for whom. Loaded when it is first opened.
//
// Sections are at `#/control/<name>`. Each is made of panels that read for themselves (parts.js), so one that fails takes
// no other with it. What an auditor may not change is not offered; what anybody may do, the server decides.

import { Problem, call } from "../lib/api.js";
import { $, attempt, el, setText } from "../lib/dom.js";
import { formatNumber, loadCatalogue, onLanguageChange, t } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import { auditSection } from "./audit.js";
import { deadLettersSection } from "./dead_letters.js";
import { moneySection } from "./money.js";
import { personasSection } from "./personas.js";
import { poll } from "./poll.js";
import { providersSection } from "./providers.js";
import { queueSection } from "./queue.js";
import { servicesSection } from "./services.js";
import { statisticsSection } from "./statistics.js";
import { systemSection } from "./system.js";
import { tiersSection } from "./tiers.js";
import { usersSection } from "./users.js";

/** Sections by their addresses, in groups as they are listed. */
const GROUPS = {
  operation: {
    queue: ["queue", queueSection], "dead-letters": ["warning", deadLettersSection], providers: ["globe", providersSection],
    system: ["monitor", systemSection],
  },
  people: { users: ["users", usersSection], personas: ["user", personasSection], services: ["key", servicesSection] },
  plans: { tiers: ["branch", tiersSection], money: ["cost", moneySection] },
  records: { statistics: ["pulse", statisticsSection], audit: ["book", auditSection] },
};
const SECTIONS = Object.assign({}, ...Object.values(GROUPS));

/** What the marks in the list of sections and in the head are read for. */
const OVERVIEW_MS = 15_000;
const VERDICTS = { well: "good", doubtful: "warn", ill: "danger" };

/** Stops what goes on in the section that is shown. */
let stop = () => {};
let me = null;
let frame = null;
let unlisten = null;

/** Shows the section of the address; `here` tells where the page is. */
export async function show(root, here) {
  stop();
  await Promise.all([loadCatalogue("control"), loadStyles(), attempt(knowMe)]);
  const place = here();
  if (place.name !== "control") return;
  unlisten ??= listen(root, here);
  if (me?.role !== "admin" && me?.role !== "auditor") return showStranger(root);
  frame ??= newFrame(root);
  const name = place.section in SECTIONS ? place.section : "queue";
  frame.mark(name);
  open(frame, name);
  $("scroll").scrollTop = 0;
}

async function knowMe() {
  me = await call("GET", "/auth/me");
  $("control-link").hidden = me.role !== "admin" && me.role !== "auditor";
}

/** For somebody who followed a link that is not for them. */
function showStranger(root) {
  frame?.remove();
  frame = null;
  root.replaceChildren(el("div", { className: "empty" }, icon("lock"), el("strong", { textContent: t("control.admins_only") }),
    el("p", { textContent: t(me ? "control.admins_only_about" : "control.unknown_role") }),
    el("a", { className: "button small", href: "#/", textContent: t("control.home") })));
}

/** The style sheet, whose address the build knows. */
const loadStyles = () => document.querySelector("link.control-styles") ? null : new Promise((resolve) => {
  const href = String(new URL("../styles/control.css", import.meta.url));
  // Without it the page can still be read.
  document.head.append(el("link", { className: "control-styles", rel: "stylesheet", href, onload: resolve, onerror: resolve }));
});

function listen(root, here) {
  // Whatever was read again and again is not read elsewhere.
  addEventListener("hashchange", () => here().name !== "control" && stop());
  return onLanguageChange(async () => {
    frame?.remove();
    frame = null;
    if (here().name === "control") await show(root, here);
  });
}

/** What stays while sections change: their list (beside the page, and above it on a phone), and the marks in the head. */
function newFrame(root) {
  const side = newList(
    "control-nav",
    el("a", { className: "item back", href: "#/" }, icon("back", "turns"), el("span", { textContent: t("control.conversations") })),
  );
  const above = newList("control-tabs");
  const marks = newMarks();
  const body = el("div", { className: "control-section" });
  $("side").querySelector(".search").before(side.node);
  $("title").after(marks.environment);
  $("main").querySelector(".head").append(marks.node);
  root.replaceChildren(above.node, body);
  return {
    body,
    mark: (name) => [side, above].forEach((list) => list.mark(name)),
    count: (name, count) => [side, above].forEach((list) => list.count(name, count)),
    marks,
    remove: () => [side.node, above.node, marks.environment, marks.node].forEach((node) => node.remove()),
  };
}

function newList(className, ...first) {
  const links = new Map();
  const groups = Object.entries(GROUPS).map(([group, sections]) => {
    const items = Object.entries(sections).map(([name, [iconName]]) => {
      const count = el("span", { className: "badge", hidden: true });
      const link = el(
        "a", { className: "item", href: `#/control/${name}` }, icon(iconName),
        el("span", { className: "label", textContent: t(`control.section.${name}`) }), count,
      );
      links.set(name, { link, count });
      return link;
    });
    return el("div", { className: "group", role: "group", ariaLabel: t(`control.group.${group}`) },
      el("p", { className: "heading", ariaHidden: "true", textContent: t(`control.group.${group}`) }), ...items);
  });
  return {
    node: el("nav", { className, ariaLabel: t("control.sections") }, ...first, ...groups),
    mark(current) {
      for (const [name, { link }] of links) {
        if (name === current) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
        if (name === current && className === "control-tabs") requestAnimationFrame(
          () => link.scrollIntoView({ block: "nearest", inline: "center" }),
        );
      }
    },
    count(name, number) {
      const { count } = links.get(name);
      count.hidden = number === 0;
      setText(count, number > 999 ? t("control.many", { count: 999 }) : formatNumber(number));
    },
  };
}

/** In the head: beside the title the environment, where it has a name, and at the end whether all is well. */
function newMarks() {
  const verdict = el(
    "a", { className: "chip tiny verdict", href: "#/control/system", hidden: true }, el("span", { className: "dot", ariaHidden: "true" }),
    el("span"),
  );
  const environment = el("span", { className: "chip tiny environment clip", dir: "auto", hidden: true });
  return {
    environment,
    node: el("span", { className: "control-marks" }, verdict),
    show(health) {
      const named = health.environment ?? "";
      environment.hidden = !named;
      setText(environment, named);
      environment.classList.toggle("production", /^prod/i.test(named));
      verdict.hidden = false;
      verdict.firstChild.className = `dot ${VERDICTS[health.verdict] ?? ""}`;
      setText(verdict.lastChild, t(`control.verdict.${health.verdict}`));
    },
  };
}

/** Opens a section: `{nodes, read, pauseMs}`. */
function open({ body, count, marks }, name) {
  const [, newSection] = SECTIONS[name];
  const { nodes, read, pauseMs = 0 } = newSection({ me, canChange: me.role === "admin" });
  document.title = `${t(`control.section.${name}`)} · ${t("side.control")} · Troupe`;
  body.replaceChildren(
    el(
      "header", { className: "control-head" }, el("h2", { textContent: t(`control.section.${name}`) }),
      el("p", { className: "quiet", textContent: t(`control.about.${name}`) }),
    ),
    ...nodes,
  );
  stop();
  const stops = [poll(read, pauseMs), poll(() => readOverview({ count, marks }), OVERVIEW_MS)];
  stop = () => stops.forEach((each) => each());
}

/** The marks are worth no word when they cannot be read: the section says what is wrong. */
async function readOverview({ count, marks }) {
  try {
    const [queue, health] = await Promise.all([call("GET", "/admin/queue"), call("GET", "/admin/health")]);
    count("dead-letters", queue.dead_letters + queue.jobs.reduce((sum, { dead_letters: letters }) => sum + letters, 0));
    count("providers", health.providers.providers.filter(({ light }) => light === "red").length);
    marks.show(health);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}
