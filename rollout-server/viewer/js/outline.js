// The shape of a trace: one number per span and fact, in tree order, so that 100,000 spans
// fold, filter and draw without asking the server. Words (models, tokens) come by range later.

import { joined } from "./calls.js";
import { tone } from "./format.js";

export class Outline {
  /** `opened` has the outlines of called traces that are shown in place, by their ids. */
  constructor(told, opened = new Map()) {
    const data = joined(told, opened);
    this.told = told;
    this.length = data.spans.id.length;
    this.names = data.names;
    this.types = data.types;
    this.statuses = data.statuses;
    Object.assign(this, {
      id: data.spans.id,
      depth: Int32Array.from(data.spans.depth),
      start: Float64Array.from(data.spans.start),
      took: Float64Array.from(data.spans.duration),
      name: data.spans.name,
      type: data.spans.type,
      status: data.spans.status,
      trace: data.spans.trace,
      place: data.spans.place,
      call: data.spans.call,
    });
    this.tones = this.statuses.map(tone);
    this.end = this.#ends();
    this.spanMs = this.#extent(data.duration_ms ?? 0);
  }

  /** For each row, the first row behind its subtree. */
  #ends() {
    const end = new Int32Array(this.length);
    const open = [];
    for (let row = 0; row < this.length; row++) {
      while (open.length && this.depth[open.at(-1)] >= this.depth[row]) end[open.pop()] = row;
      open.push(row);
    }
    while (open.length) end[open.pop()] = this.length;
    return end;
  }

  /** Milliseconds from the first start to the last end, at least what the trace says. */
  #extent(least) {
    let most = least;
    for (let row = 0; row < this.length; row++) most = Math.max(most, this.start[row] + Math.max(0, this.took[row]));
    return most || 1;
  }

  /** Whose a row is: the trace, none for the page's own, the span, none for a whole trace, and its index there. */
  whose(row) {
    const trace = this.trace?.[row] ?? "";
    const id = this.id[row];
    return { trace, span: trace ? id.slice(trace.length + 1) : id, place: this.place?.[row] ?? row };
  }

  /** The row of a span of a trace; of the page's own where that is none. */
  rowOf(trace, span) {
    return this.indexOf(trace ? `${trace}/${span ?? ""}` : span);
  }

  /** Whether a row is a called trace whose own rows are not here. */
  isClosed(row) {
    return this.call?.[row] === 1;
  }

  /** Whether a row is a called trace. */
  isCall(row) {
    return (this.place?.[row] ?? row) < 0;
  }

  parent(row) {
    let above = row - 1;
    while (above >= 0 && this.depth[above] >= this.depth[row]) above--;
    return above;
  }

  failed(row) {
    return this.tones[this.status[row]] === "error";
  }

  get anyFailed() {
    return this.tones.includes("error");
  }

  indexOf(id) {
    return this.id.indexOf(id);
  }

  /** Which rows carry every word of `text` in name, type or status. */
  matches(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = (list) => list.map((entry) => words.map((word) => entry.toLowerCase().includes(word)));
    const [names, types, statuses] = [hits(this.names), hits(this.types), hits(this.statuses)];
    const found = new Uint8Array(this.length);
    for (let row = 0; row < this.length; row++) {
      found[row] = words.every((_, word) =>
        names[this.name[row]][word] || types[this.type[row]][word] || statuses[this.status[row]][word]) ? 1 : 0;
    }
    return found;
  }
}

/** What of an outline is on the screen: folded subtrees and filtered rows left out. */
export class View {
  constructor(outline) {
    this.outline = outline;
    this.folded = new Set();
    this.found = null;
    this.refresh();
  }

  /** Takes a newer outline, keeping what is folded and filtered. */
  renew(outline) {
    const ids = new Set([...this.folded].map((row) => this.outline.id[row]));
    this.outline = outline;
    this.folded = new Set();
    if (ids.size) outline.id.forEach((id, row) => ids.has(id) && this.folded.add(row));
    this.filter(this.text ?? "");
  }

  filter(text) {
    this.text = text.trim();
    this.found = this.text ? this.outline.matches(this.text) : null;
    if (this.found && this.inside?.text === this.text) {
      this.outline.id.forEach((id, row) => { if (this.inside.parts.has(id)) this.found[row] = 1; });
    }
    this.hits = this.found ? this.found.reduce((sum, hit) => sum + hit, 0) : this.outline.length;
    this.refresh();
  }

  /** Adds spans that have the filter's text inside of them: the parts that have it, by the spans' ids. */
  foundInside(text, parts) {
    this.inside = { text, parts };
    if (text === this.text) this.filter(text);
  }

  /** Where inside of a row the filter's text stands. */
  partsOf(row) {
    return this.found && this.inside?.text === this.text ? this.inside.parts.get(this.outline.id[row]) : undefined;
  }

  /** The next row after (or before) `row` that the filter finds; -1 when there is none. */
  nextHit(row, step) {
    const { length } = this.outline;
    for (let seen = 0, at = row; this.found && seen < length; seen++) {
      at = (at + step + length) % length;
      if (this.found[at]) return at;
    }
    return -1;
  }

  refresh() {
    const { outline } = this;
    let keep = null;
    if (this.found) {
      // A hit keeps the way up to it.
      keep = new Uint8Array(this.found);
      const needed = [];
      for (let row = outline.length - 1; row >= 0; row--) {
        const depth = outline.depth[row];
        if (needed[depth + 1]) keep[row] = 1;
        needed[depth + 1] = false;
        if (keep[row]) needed[depth] = true;
      }
    }
    const rows = new Int32Array(outline.length);
    let count = 0;
    for (let row = 0; row < outline.length; ) {
      if (keep && !keep[row]) { row = row + 1; continue; }
      rows[count++] = row;
      row = !keep && this.folded.has(row) ? outline.end[row] : row + 1;
    }
    this.rows = rows.subarray(0, count);
  }

  get length() {
    return this.rows.length;
  }

  /** The line on which `row` is, or that of the folded row that hides it. */
  lineOf(row) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  isParent(row) {
    return this.outline.end[row] > row + 1 || this.outline.isClosed(row);
  }

  isFolded(row) {
    return this.folded.has(row) || this.outline.isClosed(row);
  }

  fold(row, folded) {
    if (!this.isParent(row) || this.outline.isClosed(row)) return;
    if (folded) this.folded.add(row);
    else this.folded.delete(row);
    this.refresh();
  }

  /** Opens every subtree that hides `row`. */
  reveal(row) {
    let hidden = false;
    for (let above = this.outline.parent(row); above >= 0; above = this.outline.parent(above)) {
      hidden = this.folded.delete(above) || hidden;
    }
    if (this.found && !this.found[row] && this.rows[this.lineOf(row)] !== row) this.filter("");
    else if (hidden) this.refresh();
  }

  foldAll(folded) {
    this.folded.clear();
    if (folded) {
      for (let row = 0; row < this.outline.length; row++) {
        if (this.outline.depth[row] > 0 && this.isParent(row)) this.folded.add(row);
      }
    }
    this.refresh();
  }

  /** The next failed row after (or before) `row`, folded or not; -1 when there is none. */
  nextError(row, step) {
    const { outline } = this;
    for (let seen = 0, at = row; seen < outline.length; seen++) {
      at = (at + step + outline.length) % outline.length;
      if (outline.failed(at)) return at;
    }
    return -1;
  }
}
