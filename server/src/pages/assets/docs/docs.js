// Shows /openapi.json: every operation with its parameters, body and answers.

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const resolve = (api, schema) =>
  schema?.$ref ? schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], api) : schema;

/** A schema as an outline that a reader takes in at a glance. */
function outline(api, schema, depth = 0) {
  const resolved = resolve(api, schema);
  if (!resolved || depth > 5) return "…";
  if (resolved.properties) {
    const required = new Set(resolved.required);
    const pad = "  ".repeat(depth + 1);
    const rows = Object.entries(resolved.properties).map(
      ([name, property]) => `${pad}${name}${required.has(name) ? "" : "?"}: ${outline(api, property, depth + 1)}`,
    );
    return `{\n${rows.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  if (resolved.enum) return resolved.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = resolved.oneOf ?? resolved.anyOf ?? resolved.allOf;
  if (choices) return choices.map((choice) => outline(api, choice, depth)).join(" | ");
  if (resolved.type === "array") return `[${outline(api, resolved.items, depth)}]`;
  return [resolved.type].flat().join(" | ") + (resolved.format ? ` (${resolved.format})` : "");
}

function table(headings, rows) {
  const head = element("tr", {}, ...headings.map((heading) => element("th", { textContent: heading })));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell ?? ""))));
  return element("table", {}, head, ...body);
}

function operation(api, path, method, described) {
  const details = element("details", { id: described.operationId ?? "" });
  details.append(
    element("summary", {}, element("span", { className: "method", textContent: method.toUpperCase() }),
      element("code", { textContent: path }), " ", element("span", { className: "note", textContent: described.summary ?? "" })),
  );
  if (described.description) details.append(element("p", { textContent: described.description }));
  if (described.parameters?.length) {
    details.append(table(["parameter", "in", "meaning"],
      described.parameters.map((p) => [element("code", { textContent: p.name }), p.in, p.description])));
  }
  for (const [type, body] of Object.entries(described.requestBody?.content ?? {})) {
    details.append(element("p", { className: "note", textContent: `takes ${type}` }),
      element("pre", { textContent: outline(api, body.schema) }));
  }
  for (const [status, response] of Object.entries(described.responses ?? {})) {
    details.append(element("p", {}, element("strong", { textContent: status }), ` ${resolve(api, response)?.description ?? ""}`));
    for (const body of Object.values(resolve(api, response)?.content ?? {})) {
      details.append(element("pre", { textContent: outline(api, body.schema) }));
    }
  }
  return details;
}

const api = await (await fetch("/openapi.json")).json();
document.getElementById("about").textContent = api.info.description;
const byTag = Map.groupBy
  ? Map.groupBy(all(), ([, , described]) => described.tags?.[0] ?? "other")
  : all().reduce((map, entry) => map.set(entry[2].tags?.[0] ?? "other", [...(map.get(entry[2].tags?.[0] ?? "other") ?? []), entry]), new Map());
function all() {
  return Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, described]) => [path, method, described]));
}
const target = document.getElementById("operations");
target.replaceChildren(...[...byTag].flatMap(([tag, operations]) => [
  element("h2", { textContent: tag }), ...operations.map(([path, method, described]) => operation(api, path, method, described)),
]));
target.removeAttribute("aria-busy");
