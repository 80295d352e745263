// The page of two traces: selecting a step fetches what differs of it, and keys lead from difference to difference.
// Steps are links to this very page with another selection, so all of it works without this script, too.
import { localize } from "./format.js";
import { fragment, replace } from "./fragment.js";
import { help, keys } from "./keys.js";

const main = document.querySelector("main");
const rows = [...document.querySelectorAll("[data-row]")];
const link = (row) => row.querySelector("[data-step]");
const differs = (row) => !row.classList.contains("unchanged");

let selected = rows.findIndex((row) => link(row).hasAttribute("aria-current"));
let loading = null;
let settle = null;

/** Shows what differs of a step in the pane. */
async function show(row) {
  loading?.abort();
  const mine = (loading = new AbortController());
  const { search } = new URL(link(row).href);
  try {
    const page = await fragment(`/compare/diff${search}`, mine.signal);
    replace(page, "#pane");
    document.getElementById("pane").scrollTop = 0;
    main.dataset.shown = row.dataset.row;
  } catch (error) {
    if (error.name === "AbortError") return;
    const note = document.createElement("p");
    note.className = "absent";
    note.textContent = `This difference could not be loaded: ${error.message}.`;
    document.getElementById("pane").replaceChildren(note);
  }
}

function select(at, { wait = 40 } = {}) {
  if (at < 0 || at >= rows.length) return;
  if (selected >= 0) link(rows[selected]).removeAttribute("aria-current");
  selected = at;
  const row = rows[at];
  link(row).setAttribute("aria-current", "true");
  link(row).focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", link(row).href);
  // Holding a key down runs through steps without fetching each of them.
  clearTimeout(settle);
  settle = setTimeout(() => show(row), wait);
}

function step(by) {
  select(selected < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, selected + by)));
}

/** The next difference, on another page if need be. */
function difference(by) {
  for (let at = selected < 0 ? (by > 0 ? 0 : rows.length - 1) : selected + by; at >= 0 && at < rows.length; at += by) {
    if (differs(rows[at])) return select(at);
  }
  const further = document.querySelector(by > 0 ? "[data-after]" : "[data-before]");
  if (further) location.href = further.href;
}

function first() {
  const target = document.querySelector("[data-first]");
  if (!target) return;
  const at = rows.findIndex((row) => row.dataset.row === target.dataset.first);
  if (at >= 0) select(at);
  else location.href = target.href;
}

const click = (selector) => () => document.querySelector(selector)?.click();
const inPane = () => document.getElementById("pane").contains(document.activeElement);
const moves = (action) => () => (inPane() ? false : action());

document.getElementById("steps").addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const at = rows.indexOf(row);
  // Enter selects a step; on the one that is selected it goes into the pane.
  if (event.detail === 0 && at === selected) document.getElementById("pane").focus();
  else select(at, { wait: 0 });
});
document.querySelector("[data-first]")?.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  first();
});

const open = help();
keys({
  d: first,
  n: () => difference(1),
  p: () => difference(-1),
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: moves(() => step(1)),
  ArrowUp: moves(() => step(-1)),
  f: click("[data-only]"),
  s: click("[data-swap]"),
  Escape: () => { if (inPane() && selected >= 0) link(rows[selected]).focus(); },
  u: () => { location.href = "/"; },
  "?": open,
});

localize();
if (selected >= 0) {
  rows[selected].scrollIntoView({ block: "nearest" });
  if (document.activeElement === document.body) link(rows[selected]).focus({ preventScroll: true });
}
main.dataset.ready = "true";
