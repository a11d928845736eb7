// Small plots: lines and bars in SVG, with their numbers as a table for those who do not see them.

import { el } from "./dom.js";
import { formatNumber } from "./i18n.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [320, 120];
const PAD = { top: 8, bottom: 18, side: 6 };
/** Between the labels below, about, so that none lies over its neighbour. */
const LABEL_WIDTH = 64;

/**
 * A figure of `series` (`[{name, points: [[x, y], …]}]`). An x is a number, a date, or the name of a bar; all series
 * have the same ones. `formatX` says how it is written; `unit` is what is counted, in words.
 */
export function plot({ title, series, unit = "", kind = "line", formatX = String }) {
  const xs = series[0]?.points.map(([x]) => x) ?? [];
  const most = Math.max(1, ...series.flatMap(({ points }) => points.map(([, y]) => y)));
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", class: "plot-image" });
  const scale = {
    x: (at) => PAD.side + ((at + (kind === "bar" ? 0.5 : 0)) / Math.max(1, kind === "bar" ? xs.length : xs.length - 1)) * (WIDTH - 2 * PAD.side),
    y: (value) => HEIGHT - PAD.bottom - (value / most) * (HEIGHT - PAD.top - PAD.bottom),
  };
  svg.append(shape("path", { class: "plot-base", d: `M${PAD.side} ${scale.y(0)}H${WIDTH - PAD.side}` }));
  series.forEach(({ points }, number) => svg.append(...(kind === "bar" ? bars : line)(points, number, scale, series.length)));
  svg.append(...labels(xs.map(formatX), scale));
  const caption = el("figcaption", {}, el("strong", { textContent: title }), ...(series.length > 1 ? [legend(series)] : []));
  const numbers = table(title, series, xs.map(formatX), unit);
  return el("figure", { className: "plot" }, caption, svg, numbers);
}

function shape(name, attributes, text = "") {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
}

function line(points, number, { x, y }) {
  const at = points.map(([, value], place) => `${x(place).toFixed(1)} ${y(value).toFixed(1)}`);
  const [last] = at.slice(-1);
  return [
    shape("path", { class: `plot-line of-${number}`, d: `M${at.join("L")}` }),
    ...(last ? [shape("circle", { class: `plot-dot of-${number}`, cx: last.split(" ")[0], cy: last.split(" ")[1], r: 2.5 })] : []),
  ];
}

function bars(points, number, { x, y }, all) {
  const room = ((WIDTH - 2 * PAD.side) / Math.max(1, points.length)) * 0.72;
  const width = Math.min(28, room / all);
  return points.map(([, value], place) => {
    const start = x(place) - (width * all) / 2 + width * number;
    const height = Math.max(value > 0 ? 1.5 : 0, y(0) - y(value));
    return shape("rect", { class: `plot-bar of-${number}`, x: start.toFixed(1), y: (y(0) - height).toFixed(1), width: (width - 1).toFixed(1), height: height.toFixed(1), rx: 2 });
  });
}

function labels(texts, { x }) {
  const every = Math.max(1, Math.ceil((texts.length * LABEL_WIDTH) / WIDTH));
  return texts.flatMap((text, at) => (at % every ? [] : [shape("text", { class: "plot-label", x: x(at).toFixed(1), y: HEIGHT - 5, "text-anchor": "middle" }, text)]));
}

const legend = (series) => el("span", { className: "plot-legend" },
  ...series.map(({ name }, number) => el("span", {}, el("span", { className: `plot-key of-${number}` }), name)));

function table(title, series, texts, unit) {
  const cell = (value) => el("td", { textContent: `${formatNumber(value)} ${unit}`.trim() });
  const head = el("tr", {}, el("td"), ...series.map(({ name }) => el("th", { textContent: name, scope: "col" })));
  const rows = texts.map((text, at) => el("tr", {}, el("th", { textContent: text, scope: "row" }), ...series.map(({ points }) => cell(points[at][1]))));
  return el("table", { className: "unseen" }, el("caption", { textContent: title }), head, ...rows);
}
