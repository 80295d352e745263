// What a trace's time went into: the chain of spans that decided when it ended, and what a span
// took by itself. Pure functions over an outline (`length`, `depth`, `start`, `took`, `end`, `spanMs`).

/** Two moments closer than this, in milliseconds, are one: the outline is told in microseconds. */
const CLOSE = 0.0015;

const endOf = (outline, row) => (outline.took[row] < 0 ? Math.max(outline.start[row], outline.spanMs) : outline.start[row] + outline.took[row]);

function* children(outline, row) {
  const last = row < 0 ? outline.length : outline.end[row];
  for (let child = row + 1; child < last; child = outline.end[child]) yield child;
}

/**
 * The critical path: from the end of the trace backwards, each time the span that ended last
 * before what came next began. `segments` are stretches of time, each with the innermost span
 * that the trace waited for in it; `own` says for each row how long it was that span. Together
 * they fill the time from the first start to the last end of the outermost spans, but for gaps between those.
 */
export function criticalPath(outline) {
  const own = new Map();
  const segments = [];
  let total = 0;
  const wait = (row, from, to) => {
    if (row < 0 || to - from <= 0) return;
    segments.push({ row, from, to });
    own.set(row, (own.get(row) ?? 0) + to - from);
    total += to - from;
  };
  let first = Infinity;
  let last = -Infinity;
  for (const row of children(outline, -1)) {
    first = Math.min(first, outline.start[row]);
    last = Math.max(last, endOf(outline, row));
  }
  const open = last > first ? [{ row: -1, from: first, to: last }] : [];
  while (open.length) {
    const { row, from, to } = open.pop();
    const inside = [];
    for (const child of children(outline, row)) {
      const began = Math.max(outline.start[child], from);
      // What outlives the span around it counts up to that one's end.
      const ended = Math.min(endOf(outline, child), to);
      if (ended > began) inside.push({ child, began, ended });
    }
    inside.sort((a, b) => b.ended - a.ended || b.began - a.began);
    let now = to;
    for (const { child, began, ended } of inside) {
      // One that was under way when the next one began is not what that one waited for.
      if (ended > now + CLOSE || began >= now) continue;
      const end = Math.min(ended, now);
      wait(row, end, now);
      open.push({ row: child, from: began, to: end });
      now = began;
    }
    wait(row, from, now);
    if (row >= 0 && !own.has(row)) own.set(row, 0);
  }
  segments.sort((a, b) => a.from - b.from);
  const byRow = new Map();
  for (const segment of segments) {
    const mine = byRow.get(segment.row);
    if (mine) mine.push(segment);
    else byRow.set(segment.row, [segment]);
  }
  return { own, segments, byRow, total };
}

/** How long a span took by itself, in milliseconds: without the time in which any span inside of it ran. */
export function selfTime(outline, row) {
  const from = outline.start[row];
  const to = endOf(outline, row);
  const inside = [];
  for (const child of children(outline, row)) {
    const began = Math.max(outline.start[child], from);
    const ended = Math.min(endOf(outline, child), to);
    if (ended > began) inside.push([began, ended]);
  }
  inside.sort((a, b) => a[0] - b[0]);
  let covered = 0;
  let until = from;
  for (const [began, ended] of inside) {
    if (ended <= until) continue;
    covered += ended - Math.max(began, until);
    until = ended;
  }
  return Math.max(0, to - from - covered);
}
