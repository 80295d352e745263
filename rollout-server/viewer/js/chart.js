// The charts above a list. The server draws them; here a bucket is looked at by mouse or keys,
// and a range of them is chosen, which becomes a part of the filter.
import { cost, count, moment } from "./format.js";

const NAMES = ["traces", "errors", "p50", "p95", "p99", "tokens", "cost"];
const NOTHING = { traces: "0", errors: "0", p50: "–", p95: "–", p99: "–", tokens: "0", cost: "–" };

let section = null;
/** The bucket that is looked at, and the other end of the range that is being chosen. */
let at = -1;
let anchor = -1;
let dragging = false;

const buckets = () => Number(section.dataset.buckets);
const axis = () => section.querySelector("[data-axis]");

function numbers(row) {
  const cells = row ? [...row.querySelectorAll("td")].map((cell) => cell.textContent) : null;
  return cells ? Object.fromEntries(NAMES.map((name, index) => [name, cells[index]])) : NOTHING;
}

const ofBucket = (index) => numbers(section.querySelector(`[data-numbers] tr[data-at="${index}"]`));
const ofAll = () => numbers(section.querySelector("[data-total] tr"));

/** What some buckets come to. Percentiles cannot be added up. */
function ofRange(from, to) {
  let [traces, errors, tokens, usd] = [0, 0, 0, null];
  for (const row of section.querySelectorAll("[data-numbers] tr")) {
    const index = Number(row.dataset.at);
    if (index < from || index > to) continue;
    const sums = row.dataset.sums.split(" ");
    traces += Number(sums[0]);
    errors += Number(sums[1]);
    tokens += Number(sums[2]);
    if (sums[3]) usd = (usd ?? 0) + Number(sums[3]);
  }
  return { ...NOTHING, traces: count(traces), errors: count(errors), tokens: count(tokens), cost: usd === null ? "–" : cost(usd) };
}

/** When a bucket begins. */
const begins = (index) => new Date(Date.parse(section.dataset.from) + index * Number(section.dataset.bucketMs));

function say(plot, value, more) {
  const figure = section.querySelector(`[data-plot="${plot}"]`);
  figure.querySelector("[data-value]").textContent = value;
  figure.querySelector("[data-more]").textContent = more;
}

function tell(of) {
  say("traces", of.traces, of.errors === "0" ? "" : `${of.errors} failed`);
  say("latency", `p50 ${of.p50}`, `p95 ${of.p95}  p99 ${of.p99}`);
  say("tokens", of.tokens, "");
  say("cost", of.cost, "");
}

function mark(selector, from, count) {
  for (const rect of section.querySelectorAll(selector)) {
    rect.setAttribute("x", from * 10);
    rect.setAttribute("width", count * 10);
  }
}

const range = () => (anchor < 0 ? [at, at] : [Math.min(at, anchor), Math.max(at, anchor)]);

/** Shows the bucket that is looked at, and the range. */
function show() {
  const label = section.querySelector("[data-at]");
  const bar = axis();
  if (at < 0) {
    mark(".cursor", 0, 0);
    mark("rect.span", 0, 0);
    tell(ofAll());
    label.textContent = "";
    bar.removeAttribute("aria-valuetext");
    return;
  }
  const [from, to] = range();
  const of = from === to ? ofBucket(at) : ofRange(from, to);
  mark(".cursor", at, anchor < 0 ? 1 : 0);
  mark("rect.span", from, anchor < 0 ? 0 : to - from + 1);
  tell(of);
  const when = `${moment(begins(from))} – ${moment(begins(to + 1))}`;
  label.textContent = when;
  bar.setAttribute("aria-valuenow", String(at));
  bar.setAttribute("aria-valuetext", `${when}: ${of.traces} traces, ${of.errors} failed${from === to ? `, p50 ${of.p50}, p95 ${of.p95}, p99 ${of.p99}` : ""}, ${of.tokens} tokens, cost ${of.cost}`);
}

function leave() {
  at = -1;
  anchor = -1;
  dragging = false;
  show();
}

/** Shows only what began in the range. */
function zoom() {
  const [from, to] = range();
  const each = Number(section.dataset.bucketMs);
  if (at < 0 || to - from + 1 >= buckets() || each < 1) return leave();
  // Whole seconds read better, where they are fine enough.
  const grid = each >= 10000 ? 1000 : 1;
  const round = (how, date) => new Date(how(date / grid) * grid).toISOString();
  const asked = new URLSearchParams({
    filter: new URLSearchParams(location.search).get("filter") ?? "",
    from: round(Math.floor, begins(from).valueOf()),
    to: round(Math.ceil, begins(to + 1).valueOf()),
  });
  location.href = `${location.pathname}?${asked}`;
}

function under(event) {
  const area = event.target.closest?.(".area");
  if (!area) return -1;
  const box = area.getBoundingClientRect();
  const part = (event.clientX - box.left) / box.width;
  return Math.min(buckets() - 1, Math.max(0, Math.floor(part * buckets())));
}

function pointers() {
  section.addEventListener("pointermove", (event) => {
    if (!buckets()) return;
    const place = under(event);
    if (place < 0 ? dragging : place === at) return;
    at = place;
    show();
  });
  section.addEventListener("pointerdown", (event) => {
    const place = under(event);
    if (place < 0 || event.button !== 0 || !buckets()) return;
    event.preventDefault();
    event.target.closest(".area").setPointerCapture?.(event.pointerId);
    dragging = true;
    at = place;
    anchor = place;
    show();
  });
  section.addEventListener("pointerup", () => { if (dragging) zoom(); });
  section.addEventListener("pointercancel", leave);
  section.addEventListener("pointerleave", () => {
    if (!dragging && document.activeElement !== axis()) leave();
  });
}

function slide(event) {
  const last = buckets() - 1;
  const step = (to) => {
    if (event.shiftKey) anchor = anchor < 0 ? at : anchor;
    else anchor = -1;
    at = Math.min(last, Math.max(0, to));
    show();
  };
  switch (event.key) {
    case "ArrowLeft": case "ArrowDown": step(at < 0 ? last : at - 1); break;
    case "ArrowRight": case "ArrowUp": step(at < 0 ? 0 : at + 1); break;
    case "PageUp": step(at + 10); break;
    case "PageDown": step(at - 10); break;
    case "Home": step(0); break;
    case "End": step(last); break;
    case "Enter": if (at < 0) return; zoom(); break;
    case "Escape":
      if (anchor >= 0) { anchor = -1; show(); } else axis().blur();
      break;
    default: return;
  }
  event.preventDefault();
}

/** The axis is what the keyboard holds: a slider over the buckets. */
function handle() {
  const bar = axis();
  if (!buckets()) return;
  bar.tabIndex = 0;
  bar.setAttribute("role", "slider");
  bar.setAttribute("aria-label", "Moment in the charts");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", String(buckets() - 1));
  bar.setAttribute("aria-valuenow", String(Math.max(0, at)));
}

/** Makes the charts answer to mouse and keys. */
export function charting() {
  section = document.querySelector("[data-charts]");
  if (!section) return;
  handle();
  pointers();
  section.addEventListener("keydown", (event) => { if (event.target === axis()) slide(event); });
  axis().addEventListener("focus", () => { if (at < 0) { at = buckets() - 1; show(); } });
  axis().addEventListener("blur", () => { if (!dragging) leave(); });
}

/** Moves the focus into the charts. */
export function focusCharts() {
  if (!section?.isConnected || !buckets()) return false;
  axis().focus();
  return true;
}

/** Takes over the charts of `page`; not under the reader's hand. */
export function renewCharts(page) {
  const fresh = page.querySelector("[data-charts]");
  if (!fresh || !section?.isConnected || dragging || anchor >= 0) return;
  for (const name of ["buckets", "bucketMs", "from"]) {
    if (fresh.dataset[name] === undefined) delete section.dataset[name];
    else section.dataset[name] = fresh.dataset[name];
  }
  for (const part of ["[data-plots]", "[data-numbers]", "[data-total]"]) {
    section.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
  }
  const edges = fresh.querySelectorAll("[data-edge]");
  section.querySelectorAll("[data-edge]").forEach((edge, index) => edge.replaceChildren(...[...edges[index].childNodes].map((node) => document.adoptNode(node))));
  at = Math.min(at, buckets() - 1);
  handle();
  if (at >= 0) show();
}
