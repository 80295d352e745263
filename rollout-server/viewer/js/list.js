// Lists: they follow the server, keep the reader's place, and listen to keys.
import { charting, focusCharts, renewCharts } from "./chart.js";
import { columns } from "./columns.js";
import { completing } from "./complete.js";
import { fragment, json } from "./fragment.js";
import { localize, tick } from "./format.js";
import { focusFilter, help, keys } from "./keys.js";
import { follow } from "./live.js";
import { customRange, menus } from "./menu.js";

const main = () => document.querySelector("main");
const links = () => [...document.querySelectorAll("a.open")];
const rowOf = (node) => node?.closest?.("tr, li.turn");

/** Traces that have come above what the reader sees. */
let above = 0;

function move(step) {
  const all = links();
  if (all.length === 0) return;
  const row = rowOf(document.activeElement);
  const at = row ? all.findIndex((link) => row.contains(link)) : -1;
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus({ preventScroll: true });
  rowOf(all[next])?.scrollIntoView({ block: "nearest" });
}

/** Leads to the list of what has the same as the row that has the focus. */
function only(by) {
  const row = rowOf(document.activeElement) ?? rowOf(document.querySelector("tr:hover"));
  const link = row?.querySelector(`a[data-by="${by}"]`);
  if (!link) return false;
  link.click();
  return true;
}

const click = (selector) => () => {
  const link = document.querySelector(`[data-pager] ${selector}`);
  if (!link) return false;
  link.click();
  return true;
};

/** Says how many are new, where they do not push away what is read. */
function news(words, act) {
  let pill = document.querySelector("[data-news]");
  if (!words) return pill?.remove();
  if (!pill) {
    pill = document.createElement("button");
    pill.type = "button";
    pill.className = "news";
    pill.dataset.news = "";
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    pill.append(said);
    document.body.append(pill);
  }
  pill.onclick = act;
  pill.firstElementChild.textContent = words;
  return pill;
}

function up() {
  above = 0;
  news(null);
  scrollTo({ top: 0 });
}

/** Takes over the rows of `page`, leaving alone those that did not change. */
function merge(page) {
  const grows = main().dataset.grows === "down";
  const fresh = page.querySelector("[data-rows]");
  const rows = document.querySelector("[data-rows]");
  renewCharts(page);
  if (!fresh || !rows) {
    // From nothing to the first one, and back.
    const body = page.querySelector("[data-body]");
    const mine = document.querySelector("[data-body]");
    if (body && mine) {
      const same = !fresh && !rows;
      if (!same) mine.replaceWith(document.adoptNode(body));
    } else {
      main().replaceWith(document.adoptNode(page.querySelector("main")));
      start();
    }
    parts(page);
    return;
  }
  const scrolled = scrollY > 0;
  // What the reader looks at stays where it is, however many rows come above it.
  const anchor = scrolled && !grows ? [...rows.children].find((row) => row.getBoundingClientRect().bottom > 0) : null;
  const before = anchor?.getBoundingClientRect().top;
  const old = new Map([...rows.children].map((row) => [row.dataset.trace, row]));
  const focused = rowOf(document.activeElement)?.dataset.trace;
  let come = 0;

  let place = rows.firstElementChild;
  for (const row of [...fresh.children]) {
    const known = old.get(row.dataset.trace);
    old.delete(row.dataset.trace);
    if (known && known.dataset.version === row.dataset.version) {
      if (known === place) place = place.nextElementSibling;
      else rows.insertBefore(known, place);
      continue;
    }
    const node = document.adoptNode(row);
    if (known) {
      if (known === place) place = place.nextElementSibling;
      known.replaceWith(node);
      rows.insertBefore(node, place);
    } else {
      come += 1;
      node.classList.add("fresh");
      rows.insertBefore(node, place);
    }
  }
  // Whoever reads further down keeps the rows there, though the first page has no room for them any more.
  if (!anchor) for (const gone of old.values()) gone.remove();

  if (anchor?.isConnected) {
    scrollBy(0, anchor.getBoundingClientRect().top - before);
    above += come;
    if (above) news(`${above} new`, up);
  }
  if (focused && document.activeElement === document.body) {
    rows.querySelector(`[data-trace="${CSS.escape(focused)}"] a.open`)?.focus({ preventScroll: true });
  }
  parts(page);
}

/** Takes over what stands around the rows. */
function parts(page) {
  const stale = [...document.querySelectorAll("[data-pager], [data-part]")];
  for (const now of stale) {
    const selector = now.dataset.part === undefined ? "[data-pager]" : `[data-part="${now.dataset.part}"]`;
    const next = page.querySelector(selector);
    if (next && next.innerHTML !== original.get(selector)) {
      original.set(selector, next.innerHTML);
      if (!now.contains(document.activeElement)) now.replaceWith(document.adoptNode(next));
    }
  }
}

/** Parts as the server wrote them, before times were put into the reader's zone. */
const original = new Map();

/** On a later page: how many have begun since it was opened. */
async function count() {
  const filter = new URLSearchParams(location.search).get("filter") ?? "";
  const since = `${filter} since:${main().dataset.now}`;
  const found = await json(`/api/v1/traces?limit=100&filter=${encodeURIComponent(since)}`);
  const many = found.traces.length;
  if (many === 0) return;
  news(`${many}${found.next_cursor ? "+" : ""} new`, click("a:first-child"));
}

/** Lets the keyboard scroll what is longer than its place. */
function scrollable() {
  for (const part of document.querySelectorAll(".part-of > .sheet")) {
    if (part.tabIndex >= 0 || part.scrollHeight <= part.clientHeight) continue;
    part.tabIndex = 0;
    part.setAttribute("role", "group");
    part.setAttribute("aria-label", part.parentElement.querySelector("h2").textContent);
  }
}

function start() {
  for (const part of document.querySelectorAll("[data-pager], [data-part]")) {
    original.set(part.dataset.part === undefined ? "[data-pager]" : `[data-part="${part.dataset.part}"]`, part.innerHTML);
  }
  completing();
  charting();
  customRange();
  columns();
  localize();
  scrollable();
}

/** How often a range that ends now is looked at anew where nothing comes, in milliseconds. */
const SLIDE = 30000;

let cost = 0;
let busy = false;
async function changed() {
  if (busy) return;
  busy = true;
  try {
    await renew();
  } finally {
    busy = false;
  }
}

async function renew() {
  const began = performance.now();
  const page = await fragment(location.href);
  merge(page);
  localize();
  scrollable();
  const later = main().dataset.now !== undefined && main().dataset.first === undefined;
  if (later) await count();
  cost = performance.now() - began;
}

start();
menus();
tick();
addEventListener("scroll", () => { if (scrollY === 0 && above) up(); }, { passive: true });

const open = help();
keys({
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "f s": () => only("s"),
  "f n": () => only("n"),
  "f u": () => only("u"),
  "f e": () => only("e"),
  "f t": () => only("t"),
  "]": click("[rel=next]"),
  "[": click("a:first-child:not([rel=next])"),
  ".": () => (document.querySelector("[data-news]") ? document.querySelector("[data-news]").click() : up()),
  c: focusCharts,
  "/": focusFilter,
  "?": open,
});
main().dataset.ready = "true";
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-slides]")) changed().catch(() => {});
}, SLIDE);
// A page that costs much is made less often.
follow("/live", changed, () => Math.max(400, cost * 10));
