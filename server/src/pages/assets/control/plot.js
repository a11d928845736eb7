// Small plots over time, as plain SVG: lines and areas by tokens' colours, two axes, and a cursor that a pointer or the
// arrow keys move. To screen readers a plot is a slider over time, whose value is what stands at the cursor.

import { el } from "../lib/dom.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
/** Of the viewBox: the browser stretches it to whatever room there is, and lines stay as thin as they are. */
const WIDTH = 1_000;
const HEIGHT = 100;
const STEPS = [1, 2, 2.5, 5, 10];

const svg = (tag, attributes) => {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

/** The least "round" number that is not below this: where the axis ends. */
export function ceilingOf(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return STEPS.map((step) => step * unit).find((step) => step >= value * 0.999_999);
}

/** The path of a line through the points `[x, y]`; it breaks where a value is missing. */
export function lineOf(points) {
  let isBroken = true;
  return points.map(([x, y]) => {
    if (y === null) {
      isBroken = true;
      return "";
    }
    const command = isBroken ? "M" : "L";
    isBroken = false;
    return `${command}${round(x)} ${round(y)}`;
  }).join("");
}

/** The same down to the axis: one closed area for each piece without a gap. */
export function areaOf(points) {
  const pieces = [[]];
  for (const point of points) point[1] === null ? pieces.push([]) : pieces.at(-1).push(point);
  const areas = pieces.filter(({ length }) => length > 1).map((piece) => {
    const [start, end] = [piece[0][0], piece.at(-1)[0]].map(round);
    return `M${start} ${HEIGHT}${lineOf(piece).replace("M", "L")}L${end} ${HEIGHT}Z`;
  });
  return areas.join("");
}

const round = (number) => Math.round(number * 10) / 10;

/** What half of the height is called, unless it is called as the whole is: there is no half of a millisecond. */
function labelsOf(top, format) {
  const [whole, half] = [format(top), format(top / 2)];
  return [whole, half === whole ? "" : half, format(0)];
}

/**
 * A plot of `series` (`{name, colour, of(point), isFilled}`) over points in the order of time, each with `at`. `format` is for
 * values, `formatAt` for times. Returns the node.
 */
export function newPlot({ title, points, series, format, formatAt }) {
  const values = series.map(({ of }) => points.map((point) => of(point) ?? null));
  const top = ceilingOf(Math.max(0, ...values.flat()));
  const xOf = (at) => (points.length > 1 ? (at / (points.length - 1)) * WIDTH : WIDTH / 2);
  const yOf = (value) => (value === null ? null : HEIGHT - (value / top) * HEIGHT);
  const cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT });
  cursor.setAttribute("visibility", "hidden");
  const drawing = drawingOf(series, values.map((row) => row.map((value, at) => [xOf(at), yOf(value)])), cursor);
  const readout = el("p", { className: "readout" });
  const field = el("div", { className: "field-of-plot", role: "slider", tabIndex: 0, dir: "ltr" }, drawing);
  Object.assign(
    field, { ariaLabel: title, ariaValueMin: "0", ariaValueMax: String(Math.max(0, points.length - 1)), ariaOrientation: "horizontal" },
  );
  const axis = (name, texts) => el(
    "div", { className: name, ariaHidden: "true", dir: "ltr" }, ...texts.map((textContent) => el("span", { textContent, dir: "auto" })),
  );
  const node = el("figure", { className: "plot" },
    el("figcaption", {}, el("strong", { textContent: title, dir: "auto" }), readout),
    axis("y-axis", labelsOf(top, format)), field, axis("x-axis", [formatAt(points[0].at), formatAt(points.at(-1).at)]));
  const textAt = (at) => [
    formatAt(points[at].at), ...series.map(({ name }, which) => `${name} ${values[which][at] === null ? "–" : format(values[which][at])}`),
  ];

  function show(at, isPointed) {
    cursor.setAttribute("x1", xOf(at));
    cursor.setAttribute("x2", xOf(at));
    cursor.setAttribute("visibility", isPointed ? "visible" : "hidden");
    field.ariaValueNow = String(at);
    field.ariaValueText = textAt(at).join(", ");
    readout.replaceChildren(
      ...readingOf(series, values, at, format),
      ...(isPointed ? [el("span", { className: "quiet", textContent: formatAt(points[at].at) })] : []),
    );
  }

  moveCursor(field, points.length, show);
  show(points.length - 1, false);
  return node;
}

/** One alone is called as the plot is. */
const readingOf = (series, values, at, format) => series.map(({ name, colour }, which) =>
  el("span", { className: "reading" }, ...(series.length > 1 ? [el("span", { className: `key ${colour}`, ariaHidden: "true" }), `${name} `] : []),
    el("b", { textContent: values[which][at] === null ? "–" : format(values[which][at]) })));

function drawingOf(series, lines, cursor) {
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
  for (const y of [0, HEIGHT / 2, HEIGHT]) drawing.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  // The first is the one that counts: it lies above the others.
  series.map(({ colour, isFilled }, which) => [
    ...(isFilled ? [svg("path", { class: `area ${colour}`, d: areaOf(lines[which]) })] : []),
    svg("path", { class: `line ${colour}`, d: lineOf(lines[which]) }),
  ]).reverse().forEach((paths) => drawing.append(...paths));
  drawing.append(cursor);
  return drawing;
}

/** Pointer and keys; `show(at, isPointed)` is called with the point, and with the last one when nobody points any more. */
function moveCursor(field, count, show) {
  const last = count - 1;
  let at = last;
  const go = (to) => show((at = Math.max(0, Math.min(last, to))), true);
  const end = () => show((at = last), false);
  field.onpointermove = ({ clientX }) => {
    const { left, width } = field.getBoundingClientRect();
    go(Math.round(((clientX - left) / width) * last));
  };
  field.onpointerleave = () => field.matches(":focus-visible") || end();
  field.onfocus = () => field.matches(":focus-visible") && go(at);
  field.onblur = end;
  field.onkeydown = (event) => {
    const far = Math.max(1, Math.round(count / 10));
    const to = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + far, PageDown: at - far, Home: 0, End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  };
}

/** The same numbers as a table, for those who want to read them one by one. */
export function newNumbers(summary, { caption, points, series, format, formatAt, time }) {
  const body = el("tbody", {});
  const head = el("tr", {}, ...[time, ...series.map(({ name }) => name)].map((textContent) => el("th", { textContent, scope: "col" })));
  const table = el("table", {}, el("caption", { className: "unseen", textContent: caption }), el("thead", {}, head), body);
  const details = el(
    "details", { className: "numbers" }, el("summary", { textContent: summary }),
    el("div", { className: "scrolls-table", tabIndex: 0, role: "region", ariaLabel: caption }, table),
  );
  const textOf = (value, own) => (value === null || value === undefined ? "–" : own(value));
  const cell = (point) => ({ of, format: own = format }) => el("td", { className: "number", textContent: textOf(of(point), own) });
  const rowOf = (point) => el("tr", {}, el("th", { scope: "row", textContent: formatAt(point.at) }), ...series.map(cell(point)));
  // Made when it is wanted: it is long.
  details.ontoggle = () => {
    if (!details.open || body.firstChild) return;
    body.append(...points.toReversed().map(rowOf));
  };
  return details;
}
