// A place that files are dropped on, or chosen for by a button.

import { el } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { button } from "./fields.js";

export function dropZone({ icon: image, title, about, choose, accept, multiple = false, onFiles }) {
  const input = el("input", { type: "file", accept, multiple, hidden: true });
  const chooser = button(choose, () => input.click(), "button");
  const words = el("div", { className: "drop-words" }, el("strong", { textContent: title }), el("span", { className: "quiet", textContent: about }));
  const node = el("div", { className: "drop" }, icon(image), words, chooser, input);
  let depth = 0;

  function take(files) {
    const given = [...files];
    input.value = "";
    if (given.length) onFiles(given);
  }

  const hasFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes("Files");
  input.onchange = () => take(input.files);
  node.ondragover = (event) => hasFiles(event) && event.preventDefault();
  node.ondragenter = (event) => {
    if (hasFiles(event)) node.classList.toggle("is-over", (depth += 1) > 0);
  };
  node.ondragleave = () => node.classList.toggle("is-over", (depth = Math.max(0, depth - 1)) > 0);
  node.ondrop = (event) => {
    event.preventDefault();
    depth = 0;
    node.classList.remove("is-over");
    take(event.dataTransfer.files);
  };
  return {
    node,
    setBusy(isBusy) {
      chooser.disabled = isBusy;
      chooser.ariaBusy = String(isBusy);
    },
  };
}
