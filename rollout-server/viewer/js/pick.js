// Two traces of the list, picked by `x`, to be compared by `v`. What is picked stays while rows come, and while the list
// turns its pages.
import { keys } from "./keys.js";

/** Where what is picked is kept, in the order in which it was. */
const KEPT = "rollout.picked";

const kept = () => {
  try {
    const picked = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(picked) ? picked.filter((id) => typeof id === "string").slice(0, 2) : [];
  } catch {
    return [];
  }
};

let picked = kept();
const rowOf = (id) => document.querySelector(`tr[data-trace="${CSS.escape(id)}"]`);
const focused = () => document.activeElement?.closest?.("tr[data-trace]") ?? document.querySelector("tr[data-trace]:hover");
const address = () => `/compare?a=${encodeURIComponent(picked[0])}&b=${encodeURIComponent(picked[1])}`;

function keep(next) {
  picked = next;
  sessionStorage.setItem(KEPT, JSON.stringify(picked));
  draw();
}

function pick() {
  const id = focused()?.dataset.trace;
  if (!id) return false;
  if (picked.includes(id)) return keep(picked.filter((other) => other !== id));
  // The first stays: it is what the others are compared with.
  keep([...picked.slice(0, 1), id]);
}

function compare() {
  if (picked.length < 2) return false;
  const to = address();
  keep([]);
  location.href = to;
}

const button = (words, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...words);
  made.addEventListener("click", act);
  return made;
};

const key = (name) => Object.assign(document.createElement("kbd"), { textContent: name });

/** Says what is picked, at the foot of the page. */
function bar() {
  let bar = document.querySelector("[data-picked]");
  if (picked.length === 0) return bar?.remove();
  if (!bar) {
    bar = document.createElement("div");
    bar.className = "picked";
    bar.dataset.picked = "";
    bar.setAttribute("role", "status");
    document.body.append(bar);
  }
  const words = document.createElement("span");
  words.textContent = picked.length === 2 ? "Two traces picked" : "A is picked: go to another trace and press ";
  if (picked.length < 2) words.append(key("x"));
  const clear = button(["Clear"], () => keep([]));
  bar.replaceChildren(words, ...(picked.length === 2 ? [button(["Compare ", key("v")], compare)] : []), clear);
}

function draw() {
  for (const row of document.querySelectorAll("tr[data-pick]")) {
    if (picked[row.dataset.pick === "A" ? 0 : 1] !== row.dataset.trace) delete row.dataset.pick;
  }
  picked.forEach((id, at) => {
    const row = rowOf(id);
    const letter = "AB"[at];
    if (row && row.dataset.pick !== letter) row.dataset.pick = letter;
  });
  bar();
}

keys({ x: pick, v: compare });
// Rows that have changed are others.
new MutationObserver((changes) => {
  const inMain = (change) => change.target.closest?.("main") || [...change.addedNodes].some((node) => node.localName === "main");
  if (changes.some(inMain)) draw();
}).observe(document.body, { childList: true, subtree: true });
draw();
