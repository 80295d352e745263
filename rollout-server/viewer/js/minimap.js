// All spans of a trace at once, above the tree: a bar each, in lanes by depth. The frame on it is
// the stretch of time that the waterfall shows; it is drawn, moved and stretched by pointer.

const GRIP = 6;
const TYPES = ["agent", "llm", "tool", "task", "retrieval", "other"];

export class Minimap {
  /** `pick` is called with the row at which the reader clicked. */
  constructor(canvas, view, scale, pick) {
    Object.assign(this, { canvas, view, scale, pick });
    this.base = document.createElement("canvas");
    this.seen = null;
    this.path = null;
    scale.changed(() => this.#later());
    new ResizeObserver(() => this.renew()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.renew());
    canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    canvas.addEventListener("pointermove", (event) => { canvas.style.cursor = this.#part(this.#share(event)).cursor; });
    canvas.addEventListener("dblclick", () => scale.whole());
    this.renew();
  }

  /** Draws all spans anew. */
  renew() {
    const { canvas, base } = this;
    const sharp = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * sharp);
    const height = Math.round(canvas.clientHeight * sharp);
    if (!width || !height) return;
    for (const one of [canvas, base]) { one.width = width; one.height = height; }
    this.colours = colours(canvas);
    this.#spans(base.getContext("2d"), width, height, sharp);
    this.#frame();
  }

  /** Says which lines of the tree are in sight, and which critical path is marked. */
  mark({ seen = this.seen, path = this.path }) {
    this.seen = seen;
    if (path !== this.path) { this.path = path; this.renew(); }
    else this.#later();
  }

  #later() {
    this.waiting ??= requestAnimationFrame(() => { this.waiting = null; this.#frame(); });
  }

  #spans(pen, width, height, sharp) {
    const { outline } = this.view;
    const { colours } = this;
    pen.clearRect(0, 0, width, height);
    let deepest = 0;
    for (let row = 0; row < outline.length; row++) deepest = Math.max(deepest, outline.depth[row]);
    const top = 3 * sharp;
    const bottom = height - 6 * sharp;
    const lanes = Math.max(1, Math.min(deepest + 1, Math.floor((bottom - top) / (2 * sharp))));
    const tall = Math.min(9 * sharp, (bottom - top) / lanes);
    const lane = (depth) => Math.floor((depth * lanes) / (deepest + 1));
    const thick = Math.max(1, Math.floor(tall - (tall > 3 * sharp ? sharp : 0)));
    const perMs = width / this.scale.length;
    const right = (row) => (outline.took[row] < 0 ? width : (outline.start[row] + outline.took[row]) * perMs);
    const kinds = outline.types.map((type) => colours[type] ?? colours.other);
    // Rows come in the order of the tree: what a lane has up to a pixel is not drawn twice.
    const drawn = new Float64Array(lanes).fill(-1);
    let colour = null;
    pen.globalAlpha = 0.8;
    for (let row = 0; row < outline.length; row++) {
      const at = lane(outline.depth[row]);
      const x = outline.start[row] * perMs;
      const end = Math.max(right(row), x + 1);
      if (end <= drawn[at] && x > drawn[at] - width) continue;
      drawn[at] = Math.floor(end);
      const next = kinds[outline.type[row]];
      if (next !== colour) pen.fillStyle = colour = next;
      pen.fillRect(x, top + at * tall, Math.max(1, end - x - (end - x > 3 ? 0.5 : 0)), thick);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = colours.error;
    let last = -Infinity;
    for (let row = 0; row < outline.length; row++) {
      if (!outline.failed(row)) continue;
      const x = Math.min(width - 2 * sharp, outline.start[row] * perMs);
      const y = top + lane(outline.depth[row]) * tall;
      pen.fillRect(x, y, Math.max(2 * sharp, Math.min(width, right(row)) - x), thick);
      if (x - last < sharp) continue;
      last = x;
      pen.fillRect(x, 0, 2 * sharp, 3 * sharp);
    }
    if (!this.path) return;
    pen.fillStyle = colours.accent;
    for (const { row, from, to } of this.path.segments) {
      const y = top + lane(outline.depth[row]) * tall + thick - sharp;
      pen.fillRect(from * perMs, y, Math.max(1, (to - from) * perMs), 1.5 * sharp);
    }
  }

  #frame() {
    const { canvas, base, scale, colours } = this;
    if (!canvas.width) return;
    const pen = canvas.getContext("2d");
    const { width, height } = canvas;
    const sharp = devicePixelRatio || 1;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(base, 0, 0);
    const from = (scale.from / scale.length) * width;
    const to = (scale.to / scale.length) * width;
    if (!scale.isWhole) {
      pen.fillStyle = colours.ground;
      pen.globalAlpha = 0.72;
      pen.fillRect(0, 0, from, height);
      pen.fillRect(to, 0, width - to, height);
      pen.globalAlpha = 1;
      pen.fillStyle = colours.accent;
      pen.fillRect(Math.min(width - 2 * sharp, from), 0, 2 * sharp, height);
      pen.fillRect(Math.max(0, to - 2 * sharp), 0, 2 * sharp, height);
    }
    if (this.seen) {
      const [start, end] = this.seen.map((ms) => (ms / scale.length) * width);
      pen.fillStyle = colours.muted;
      pen.fillRect(start, height - 3 * sharp, Math.max(3 * sharp, end - start), 2 * sharp);
    }
    canvas.dataset.from = scale.from.toFixed(3);
    canvas.dataset.to = scale.to.toFixed(3);
  }

  #share(event) {
    const box = this.canvas.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  /** What is under the pointer. */
  #part(share) {
    const { scale } = this;
    if (scale.isWhole) return { name: "none", cursor: "crosshair" };
    const near = (ms) => Math.abs(ms / scale.length - share) * this.canvas.clientWidth <= GRIP;
    if (near(scale.from)) return { name: "from", cursor: "ew-resize" };
    if (near(scale.to)) return { name: "to", cursor: "ew-resize" };
    const at = share * scale.length;
    return at > scale.from && at < scale.to ? { name: "frame", cursor: "grab" } : { name: "none", cursor: "crosshair" };
  }

  #grab(event) {
    if (event.button !== 0) return;
    const { scale, canvas } = this;
    const start = this.#share(event);
    const { name } = this.#part(start);
    const { from, to } = scale;
    let moved = false;
    canvas.setPointerCapture(event.pointerId);
    const move = (next) => {
      const share = this.#share(next);
      if (!moved && Math.abs(share - start) * canvas.clientWidth < 3) return;
      moved = true;
      const at = share * scale.length;
      const by = (share - start) * scale.length;
      if (name === "frame") {
        const left = Math.min(Math.max(0, from + by), scale.length - (to - from));
        scale.show(left, left + to - from);
      } else if (name === "from") scale.show(Math.min(at, to), to);
      else if (name === "to") scale.show(from, Math.max(at, from));
      else scale.show(Math.min(start * scale.length, at), Math.max(start * scale.length, at));
    };
    const end = (last) => {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", end);
      canvas.removeEventListener("pointercancel", end);
      if (!moved && last.type === "pointerup") this.#click(last);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
  }

  /** The innermost span at the moment under the pointer, or the next that begins. */
  #click(event) {
    const { outline } = this.view;
    const at = this.#share(event) * this.scale.length;
    let best = -1;
    for (let row = 0; row < outline.length; row++) {
      const end = outline.took[row] < 0 ? Infinity : outline.start[row] + outline.took[row];
      if (outline.start[row] > at || end < at) continue;
      if (best < 0 || outline.depth[row] >= outline.depth[best]) best = row;
    }
    if (best >= 0) this.pick(best);
  }
}

/** The page's colours as they are now. */
function colours(place) {
  const probe = document.createElement("span");
  place.after(probe);
  const found = {};
  for (const type of TYPES) {
    probe.className = `type ${type}`;
    found[type] = getComputedStyle(probe).color;
  }
  for (const name of ["error", "accent", "ground", "muted"]) {
    probe.className = `probe-${name}`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
