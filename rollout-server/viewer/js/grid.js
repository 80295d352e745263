// The rows of the tree that are in sight, drawn from a pool: scrolling 100,000 spans moves a few
// dozen elements. Screen readers are told the true counts and places by ARIA.
import { count, duration } from "./format.js";
import { json } from "./fragment.js";

const ROW = 26;
const SPARE = 12;
const RANGE = 200;

/** How far a row of `depth` is indented, in pixels: deep trees keep room for their names. */
export const indent = (depth) => (depth <= 12 ? depth * 14 : 168 + Math.min(depth - 12, 60) * 4);

export class Grid {
  /** `spansUrl` tells where the spans of a trace are; an empty one is the page's own. */
  constructor(element, view, scale, spansUrl) {
    this.scale = scale;
    this.path = null;
    this.axis = element.querySelector(".axis");
    this.element = element;
    this.view = view;
    this.spansUrl = spansUrl;
    this.rows = element.querySelector("[data-rows]");
    this.template = document.getElementById("row").content.firstElementChild;
    this.pool = new Map();
    this.spare = [];
    this.details = new Map();
    this.ranges = new Map();
    this.selected = -1;
    this.rows.replaceChildren();
    this.rows.classList.add("virtual");
    element.setAttribute("aria-rowcount", String(view.outline.length));
    element.addEventListener("scroll", () => this.#later(), { passive: true });
    scale.changed(() => this.#later());
    new ResizeObserver(() => this.#later()).observe(element);
    this.draw();
  }

  /** Takes a newer view of the same trace; what was fetched of it is fetched again. */
  renew() {
    this.ranges.clear();
    this.element.setAttribute("aria-rowcount", String(this.view.outline.length));
    this.draw();
  }

  #later() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  /** Marks the critical path, or none. */
  mark(path) {
    this.path = path;
    this.draw();
  }

  #ticks() {
    const { axis, scale } = this;
    const style = getComputedStyle(axis);
    const left = parseFloat(style.paddingLeft);
    this.width = Math.max(1, axis.clientWidth - left - parseFloat(style.paddingRight));
    const { step, ticks } = scale.ticks(this.width);
    while (axis.children.length > ticks.length) axis.lastElementChild.remove();
    while (axis.children.length < ticks.length) axis.append(document.createElement("span"));
    axis.classList.add("ticked");
    ticks.forEach(({ share, words }, at) => {
      const tick = axis.children[at];
      if (tick.textContent !== words) tick.textContent = words;
      const x = left + share * this.width;
      // The first and the last keep inside.
      const shift = x < left + 20 ? "0" : x > left + this.width - 24 ? "-100%" : "-50%";
      tick.style.transform = `translateX(${x.toFixed(1)}px) translateX(${shift})`;
    });
    const { style: vars } = this.element;
    vars.setProperty("--tick", `${((step / (scale.to - scale.from)) * this.width).toFixed(3)}px`);
    vars.setProperty("--tick-at", `${(left + (ticks[0]?.share ?? 0) * this.width).toFixed(3)}px`);
  }

  draw() {
    const { view, element } = this;
    const head = this.rows.offsetTop;
    this.#ticks();
    this.rows.style.height = `${Math.max(1, view.length) * ROW}px`;
    const first = Math.max(0, Math.floor((element.scrollTop - head) / ROW) - SPARE);
    const last = Math.min(view.length, Math.ceil((element.scrollTop + element.clientHeight) / ROW) + SPARE);
    for (const [line, node] of this.pool) {
      if (line < first || line >= last) {
        this.pool.delete(line);
        this.spare.push(node);
      }
    }
    for (let line = first; line < last; line++) {
      let node = this.pool.get(line);
      if (!node) {
        node = this.spare.pop() ?? this.#make();
        this.pool.set(line, node);
      }
      this.#fill(node, line);
    }
    for (const node of this.spare) node.remove();
    this.spare.length = Math.min(this.spare.length, 64);
    this.#fetch(first, last);
    this.drawn?.(first + SPARE, Math.max(first, last - SPARE));
  }

  #make() {
    const node = this.template.cloneNode(true);
    const part = (name) => node.querySelector(`.${name}`);
    node.parts = {
      indent: part("indent"), glyph: part("glyph"), label: part("label"), model: part("model"), kind: part("kind"),
      mark: part("mark"), duration: part("duration"), tokens: part("tokens"), wave: part("wave"), bar: node.querySelector("rect"), path: node.querySelector("path"),
    };
    return node;
  }

  #fill(node, line) {
    const { view, view: { outline } } = this;
    const row = view.rows[line];
    const { parts } = node;
    const status = outline.statuses[outline.status[row]];
    const tone = outline.tones[outline.status[row]];
    const type = outline.types[outline.type[row]];
    const words = this.details.get(outline.id[row]);
    const set = (part, text) => { if (part.textContent !== text) part.textContent = text; };

    node.style.transform = `translateY(${line * ROW}px)`;
    node.id = `r${row}`;
    node.row = row;
    node.setAttribute("aria-rowindex", String(row + 1));
    node.setAttribute("aria-level", String(outline.depth[row] + 1));
    node.setAttribute("aria-selected", String(row === this.selected));
    if (view.isParent(row)) node.setAttribute("aria-expanded", String(!view.isFolded(row) || (view.found !== null && !outline.isClosed(row))));
    else node.removeAttribute("aria-expanded");
    node.classList.toggle("failed", tone === "error");
    node.classList.toggle("called", outline.isCall(row));
    node.classList.toggle("waited", Boolean(this.path?.own.has(row)));

    parts.indent.setAttribute("width", String(indent(outline.depth[row])));
    parts.glyph.setAttribute("class", `glyph type ${known(type)}`);
    set(parts.kind, type);
    set(parts.label, outline.names[outline.name[row]]);
    const inside = view.partsOf(row)?.filter((part) => part !== "name");
    const model = outline.isCall(row) ? "trace" : words?.model ?? "";
    set(parts.model, inside?.length ? [model, `in ${inside.join(", ")}`].filter(Boolean).join(" · ") : model);
    parts.mark.setAttribute("class", tone === "ok" ? "mark" : `mark status ${tone}`);
    set(parts.mark, tone === "ok" ? "" : status);

    const open = outline.took[row] < 0;
    const took = open ? Math.max(0, outline.spanMs - outline.start[row]) : outline.took[row];
    set(parts.duration, open && tone === "running" ? "…" : duration(open ? null : took));
    set(parts.tokens, words?.usage ? count(words.usage.total_tokens ?? sum(words.usage)) : "");
    parts.wave.setAttribute("class", `wave type ${known(type)}${tone === "error" ? " failed" : ""}${open ? " running" : ""}`);
    const { scale } = this;
    const x = scale.share(outline.start[row]);
    const end = scale.share(outline.start[row] + took);
    const out = end < 0 || x > 1;
    const from = Math.max(-0.02, Math.min(0.994, x));
    parts.bar.setAttribute("x", `${(from * 100).toFixed(3)}%`);
    parts.bar.setAttribute("width", out ? "0" : `${(Math.max(0.003, Math.min(1.02, end) - from) * 100).toFixed(3)}%`);
    parts.bar.classList.toggle("out", out);
    parts.path.setAttribute("d", this.path ? this.#waited(row) : "");
    if (node.parentNode !== this.rows) this.rows.append(node);
  }

  /** The line below a bar where the trace waited for the span. */
  #waited(row) {
    const { scale, width } = this;
    let line = "";
    let until = -Infinity;
    for (const { from, to } of this.path.byRow.get(row) ?? []) {
      const x = Math.max(0, scale.share(from) * width);
      const end = Math.min(width, scale.share(to) * width);
      if (x > width || end < 0 || end < until + 1) continue;
      line += `M${x.toFixed(1)} 21.5H${Math.max(x + 1, end).toFixed(1)}`;
      until = end;
    }
    return line;
  }

  /** Asks for the words of the rows in sight, a range at a time, each once. */
  #fetch(first, last) {
    const { view } = this;
    const wanted = new Set();
    for (let line = first; line < last; line++) {
      const { trace, place } = view.outline.whose(view.rows[line]);
      if (place >= 0) wanted.add(`${Math.floor(place / RANGE)}/${trace}`);
    }
    clearTimeout(this.waiting);
    const missing = [...wanted].filter((range) => !this.ranges.has(range));
    if (missing.length === 0) return;
    // Flying past rows asks for none of them.
    this.waiting = setTimeout(() => {
      for (const range of missing.slice(0, 8)) this.#load(range);
    }, 40);
  }

  async #load(range) {
    if (this.ranges.has(range)) return;
    const { ranges } = this;
    ranges.set(range, true);
    const cut = range.indexOf("/");
    const trace = range.slice(cut + 1);
    try {
      const { spans } = await json(`${this.spansUrl(trace)}?offset=${Number(range.slice(0, cut)) * RANGE}&limit=${RANGE}`);
      if (this.details.size > 20000) this.details.clear();
      for (const span of spans) this.details.set(trace ? `${trace}/${span.span_id}` : span.span_id, span);
      this.#later();
    } catch {
      ranges.delete(range);
    }
  }

  /** Marks `row` as selected and brings it into sight. */
  select(row, { scroll = true } = {}) {
    this.selected = row;
    if (row < 0) {
      this.element.removeAttribute("aria-activedescendant");
      this.draw();
      return;
    }
    if (scroll) {
      const head = this.rows.offsetTop;
      const top = this.view.lineOf(row) * ROW;
      const { element } = this;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + ROW + head > element.scrollTop + element.clientHeight) {
        element.scrollTop = top + ROW + head - element.clientHeight;
      }
    }
    this.draw();
    this.element.setAttribute("aria-activedescendant", `r${row}`);
  }

  /** How many rows fit the screen. */
  get page() {
    return Math.max(1, Math.floor((this.element.clientHeight - this.rows.offsetTop) / ROW) - 1);
  }
}

const TYPES = new Set(["agent", "llm", "tool", "task", "retrieval"]);
const known = (type) => (TYPES.has(type) ? type : "other");
const sum = (usage) => (usage.input_tokens == null && usage.output_tokens == null ? null : (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0));
