// The page of one trace: ties the tree, the pane of the selected span, keys and live changes.
import { copying, showCopy } from "./copy.js";
import { localize, tick } from "./format.js";
import { fragment, json, replace } from "./fragment.js";
import { Grid } from "./grid.js";
import { focusFilter, help, keys } from "./keys.js";
import { follow } from "./live.js";
import { Outline, View } from "./outline.js";

const main = document.querySelector("main");
const tree = document.getElementById("tree");
const pane = document.getElementById("pane");
const found = document.querySelector("[data-found]");
const nextError = document.querySelector("[data-error]");
const box = document.querySelector("[data-filter]");
const base = main.dataset.base;
const api = main.dataset.api;

const pageOf = (id) => (id ? `${base}?span=${encodeURIComponent(id)}` : base);
const linked = () => new URLSearchParams(location.hash.slice(1)).get("span");

let view = null;
let grid = null;
let shown = main.dataset.span || null;
let loading = null;
let cost = 0;

async function outline() {
  const began = performance.now();
  const data = await json(`${base}/outline`);
  cost = performance.now() - began;
  return new Outline(data);
}

/** Shows the span `id`, or the trace as a whole, in the pane. */
async function show(id, { keep = false } = {}) {
  if (id === shown && !keep) return;
  loading?.abort();
  const mine = (loading = new AbortController());
  const place = keep ? pane.scrollTop : 0;
  try {
    const page = await fragment(id ? `${base}/detail?span=${encodeURIComponent(id)}` : `${base}/detail`, mine.signal);
    const opened = keep ? openFolds() : null;
    pane.replaceChildren(...[...page.querySelector("#pane").childNodes].map((node) => document.adoptNode(node)));
    shown = id;
    if (opened) restoreFolds(opened);
    pane.scrollTop = place;
    localize(pane);
    showCopy(pane);
  } catch (error) {
    if (error.name === "AbortError") return;
    const note = document.createElement("p");
    note.className = "detail absent";
    note.textContent = `This span could not be loaded: ${error.message}.`;
    pane.replaceChildren(note);
    shown = undefined;
  }
}

const openFolds = () => [...pane.querySelectorAll("details")].map((fold) => fold.open);
const restoreFolds = (open) => {
  const folds = pane.querySelectorAll("details");
  if (folds.length === open.length) folds.forEach((fold, at) => { fold.open = open[at]; });
};

let settle = null;
function select(row, { scroll = true, at = 40 } = {}) {
  grid.select(row, { scroll });
  const id = row < 0 ? null : view.outline.id[row];
  const target = id ? `#span=${encodeURIComponent(id)}` : base;
  history.replaceState(null, "", target);
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

function fold(row, folded) {
  view.fold(row, folded);
  select(row);
}

function right() {
  const row = grid.selected;
  if (row < 0) return step(1);
  if (view.folded.has(row)) return fold(row, false);
  if (view.isParent(row)) step(1);
}

function left() {
  const row = grid.selected;
  if (row < 0) return;
  if (view.isParent(row) && !view.folded.has(row) && !view.found) return fold(row, true);
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

function filter() {
  view.filter(box.value);
  told();
  tree.scrollTop = 0;
  grid.draw();
}

function listen() {
  tree.addEventListener("click", (event) => {
    const node = event.target.closest(".row");
    if (!node || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    tree.focus({ preventScroll: true });
    if (event.target.closest(".twist") && view.isParent(node.row)) return fold(node.row, !view.folded.has(node.row));
    select(node.row, { scroll: false, at: 0 });
  });
  box.addEventListener("input", filter);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      tree.focus();
      if (view.found && view.hits) select(view.found.indexOf(1));
    } else if (event.key === "Escape") {
      box.value = "";
      filter();
      tree.focus();
    }
  });
  document.querySelector("[data-fold]").addEventListener("click", all);
  nextError.addEventListener("click", () => error(1));
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
    t: () => select(-1),
    u: () => { location.href = "/"; },
    "/": focusFilter,
    "?": openHelp,
  });
  addEventListener("hashchange", () => {
    const row = view.outline.indexOf(linked());
    if (row >= 0) { view.reveal(row); select(row); }
  });
}

async function changed() {
  const [newer, page] = await Promise.all([outline(), fragment(`${base}/detail`)]);
  const id = grid.selected < 0 ? null : view.outline.id[grid.selected];
  view.renew(newer);
  grid.selected = id ? newer.indexOf(id) : -1;
  grid.renew();
  nextError.hidden = !newer.anyFailed;
  told();
  replace(page, "#facts");
  localize(document.getElementById("facts"));
  showCopy(document.getElementById("facts"));
  if (pane.querySelector("[data-open]") || !id) await show(id, { keep: true });
}

const openHelp = help();
copying();
showCopy();
localize();
tick();

view = new View(await outline());
grid = new Grid(tree, view, `${api}/spans`);
document.querySelector("[data-pages]")?.remove();
document.querySelector("[data-tools]").hidden = false;
listen();
const wanted = linked() ?? shown;
const row = wanted ? view.outline.indexOf(wanted) : -1;
if (row >= 0) {
  view.reveal(row);
  select(row, { at: 0 });
}
if (document.activeElement === document.body) tree.focus({ preventScroll: true });
main.dataset.ready = "true";
follow(`/live?trace=${encodeURIComponent(main.dataset.trace)}`, changed, () => Math.max(500, cost * 15));
