// Traces that a trace called, in the place of the calls: a row each below the calling span, which
// unfolds to the other trace's own tree. What comes out has the shape of a single trace's outline.

/** How deep traces are shown inside of each other. */
const DEEPEST = 16;

/**
 * The outline `data` of the trace `id` (none for the page's own) with the outlines of traces that
 * are `opened`, by their ids, where they were called.
 */
export function joined(data, opened, id = "", around = []) {
  if (!data.calls?.length) return id ? own(data, id) : data;
  const out = empty(data);
  const words = { names: index(out.names), types: index(out.types), statuses: index(out.statuses) };
  const calls = placed(data);
  const { spans } = data;
  let next = 0;
  const insert = (row) => {
    for (; next < calls.length && calls[next].before <= row; next++) {
      const { call, depth } = calls[next];
      const loop = around.includes(call.trace) || call.trace === id || around.length >= DEEPEST;
      const inside = loop ? undefined : opened.get(call.trace);
      add(out, {
        id: `${call.trace}/`, depth, start: call.start, duration: call.duration, trace: call.trace, place: -1,
        call: loop ? 0 : inside ? 2 : 1,
        name: words.names(call.name), type: words.types("agent"), status: words.statuses(call.status),
      });
      if (!inside) continue;
      const below = joined(inside, opened, call.trace, [...around, id]);
      const [names, types, statuses] = ["names", "types", "statuses"].map((list) => below[list].map(words[list]));
      for (let row = 0; row < below.spans.id.length; row++) {
        const own = below.spans;
        add(out, {
          id: own.id[row], depth: own.depth[row] + depth + 1, start: own.start[row] + call.start, duration: own.duration[row],
          trace: own.trace[row], place: own.place[row], call: own.call[row],
          name: names[own.name[row]], type: types[own.type[row]], status: statuses[own.status[row]],
        });
      }
    }
  };
  for (let row = 0; row < spans.id.length; row++) {
    insert(row);
    add(out, {
      id: id ? `${id}/${spans.id[row]}` : spans.id[row], depth: spans.depth[row], start: spans.start[row], duration: spans.duration[row],
      trace: id, place: row, call: 0, name: spans.name[row], type: spans.type[row], status: spans.status[row],
    });
  }
  insert(Infinity);
  return out;
}

const COLUMNS = ["id", "depth", "start", "duration", "name", "type", "status", "trace", "place", "call"];

function empty(data) {
  const spans = Object.fromEntries(COLUMNS.map((column) => [column, []]));
  return { duration_ms: data.duration_ms, names: [...data.names], types: [...data.types], statuses: [...data.statuses], spans };
}

function add(out, span) {
  for (const column of COLUMNS) out.spans[column].push(span[column]);
}

/** The outline of another trace that called none. */
function own(data, id) {
  const { spans } = data;
  const all = (value) => spans.id.map(() => value);
  return {
    ...data,
    spans: { ...spans, id: spans.id.map((span) => `${id}/${span}`), trace: all(id), place: spans.id.map((_, row) => row), call: all(0) },
  };
}

/** Gives each word its place in a list, to which new ones are added. */
function index(list) {
  const places = new Map(list.map((word, place) => [word, place]));
  return (word) => {
    if (!places.has(word)) { places.set(word, list.length); list.push(word); }
    return places.get(word);
  };
}

/** Before which row each call stands: behind what is inside of the span that made it. */
function placed({ spans, calls }) {
  const rows = new Map(spans.id.map((id, row) => [id, row]));
  const found = calls.map((call) => {
    const row = rows.get(call.span) ?? (spans.id.length ? 0 : -1);
    let before = row + 1;
    while (row >= 0 && before < spans.id.length && spans.depth[before] > spans.depth[row]) before++;
    return { call, before, depth: row < 0 ? 0 : spans.depth[row] + 1 };
  });
  return found.sort((a, b) => a.before - b.before || b.depth - a.depth || a.call.start - b.call.start);
}
