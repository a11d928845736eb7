// Where rows of different heights stand in a list of which only some are in the page: measured heights where they are
// known, estimates elsewhere. Nothing in this file touches the page.

/** `estimate(row)` is the height of a row that was never in the page. */
export function newHeights(estimate) {
  const measured = new Map();
  const estimates = new Map();
  let rows = [];
  /** By row its top, and the end of the last one. */
  let tops = new Float64Array(1);
  let at = new Map();
  let isStale = true;

  function refresh() {
    if (!isStale) return;
    if (tops.length !== rows.length + 1) tops = new Float64Array(rows.length + 1);
    for (let index = 0; index < rows.length; index += 1) tops[index + 1] = tops[index] + heightOf(rows[index]);
    isStale = false;
  }

  const heightOf = (row) => measured.get(row.key) ?? estimated(row);

  function estimated(row) {
    const length = row.text?.length ?? 0;
    const known = estimates.get(row.key);
    if (known?.length === length) return known.height;
    const height = estimate(row);
    estimates.set(row.key, { length, height });
    return height;
  }

  /** The last row that begins at or above a place. */
  function indexAt(y) {
    refresh();
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  return {
    setRows(next) {
      rows = next;
      at = new Map(rows.map(({ key }, index) => [key, index]));
      isStale = true;
    },
    /** Returns whether that was news. */
    measure(key, height) {
      if (measured.get(key) === height) return false;
      measured.set(key, height);
      isStale = true;
      return true;
    },
    forgetAll() {
      measured.clear();
      isStale = true;
    },
    indexOf: (key) => at.get(key),
    indexAt,
    topOf(index) {
      refresh();
      return tops[index];
    },
    total() {
      refresh();
      return tops[rows.length];
    },
    /** The rows that touch a stretch, as `[first, end)`. */
    range(from, to) {
      if (rows.length === 0) return [0, 0];
      return [indexAt(from), indexAt(to) + 1];
    },
  };
}
