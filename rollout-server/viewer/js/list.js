// The list of traces: follows the server, keeps the reader's place, and listens to keys.
import { fragment } from "./fragment.js";
import { localize, tick } from "./format.js";
import { focusFilter, help, keys } from "./keys.js";
import { follow } from "./live.js";

const links = () => [...document.querySelectorAll("a.open")];

function move(step) {
  const all = links();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus({ preventScroll: true });
  all[next].closest("tr").scrollIntoView({ block: "nearest" });
}

/** Takes over the rows of `page`, leaving alone those that did not change. */
function merge(page) {
  const fresh = page.querySelector("[data-rows]");
  const rows = document.querySelector("[data-rows]");
  if (!fresh || !rows) {
    // From the empty page to the first trace, and back: the whole of it is another.
    const main = document.querySelector("main");
    main.replaceWith(document.adoptNode(page.querySelector("main")));
    return;
  }
  // What the reader looks at stays where it is, however many rows come above it.
  const anchor = scrollY > 0 ? [...rows.children].find((row) => row.getBoundingClientRect().bottom > 0) : null;
  const before = anchor?.getBoundingClientRect().top;
  const old = new Map([...rows.children].map((row) => [row.dataset.trace, row]));
  const focused = document.activeElement?.closest?.("tr")?.dataset.trace;

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
      node.classList.add("fresh");
      rows.insertBefore(node, place);
    }
  }
  for (const gone of old.values()) gone.remove();

  if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - before);
  if (focused && document.activeElement === document.body) {
    rows.querySelector(`[data-trace="${CSS.escape(focused)}"] a.open`)?.focus({ preventScroll: true });
  }
  for (const part of ["[data-pager]", "[data-summary]"]) {
    const next = page.querySelector(part);
    const now = document.querySelector(part);
    if (next && now && next.textContent !== now.textContent) now.replaceWith(document.adoptNode(next));
  }
}

const open = help();
keys({
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "/": focusFilter,
  "?": open,
});

localize();
tick();
follow("/live", async () => {
  merge(await fragment(location.href));
  localize();
});
