// The page of the design system: the same samples once in light and once in dark.

import { icon } from "./lib/icons.js";

const template = document.getElementById("samples");

async function iconNames() {
  const sprite = await (await fetch(new URL("./icons.svg", import.meta.url))).text();
  return [...sprite.matchAll(/<symbol id="([\w-]+)"/g)].map(([, name]) => name);
}

function swatch(token) {
  const node = document.createElement("p");
  const colour = document.createElement("span");
  colour.style.background = `var(--${token})`;
  node.append(colour, token);
  return node;
}

function scheme(name, icons) {
  const section = document.createElement("div");
  section.className = `scheme ${name}`;
  section.append(template.content.cloneNode(true));
  for (const node of section.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
  for (const node of section.querySelectorAll("[data-tokens]")) node.append(...node.dataset.tokens.split(" ").map(swatch));
  for (const input of section.querySelectorAll("[name=segment]")) input.name = `segment-${name}`;
  [...section.querySelectorAll(".avatar")].forEach((node, at) => node.style.setProperty("--hue", String(340 + at * 67)));
  section.querySelector(".icons").append(...icons.map((each) => {
    const node = document.createElement("p");
    node.append(icon(each), each);
    return node;
  }));
  return section;
}

const icons = await iconNames();
document.getElementById("schemes").append(scheme("light", icons), scheme("dark", icons));
document.getElementById("direction").onclick = ({ target }) => {
  const root = document.documentElement;
  root.dir = root.dir === "rtl" ? "ltr" : "rtl";
  target.textContent = root.dir === "rtl" ? "Left to right" : "Right to left";
};
