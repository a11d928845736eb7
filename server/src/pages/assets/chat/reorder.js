// Putting the rows of a short list into another order.

/** The list with `id` moved by so many places. */
export function moved(ids, id, by) {
  const at = ids.indexOf(id);
  if (at === -1) return ids;
  const rest = ids.filter((other) => other !== id);
  const to = Math.max(0, Math.min(rest.length, at + by));
  return [...rest.slice(0, to), id, ...rest.slice(to)];
}

/** Lets `row` be dragged by its grip along the rows of `list`; `drop(by)` hears by how many places. */
export function dragByGrip(row, grip, list, drop) {
  let from = null;

  const placesMoved = (y) => {
    const others = [...list.children].filter((node) => node !== row);
    const middle = (node) => node.getBoundingClientRect().top + node.offsetHeight / 2;
    const before = others.filter((node) => row.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING).length;
    return others.filter((node) => middle(node) < y).length - before;
  };

  const end = (event) => {
    if (from === null) return;
    const by = event.type === "pointerup" ? placesMoved(event.clientY) : 0;
    from = null;
    row.classList.remove("dragged");
    row.style.translate = "";
    if (by) drop(by);
  };

  grip.addEventListener("pointerdown", (event) => {
    from = event.clientY;
    grip.setPointerCapture(event.pointerId);
    row.classList.add("dragged");
    event.preventDefault();
  });
  grip.addEventListener("pointermove", (event) => {
    if (from !== null) row.style.translate = `0 ${event.clientY - from}px`;
  });
  grip.addEventListener("pointerup", end);
  grip.addEventListener("pointercancel", end);
}
