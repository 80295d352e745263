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
  constructor(element, view, spansUrl) {
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
    this.#scale();
    new ResizeObserver(() => this.#later()).observe(element);
    this.draw();
  }

  /** Takes a newer view of the same trace; what was fetched of it is fetched again. */
  renew() {
    this.ranges.clear();
    this.element.setAttribute("aria-rowcount", String(this.view.outline.length));
    this.#scale();
    this.draw();
  }

  #later() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  #scale() {
    const { spanMs } = this.view.outline;
    this.element.querySelector(".axis .half").textContent = duration(spanMs / 2);
    this.element.querySelector(".axis .full").textContent = duration(spanMs);
  }

  draw() {
    const { view, element } = this;
    const head = this.rows.offsetTop;
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
  }

  #make() {
    const node = this.template.cloneNode(true);
    const part = (name) => node.querySelector(`.${name}`);
    node.parts = {
      indent: part("indent"), glyph: part("glyph"), label: part("label"), model: part("model"), kind: part("kind"),
      mark: part("mark"), duration: part("duration"), tokens: part("tokens"), wave: part("wave"), bar: node.querySelector("rect"),
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
    if (view.isParent(row)) node.setAttribute("aria-expanded", String(!view.folded.has(row) || view.found !== null));
    else node.removeAttribute("aria-expanded");
    node.classList.toggle("failed", tone === "error");

    parts.indent.setAttribute("width", String(indent(outline.depth[row])));
    parts.glyph.setAttribute("class", `glyph type ${known(type)}`);
    set(parts.kind, type);
    set(parts.label, outline.names[outline.name[row]]);
    set(parts.model, words?.model ?? "");
    parts.mark.setAttribute("class", tone === "ok" ? "mark" : `mark status ${tone}`);
    set(parts.mark, tone === "ok" ? "" : status);

    const open = outline.took[row] < 0;
    const took = open ? Math.max(0, outline.spanMs - outline.start[row]) : outline.took[row];
    set(parts.duration, open && tone === "running" ? "…" : duration(open ? null : took));
    set(parts.tokens, words?.usage ? count(words.usage.total_tokens ?? sum(words.usage)) : "");
    parts.wave.setAttribute("class", `wave type ${known(type)}${tone === "error" ? " failed" : ""}${open ? " running" : ""}`);
    parts.bar.setAttribute("x", `${Math.min(99.4, (outline.start[row] / outline.spanMs) * 100).toFixed(3)}%`);
    parts.bar.setAttribute("width", `${Math.max(0.3, (took / outline.spanMs) * 100).toFixed(3)}%`);
    if (node.parentNode !== this.rows) this.rows.append(node);
  }

  /** Asks for the words of the rows in sight, a range at a time, each once. */
  #fetch(first, last) {
    const { view } = this;
    const wanted = new Set();
    for (let line = first; line < last; line++) wanted.add(Math.floor(view.rows[line] / RANGE));
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
    try {
      const { spans } = await json(`${this.spansUrl}?offset=${range * RANGE}&limit=${RANGE}`);
      if (this.details.size > 20000) this.details.clear();
      for (const span of spans) this.details.set(span.span_id, span);
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
