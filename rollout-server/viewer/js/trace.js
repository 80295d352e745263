// The page of one trace: ties the tree, the pane of the selected span, keys and live changes.
import { copying, showCopy } from "./copy.js";
import { duration, localize, tick } from "./format.js";
import { fragment, json, replace } from "./fragment.js";
import { Grid } from "./grid.js";
import { focusFilter, help, keys } from "./keys.js";
import { follow } from "./live.js";
import { mark, places, reach } from "./marks.js";
import { Minimap } from "./minimap.js";
import { Outline, View } from "./outline.js";
import { criticalPath, selfTime } from "./path.js";
import { Scale } from "./scale.js";
import { dress, findHere, forms, values } from "./value.js";

const main = document.querySelector("main");
const tree = document.getElementById("tree");
const pane = document.getElementById("pane");
const found = document.querySelector("[data-found]");
const nextError = document.querySelector("[data-error]");
const box = document.querySelector("[data-filter]");
const base = main.dataset.base;
const api = main.dataset.api;

const pathButton = document.querySelector("[data-path]");
const wholeButton = document.querySelector("[data-whole]");

const pageOf = (trace) => (trace ? `/traces/${encodeURIComponent(trace)}` : base);
const spansOf = (trace) => (trace ? `/api/v1/traces/${encodeURIComponent(trace)}/spans` : `${api}/spans`);

/** The trace and span that the address names behind its `#`. */
const linked = () => {
  const named = new URLSearchParams(location.hash.slice(1));
  return { trace: named.get("trace") ?? "", span: named.get("span") };
};

let view = null;
let grid = null;
let map = null;
let scale = null;
let shown = main.dataset.span || null;
let loading = null;
let cost = 0;
/** The outlines of called traces that are unfolded in the tree, by their ids. */
const opened = new Map();

async function outline() {
  const began = performance.now();
  const running = [...opened.keys()].filter((trace) => stillRuns(trace));
  const [data, ...others] = await Promise.all([json(`${base}/outline`), ...running.map((trace) => json(`${pageOf(trace)}/outline`))]);
  running.forEach((trace, at) => opened.set(trace, others[at]));
  cost = performance.now() - began;
  return new Outline(data, opened);
}

function stillRuns(trace) {
  const row = view?.outline.rowOf(trace, null) ?? -1;
  return row >= 0 && view.outline.tones[view.outline.status[row]] === "running";
}

/** Where the pane of a row comes from; of the page's own trace where there is none. */
function paneOf(id) {
  const row = id === null ? -1 : view?.outline.indexOf(id) ?? -1;
  const { trace, span } = row >= 0 ? view.outline.whose(row) : { trace: "", span: id };
  return `${pageOf(trace)}/detail${span ? `?span=${encodeURIComponent(span)}` : ""}`;
}

/** Shows the row `id`, or the trace as a whole, in the pane. */
async function show(id, { keep = false } = {}) {
  if (id === shown && !keep) return;
  loading?.abort();
  const mine = (loading = new AbortController());
  const place = keep ? pane.scrollTop : 0;
  try {
    const page = await fragment(paneOf(id), mine.signal);
    const folds = keep ? openFolds() : null;
    const chosen = keep ? forms(pane) : undefined;
    pane.replaceChildren(...[...page.querySelector("#pane").childNodes].map((node) => document.adoptNode(node)));
    shown = id;
    if (folds) restoreFolds(folds);
    pane.scrollTop = place;
    localize(pane);
    showCopy(pane);
    dress(pane, chosen);
    owned();
    highlight({ go: !keep });
  } catch (error) {
    if (error.name === "AbortError") return;
    const note = document.createElement("p");
    note.className = "detail absent";
    note.textContent = `This span could not be loaded: ${error.message}.`;
    pane.replaceChildren(note);
    shown = undefined;
  }
}

/** Says in the pane what the selected span took by itself, and its share of the critical path. */
function owned() {
  const place = pane.querySelector("[data-own]");
  const row = shown ? view?.outline.indexOf(shown) ?? -1 : -1;
  if (!place || row < 0) return;
  const words = [];
  if (view.outline.end[row] > row + 1) words.push(`${duration(selfTime(view.outline, row)) || "0 ms"} by itself`);
  const waited = critical().own.get(row);
  const { total } = critical();
  if (waited !== undefined && total > 0) {
    const share = (waited / total) * 100;
    words.push(`${share > 0 && share < 0.1 ? "<0.1" : share.toFixed(share < 10 ? 1 : 0)}% of the critical path (${duration(waited) || "0 ms"})`);
  } else words.push("not on the critical path");
  place.textContent = words.join(" · ");
}

let path = null;
const critical = () => (path?.outline === view.outline ? path : (path = { outline: view.outline, ...criticalPath(view.outline) }));
let marked = false;

function togglePath() {
  marked = !marked;
  pathButton.setAttribute("aria-pressed", String(marked));
  const now = marked ? critical() : null;
  grid.mark(now);
  map?.mark({ path: now });
  say(marked ? `${now.own.size} of ${view.outline.length} on the critical path` : "");
  if (!marked) told();
}

/** Marks the filter's text in the pane; `go` scrolls to where it first stands. */
function highlight({ go = false } = {}) {
  const text = view?.text ?? "";
  const hits = text.length > 1 ? places(pane, text) : [];
  mark("hit", hits);
  if (go && hits.length && view.partsOf(view.outline.indexOf(shown))) {
    // A name or a fact has it more often than what is looked for: what was captured goes first.
    reach(hits.find((hit) => hit.startContainer.parentElement.closest("[data-view]")) ?? hits[0]);
  }
}

const openFolds = () => [...pane.querySelectorAll("details")].map((fold) => fold.open);
const restoreFolds = (open) => {
  const folds = pane.querySelectorAll("details");
  if (folds.length === open.length) folds.forEach((fold, at) => { fold.open = open[at]; });
};

const endOf = (row) => (view.outline.took[row] < 0 ? Math.max(view.outline.spanMs, view.outline.start[row]) : view.outline.start[row] + view.outline.took[row]);

function address(row) {
  const { trace, span } = view.outline.whose(row);
  const named = new URLSearchParams();
  if (trace) named.set("trace", trace);
  if (span) named.set("span", span);
  return `#${named}`;
}

let settle = null;
function select(row, { scroll = true, at = 40 } = {}) {
  grid.select(row, { scroll });
  const id = row < 0 ? null : view.outline.id[row];
  history.replaceState(null, "", id ? address(row) : base);
  if (row >= 0) scale.reveal(view.outline.start[row], endOf(row));
  // Holding a key down runs through rows without fetching each of them.
  clearTimeout(settle);
  settle = setTimeout(() => show(id), at);
}

function step(by) {
  if (view.length === 0) return;
  const line = grid.selected < 0 ? (by > 0 ? 0 : view.length - 1) : view.lineOf(grid.selected) + by;
  select(view.rows[Math.min(view.length - 1, Math.max(0, line))]);
}

function edge(line) {
  if (view.length) select(view.rows[line]);
}

async function fold(row, folded) {
  if (view.outline.isClosed(row)) return folded ? undefined : unfold(row);
  view.fold(row, folded);
  select(row);
}

/** Brings the rows of a called trace into the tree, and goes to it. */
async function unfold(row) {
  const { trace } = view.outline.whose(row);
  const before = grid.selected < 0 ? null : view.outline.id[grid.selected];
  say("loading the trace that is called");
  try {
    opened.set(trace, await json(`${pageOf(trace)}/outline`));
  } catch (error) {
    return say(`it could not be loaded: ${error.message}`);
  }
  renew(new Outline(view.outline.told, opened));
  told();
  // Whoever has gone on meanwhile stays there.
  const now = grid.selected < 0 ? null : view.outline.id[grid.selected];
  if (now === before) select(view.outline.rowOf(trace, null));
}

/** Takes a newer outline, keeping what is selected. */
function renew(newer) {
  const id = grid.selected < 0 ? null : view.outline.id[grid.selected];
  view.renew(newer);
  grid.selected = id === null ? -1 : newer.indexOf(id);
  scale.renew(newer.spanMs);
  if (marked) grid.path = critical();
  grid.renew();
  map?.mark({ path: marked ? critical() : null });
  map?.renew();
}

function right() {
  const row = grid.selected;
  if (row < 0) return step(1);
  if (view.isFolded(row)) return fold(row, false);
  if (view.isParent(row)) step(1);
}

function left() {
  const row = grid.selected;
  if (row < 0) return;
  if (view.isParent(row) && !view.isFolded(row) && !view.found) return fold(row, true);
  const parent = view.outline.parent(row);
  if (parent >= 0) select(parent);
}

function error(by) {
  const row = view.nextError(grid.selected < 0 && by > 0 ? -1 : Math.max(0, grid.selected), by);
  if (row < 0) return say("no errors in this trace");
  view.reveal(row);
  box.value = view.text ?? "";
  told();
  select(row);
}

function all() {
  const folded = view.folded.size === 0;
  view.foldAll(folded);
  let row = grid.selected;
  if (row >= 0) row = view.rows[view.lineOf(row)];
  grid.select(row);
  say(folded ? "all folded" : "all unfolded");
}

const say = (words) => { found.textContent = words; };
const told = () => say(view.text ? `${view.hits} of ${view.outline.length}` : "");

let typed = null;
function filter() {
  view.filter(box.value);
  told();
  tree.scrollTop = 0;
  grid.draw();
  highlight();
  clearTimeout(typed);
  if (view.text.length > 1) typed = setTimeout(() => inside(view.text), 200);
}

let searching = null;
/** Looks for the text inside of the spans, which only the server knows, and adds where it is. */
async function inside(text) {
  searching?.abort();
  const mine = (searching = new AbortController());
  try {
    const { spans, complete } = await json(`${api}/search?text=${encodeURIComponent(text)}`, mine.signal);
    if (view.text !== text) return;
    view.foundInside(text, new Map(spans.map((span) => [span.span_id, span.parts])));
    told();
    if (!complete) say(`${found.textContent}, and more`);
    grid.draw();
    highlight();
  } catch (error) {
    if (error.name !== "AbortError" && view.text === text) say(`${found.textContent}; not inside: ${error.message}`);
  }
}

function hit(by) {
  if (!view.found) return say("filter first: /");
  const row = view.nextHit(grid.selected < 0 && by > 0 ? -1 : Math.max(0, grid.selected), by);
  if (row >= 0) select(row);
}

/** Zooms by pointer: Ctrl and the wheel around the pointer, Shift and the wheel along, a drag on the axis. */
function pointer() {
  const axis = tree.querySelector(".axis");
  const share = (event) => {
    const box = axis.getBoundingClientRect();
    const style = getComputedStyle(axis);
    const left = box.left + parseFloat(style.paddingLeft);
    return (event.clientX - left) / (box.right - parseFloat(style.paddingRight) - left);
  };
  tree.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const at = Math.min(1, Math.max(0, share(event)));
      scale.zoom(Math.exp(-event.deltaY / 240), scale.at(at));
    } else if (!scale.isWhole && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      event.preventDefault();
      scale.pan((event.deltaX || event.deltaY) / 1000);
    }
  }, { passive: false });
  axis.addEventListener("dblclick", () => scale.whole());
  axis.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const start = share(event);
    axis.setPointerCapture(event.pointerId);
    const draw = (now) => {
      const [a, b] = [start, share(now)].map((at) => Math.min(1, Math.max(0, at))).sort((x, y) => x - y);
      const left = parseFloat(getComputedStyle(axis).paddingLeft);
      axis.style.setProperty("--from", `${left + a * grid.width}px`);
      axis.style.setProperty("--to", `${left + b * grid.width}px`);
      axis.classList.toggle("ranging", (b - a) * grid.width > 3);
      return [a, b];
    };
    const end = (last) => {
      axis.removeEventListener("pointermove", draw);
      axis.removeEventListener("pointerup", end);
      axis.removeEventListener("pointercancel", end);
      const [a, b] = draw(last);
      const far = axis.classList.contains("ranging");
      axis.classList.remove("ranging");
      if (far && last.type === "pointerup") scale.show(scale.at(a), scale.at(b));
    };
    axis.addEventListener("pointermove", draw);
    axis.addEventListener("pointerup", end);
    axis.addEventListener("pointercancel", end);
  });
}

/** Shows the time of the selected span, and a little around it. */
function focusSpan() {
  const row = grid.selected;
  if (row < 0) return scale.whole();
  const length = Math.max(0.01, endOf(row) - view.outline.start[row]);
  scale.show(view.outline.start[row] - length * 0.05, endOf(row) + length * 0.05);
}

function zoomed() {
  wholeButton.classList.toggle("off", scale.isWhole);
  wholeButton.disabled = scale.isWhole;
}

function listen() {
  tree.addEventListener("click", (event) => {
    const node = event.target.closest(".row");
    if (!node || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    tree.focus({ preventScroll: true });
    if (event.target.closest(".twist") && view.isParent(node.row)) return fold(node.row, !view.isFolded(node.row));
    select(node.row, { scroll: false, at: 0 });
  });
  box.addEventListener("input", filter);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      tree.focus();
      if (view.found && view.hits) select(view.found.indexOf(1));
      highlight({ go: true });
    } else if (event.key === "Escape") {
      box.value = "";
      filter();
      tree.focus();
    }
  });
  document.querySelector("[data-fold]").addEventListener("click", all);
  nextError.addEventListener("click", () => error(1));
  pathButton.addEventListener("click", togglePath);
  wholeButton.addEventListener("click", () => scale.whole());
  pointer();
  const inPane = () => pane.contains(document.activeElement);
  const moves = (action) => () => (inPane() ? false : action());
  keys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: moves(() => step(1)),
    ArrowUp: moves(() => step(-1)),
    ArrowRight: moves(right),
    ArrowLeft: moves(left),
    l: right,
    h: left,
    PageDown: moves(() => step(grid.page)),
    PageUp: moves(() => step(-grid.page)),
    Home: moves(() => edge(0)),
    End: moves(() => edge(view.length - 1)),
    Enter: () => pane.focus(),
    Escape: () => (inPane() ? tree.focus() : select(-1)),
    e: () => error(1),
    E: () => error(-1),
    z: all,
    n: () => hit(1),
    N: () => hit(-1),
    c: togglePath,
    f: focusSpan,
    "+": () => scale.zoom(1.5, middle()),
    "=": () => scale.zoom(1.5, middle()),
    "-": () => scale.zoom(1 / 1.5, middle()),
    0: () => scale.whole(),
    ",": () => scale.pan(-0.25),
    ".": () => scale.pan(0.25),
    s: () => findHere(pane),
    t: () => select(-1),
    u: () => { location.href = "/"; },
    "/": focusFilter,
    "?": openHelp,
  });
  addEventListener("hashchange", () => goTo(linked()));
}

/** Around which moment keys zoom: the selected span, where it is in sight. */
function middle() {
  const row = grid.selected;
  if (row < 0) return undefined;
  const at = (Math.max(scale.from, view.outline.start[row]) + Math.min(scale.to, endOf(row))) / 2;
  return at >= scale.from && at <= scale.to ? at : undefined;
}

/** Goes to the span that an address names, into a called trace too. */
async function goTo({ trace, span }) {
  if (!trace && !span) return;
  if (trace && !opened.has(trace) && span) {
    const call = view.outline.rowOf(trace, null);
    if (call >= 0) await unfold(call);
  }
  const row = view.outline.rowOf(trace, span);
  if (row >= 0) { view.reveal(row); select(row, { at: 0 }); }
}

async function changed() {
  const [newer, page] = await Promise.all([outline(), fragment(`${base}/detail`)]);
  const id = grid.selected < 0 ? null : view.outline.id[grid.selected];
  renew(newer);
  nextError.hidden = !newer.anyFailed;
  if (view.text.length > 1) inside(view.text);
  told();
  replace(page, "#facts");
  localize(document.getElementById("facts"));
  showCopy(document.getElementById("facts"));
  if (pane.querySelector("[data-open]") || !id) await show(id, { keep: true });
  else owned();
}

const openHelp = help();
copying();
showCopy();
localize();
tick();

dress(pane);
values(pane);

view = new View(await outline());
scale = new Scale(view.outline.spanMs);
grid = new Grid(tree, view, scale, spansOf);
map = new Minimap(document.querySelector("[data-minimap]"), view, scale, (row) => {
  view.reveal(row);
  select(row);
  tree.focus({ preventScroll: true });
});
grid.drawn = (first, last) => {
  // The stretch of time of the rows in sight.
  let from = Infinity;
  let to = 0;
  for (let line = first; line < Math.min(last, view.length); line++) {
    const row = view.rows[line];
    if (view.outline.depth[row] === 0) continue;
    from = Math.min(from, view.outline.start[row]);
    to = Math.max(to, endOf(row));
  }
  map.mark({ seen: to > from ? [from, to] : null });
  const text = view.text ?? "";
  mark("hit-row", text.length > 1 ? places(grid.rows, text) : []);
};
scale.changed(zoomed);
zoomed();
grid.draw();
document.querySelector("[data-pages]")?.remove();
for (const tools of document.querySelectorAll("[data-tools]")) tools.hidden = false;
map.renew();
listen();
owned();
const named = linked();
if (named.trace || named.span) await goTo(named);
else if (shown) {
  const row = view.outline.indexOf(shown);
  if (row >= 0) { view.reveal(row); select(row, { at: 0 }); }
}
if (document.activeElement === document.body) tree.focus({ preventScroll: true });
main.dataset.ready = "true";
follow(`/live?trace=${encodeURIComponent(main.dataset.trace)}`, changed, () => Math.max(500, cost * 15));
