// Small plots: lines in SVG and bars, with their numbers as a table for those who do not see them.

import { el } from "../lib/dom.js";
import { formatNumber } from "../lib/i18n.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [320, 120];
const PAD = { top: 8, bottom: 18, side: 6 };
/** Between the labels below, about, so that none lies over its neighbour. */
const LABEL_WIDTH = 64;

/**
 * A figure of `series` (`[{name, points: [[x, y], …]}]`), of which all have the same xs. An x is a number, a date, or the
 * name of a bar; `formatX` says how it is written; `unit` is what is counted, in words. Bars with names lie.
 */
export function plot({ title, series, unit = "", kind = "line", formatX = String }) {
  const xs = series[0]?.points.map(([x]) => x) ?? [];
  const texts = xs.map(formatX);
  const caption = el("figcaption", {}, el("strong", { textContent: title }), ...(series.length > 1 ? [legend(series)] : []));
  const isNamed = kind === "bar" && xs.every((x) => typeof x === "string");
  const drawn = isNamed ? lyingBars(series, texts) : drawing(series, texts, kind);
  return el("figure", { className: "plot" }, caption, drawn, table(title, series, texts, unit));
}

const mostOf = (series) => Math.max(1, ...series.flatMap(({ points }) => points.map(([, y]) => y)));

const legend = (series) => el("span", { className: "plot-legend" },
  ...series.map(({ name }, number) => el("span", {}, el("span", { className: `plot-key of-${number}` }), name)));

// ── Bars with names: a row each, which is read in any direction of writing

function lyingBars(series, texts) {
  const most = mostOf(series);
  const rows = texts.map((text, at) => el("div", { className: "plot-row" }, el("span", { className: "plot-name", textContent: text, dir: "auto" }),
    el("span", { className: "plot-tracks" }, ...series.map(({ points }, number) => lyingBar(points[at][1], most, number)))));
  return el("div", { className: "plot-rows", ariaHidden: "true" }, ...rows);
}

function lyingBar(value, most, number) {
  const bar = el("span", { className: `plot-lying of-${number}` });
  bar.style.inlineSize = `${(value / most) * 100}%`;
  return el("span", { className: "plot-track" }, el("span", { className: "plot-room" }, bar), el("span", { className: "plot-value", textContent: formatNumber(value) }));
}

// ── Over a line of numbers or days

function drawing(series, texts, kind) {
  const most = mostOf(series);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", class: "plot-image" });
  const steps = kind === "bar" ? texts.length : texts.length - 1;
  const scale = {
    x: (at) => PAD.side + ((at + (kind === "bar" ? 0.5 : 0)) / Math.max(1, steps)) * (WIDTH - 2 * PAD.side),
    y: (value) => HEIGHT - PAD.bottom - (value / most) * (HEIGHT - PAD.top - PAD.bottom),
  };
  svg.append(shape("path", { class: "plot-base", d: `M${PAD.side} ${scale.y(0)}H${WIDTH - PAD.side}` }));
  series.forEach(({ points }, number) => svg.append(...(kind === "bar" ? bars : line)(points, number, scale, series.length)));
  svg.append(...labels(texts, scale));
  return svg;
}

function shape(name, attributes, text = "") {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
}

function line(points, number, { x, y }) {
  const at = points.map(([, value], place) => [x(place).toFixed(1), y(value).toFixed(1)]);
  const last = at.at(-1);
  const path = shape("path", { class: `plot-line of-${number}`, d: `M${at.map((point) => point.join(" ")).join("L")}` });
  return last ? [path, shape("circle", { class: `plot-dot of-${number}`, cx: last[0], cy: last[1], r: 2.5 })] : [];
}

function bars(points, number, { x, y }, all) {
  const room = ((WIDTH - 2 * PAD.side) / Math.max(1, points.length)) * 0.72;
  const width = Math.min(28, room / all);
  return points.map(([, value], place) => {
    const start = x(place) - (width * all) / 2 + width * number;
    const height = Math.max(value > 0 ? 1.5 : 0, y(0) - y(value));
    const box = { x: start, y: y(0) - height, width: width - 1, height };
    const attributes = Object.fromEntries(Object.entries(box).map(([key, size]) => [key, size.toFixed(1)]));
    return shape("rect", { class: `plot-bar of-${number}`, rx: 2, ...attributes });
  });
}

function labels(texts, { x }) {
  const every = Math.max(1, Math.ceil((texts.length * LABEL_WIDTH) / WIDTH));
  const shown = texts.map((text, at) => ({ text, at })).filter(({ at }) => at % every === 0);
  return shown.map(({ text, at }) => shape("text", { class: "plot-label", x: x(at).toFixed(1), y: HEIGHT - 5, "text-anchor": "middle" }, text));
}

function table(title, series, texts, unit) {
  const cell = (value) => el("td", { textContent: `${formatNumber(value)} ${unit}`.trim() });
  const head = el("tr", {}, el("td"), ...series.map(({ name }) => el("th", { textContent: name, scope: "col" })));
  const rows = texts.map((text, at) => el("tr", {}, el("th", { textContent: text, scope: "row" }), ...series.map(({ points }) => cell(points[at][1]))));
  return el("table", { className: "unseen" }, el("caption", { textContent: title }), head, ...rows);
}
