// Captured values in the pane: their forms, the rest of long ones, a search inside, and the paths of JSON.
import { write } from "./copy.js";
import { fragment, json } from "./fragment.js";
import { mark, places, reach } from "./marks.js";

const section = (node) => node.closest?.("[data-value]");

async function bring(url) {
  const page = await fragment(url);
  return document.adoptNode(page.querySelector("#piece"));
}

/** Shows the value of `of` in the form that `link` leads to. */
async function form(of, link) {
  const piece = await bring(link.href);
  if (!of.isConnected) return;
  of.querySelector("[data-view]").replaceChildren(...piece.childNodes);
  for (const other of of.querySelectorAll("[data-form]")) {
    if (other === link) other.setAttribute("aria-current", "true");
    else other.removeAttribute("aria-current");
  }
  of.dataset.chosen = link.textContent;
  of.querySelector("[data-find] input")?.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Puts what a page left out in the place of the words that say so. */
async function more(link) {
  const cut = link.closest(".cut");
  const piece = await bring(link.href);
  if (!cut.isConnected) return;
  const rest = cut.closest("[data-rest]");
  const said = cut.closest(".said");
  if (rest) rest.replaceWith(...piece.querySelector("ul").children);
  else if (cut.parentElement === said) said.replaceWith(...piece.querySelector(".sheet").childNodes);
  else if (piece.querySelector("pre.text")) cut.replaceWith(...piece.querySelector("pre.text").childNodes);
  else cut.replaceWith(...piece.querySelector(".json").childNodes);
}

/** The path of the node of a JSON tree in which `element` is: its steps, and as people write it. */
function path(element) {
  const steps = [];
  for (let item = element.closest("li[data-key]"); item; item = item.parentElement.closest("li[data-key]")) {
    steps.unshift("item" in item.dataset ? Number(item.dataset.key) : item.dataset.key);
  }
  const words = steps.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return { steps, words: `$${words.join("")}` };
}

const button = (words, name) => {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.textContent = words;
  made.dataset.do = name;
  return made;
};

async function flash(made, action) {
  const words = made.textContent;
  try { await action(); made.textContent = "copied"; } catch { made.textContent = "failed"; }
  setTimeout(() => { made.textContent = words; }, 1200);
}

/** The text of one node, taken from the whole value where there is one to ask for. */
async function nodeText(of, steps, tree) {
  const from = of.querySelector("[data-copy-value]");
  const whole = tree.closest("[data-view] > .sheet > .json") && from;
  if (!whole) return tree.textContent;
  const value = [...from.dataset.copyValue.split("/"), ...steps].reduce((part, key) => part?.[key], await json(from.dataset.from));
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Says below the value where the node is on which the reader is. */
function point(element) {
  const of = section(element);
  const item = element.closest("li[data-key]");
  for (const stale of document.querySelectorAll(".json .here")) stale.classList.remove("here");
  if (!of || !item) return;
  item.classList.add("here");
  let bar = of.querySelector("[data-at]");
  if (!bar) {
    bar = document.createElement("div");
    bar.className = "at";
    bar.dataset.at = "";
    bar.append(document.createElement("code"), button("Copy path", "path"), button("Copy value", "node"));
    of.append(bar);
  }
  bar.item = item;
  bar.firstChild.textContent = path(item).words;
}

function copyAt(bar, which, made) {
  const { steps, words } = path(bar.item);
  flash(made, async () => write(which === "path" ? words : await nodeText(section(bar), steps, bar.item)));
}

/** Opens the search inside of a value. */
function find(of) {
  let box = of.querySelector("[data-find]");
  if (!box) {
    box = document.createElement("div");
    box.className = "find";
    box.dataset.find = "";
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "Find in this value";
    input.setAttribute("aria-label", "Find in this value; Enter for the next");
    input.autocomplete = "off";
    const words = document.createElement("span");
    words.setAttribute("role", "status");
    box.append(input, words);
    of.querySelector("h3").after(box);
    let at = -1;
    let hits = [];
    const told = () => {
      const cut = of.querySelector("[data-view] .cut") ? " in what is shown" : "";
      words.textContent = input.value.trim() ? `${hits.length ? `${at + 1} of ` : ""}${hits.length}${cut}` : "";
    };
    const step = (by) => {
      if (!hits.length) return;
      at = (at + by + hits.length) % hits.length;
      reach(hits[at]);
      mark("found-now", [hits[at]]);
      told();
    };
    input.addEventListener("input", () => {
      hits = places(of.querySelector("[data-view]"), input.value);
      at = -1;
      mark("found", hits);
      mark("found-now", []);
      if (hits.length) step(1);
      else told();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") {
        event.preventDefault();
        mark("found", []);
        mark("found-now", []);
        box.remove();
        document.getElementById("pane")?.focus();
      } else return;
      event.stopPropagation();
    });
  }
  box.querySelector("input").focus();
  box.querySelector("input").select();
}

/** Moves among the nodes of a JSON tree that are in sight. Returns whether the key meant that. */
function walk(event) {
  const here = event.target.closest(".json li[data-key], .json summary");
  const tree = here?.closest(".json");
  if (!tree) return false;
  const item = here.closest("li[data-key]");
  const fold = (item ?? tree).querySelector(":scope > details");
  const go = (next) => {
    const target = next?.querySelector(":scope > details > summary") ?? next;
    if (!target) return;
    target.tabIndex = target.tagName === "SUMMARY" ? 0 : -1;
    target.focus();
    point(target);
  };
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const items = [...tree.querySelectorAll("li[data-key]")].filter((one) => one.offsetParent !== null && one.checkVisibility());
    const at = item ? items.indexOf(item) : -1;
    go(items[at + (event.key === "ArrowDown" ? 1 : -1)]);
  } else if (event.key === "ArrowRight" && fold) fold.open = true;
  else if (event.key === "ArrowLeft" && fold?.open) fold.open = false;
  else if (event.key === "ArrowLeft") go(item?.parentElement.closest("li[data-key]"));
  else if ((event.key === "y" || event.key === "Y") && item) {
    point(item);
    const bar = section(item)?.querySelector("[data-at]");
    if (bar) copyAt(bar, event.key === "y" ? "node" : "path", bar.querySelector(`[data-do=${event.key === "y" ? "node" : "path"}]`));
  } else return false;
  return true;
}

/** Shows the buttons of values under `root`, and keeps the forms that were chosen before. */
export function dress(root, chosen = new Map()) {
  for (const of of root.querySelectorAll("[data-value]")) {
    for (const made of of.querySelectorAll("h3 [data-do]")) made.hidden = !of.querySelector("[data-view] .sheet");
    const form_ = chosen.get(of.getAttribute("aria-label"));
    const link = form_ && [...of.querySelectorAll("[data-form]")].find((one) => one.textContent === form_);
    if (link && link.getAttribute("aria-current") !== "true") form(of, link).catch(() => {});
  }
}

/** Which forms were chosen under `root`, by the values' titles. */
export function forms(root) {
  return new Map([...root.querySelectorAll("[data-chosen]")].map((of) => [of.getAttribute("aria-label"), of.dataset.chosen]));
}

/** Makes values work under `root`, those that come later too. */
export function values(root) {
  root.addEventListener("click", (event) => {
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
    const link = event.target.closest?.("[data-form], [data-more]");
    if (link && plain) {
      event.preventDefault();
      const done = link.matches("[data-form]") ? form(section(link), link) : more(link);
      done.catch((error) => { link.title = error.message; });
      return;
    }
    const made = event.target.closest?.("[data-do]");
    if (made?.dataset.do === "find") find(section(made));
    else if (made) copyAt(made.closest("[data-at]"), made.dataset.do, made);
    else if (event.target.closest?.(".json")) point(event.target);
  });
  root.addEventListener("focusin", (event) => {
    if (event.target.closest?.(".json summary")) point(event.target);
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    if (walk(event)) { event.preventDefault(); event.stopPropagation(); }
  });
}

/** Opens the search of the value on which the reader is, or of the first. */
export function findHere(root) {
  const focused = document.activeElement?.closest?.("[data-value]");
  const of = focused ?? root.querySelector("[data-value]:has([data-view] .sheet)");
  if (of) find(of);
}
