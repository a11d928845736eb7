// Bars that lie, a row for each name, with their numbers as a table for those who do not see them.

import { el } from "../lib/dom.js";
import { formatNumber } from "../lib/i18n.js";

/** A figure of `series` (`[{name, points: [[name of the row, value], …]}]`), of which all have the same rows. */
export function bars({ title, series }) {
  const names = series[0].points.map(([name]) => name);
  const caption = el("figcaption", {}, el("strong", { textContent: title }), ...(series.length > 1 ? [legend(series)] : []));
  const most = Math.max(1, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
  const rows = names.map((name, at) => el("div", { className: "bar-row" }, el("span", { className: "bar-name", textContent: name, dir: "auto" }),
    el("span", { className: "bar-tracks" }, ...series.map(({ points }, number) => bar(points[at][1], most, number)))));
  return el("figure", { className: "bars" }, caption, el("div", { className: "bar-rows", ariaHidden: "true" }, ...rows), table(title, series, names));
}

const legend = (series) => el("span", { className: "bar-legend" },
  ...series.map(({ name }, number) => el("span", {}, el("span", { className: `bar-key of-${number}` }), name)));

function bar(value, most, number) {
  const lying = el("span", { className: `bar-lying of-${number}` });
  lying.style.inlineSize = `${(value / most) * 100}%`;
  return el("span", { className: "bar-track" }, el("span", { className: "bar-room" }, lying), el("span", { className: "bar-value", textContent: formatNumber(value) }));
}

function table(title, series, names) {
  const head = el("tr", {}, el("td"), ...series.map(({ name }) => el("th", { textContent: name, scope: "col" })));
  const rows = names.map((name, at) => el("tr", {}, el("th", { textContent: name, scope: "row" }),
    ...series.map(({ points }) => el("td", { textContent: formatNumber(points[at][1]) }))));
  return el("table", { className: "unseen" }, el("caption", { textContent: title }), head, ...rows);
}
