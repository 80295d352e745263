// Marks words in what is on the page without touching it: the browser paints ranges of text.
// Where it cannot, nothing is marked and everything else works.

const able = typeof Highlight === "function" && Boolean(CSS.highlights);
const LIMIT = 1000;

/** Ranges of the places under `root` in which `text` stands, whatever its case, in order. */
export function places(root, text) {
  const found = [];
  const wanted = text.trim().toLowerCase();
  if (!wanted) return found;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && found.length < LIMIT; node = walker.nextNode()) {
    const words = node.data.toLowerCase();
    // A letter whose other case has another length would shift what follows.
    if (words.length !== node.data.length) continue;
    for (let at = words.indexOf(wanted); at >= 0 && found.length < LIMIT; at = words.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      found.push(range);
    }
  }
  return found;
}

/** Marks ranges under a name that the styles know; none takes the marks away. */
export function mark(name, ranges) {
  if (!able) return;
  if (ranges.length) CSS.highlights.set(name, new Highlight(...ranges));
  else CSS.highlights.delete(name);
}

/** Unfolds what hides a range, and scrolls to it. */
export function reach(range) {
  const element = range.startContainer.parentElement;
  for (let fold = element?.closest("details"); fold; fold = fold.parentElement?.closest("details")) {
    if (!element.closest("summary") || element.closest("summary").parentElement !== fold) fold.open = true;
  }
  element?.scrollIntoView({ block: "nearest" });
}
