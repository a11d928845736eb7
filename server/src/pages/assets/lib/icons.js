// Icons of the sprite.

const SPRITE = "../icons.svg";
const NAMESPACE = "http://www.w3.org/2000/svg";

/** An icon of icons.svg by its name; `turns` for arrows that point the other way in right-to-left. */
export function icon(name, ...classes) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.classList.add("icon", ...classes);
  svg.setAttribute("aria-hidden", "true");
  const use = svg.appendChild(document.createElementNS(NAMESPACE, "use"));
  use.setAttribute("href", addressOf(name));
  return svg;
}

/** Shows another icon in the same place. */
export function changeIcon(svg, name) {
  svg.firstChild.setAttribute("href", addressOf(name));
}

const addressOf = (name) => `${new URL(SPRITE, import.meta.url)}#${name}`;
