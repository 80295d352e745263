// What is wrong with how a page is laid out: lines, each a fault. Evaluated when the page is there.
(() => {
  const faults = [];
  const words = (node) => (node.textContent ?? "").trim().replace(/\s+/g, " ");
  const short = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
  const name = (node) => {
    const kind = typeof node.className === "string" && node.className ? `.${node.className.trim().split(/\s+/).join(".")}` : "";
    return `${node.localName}${node.id ? `#${node.id}` : ""}${kind} “${short(words(node))}”`;
  };

  // Sideways: nothing wants a window that is wider.
  const page = document.scrollingElement;
  if (page.scrollWidth > innerWidth) {
    const cut = (node) => node && (getComputedStyle(node).overflowX !== "visible" || cut(node.parentElement));
    const wide = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !cut(node.parentElement));
    faults.push(`the page is ${page.scrollWidth} wide, by ${wide.slice(0, 3).map(name).join(", ")}`);
  }

  // Overlaps: where words stand, cut to what is seen of them.
  const clips = new Map();
  const clip = (node) => {
    if (!node || node === document.documentElement) return { left: 0, top: -1e9, right: innerWidth, bottom: 1e9 };
    let box = clips.get(node);
    if (box) return box;
    box = clip(node.parentElement);
    const style = getComputedStyle(node);
    if (style.overflowX !== "visible" || style.overflowY !== "visible") {
      const own = node.getBoundingClientRect();
      box = { left: Math.max(box.left, own.left), top: Math.max(box.top, own.top), right: Math.min(box.right, own.right), bottom: Math.min(box.bottom, own.bottom) };
    }
    clips.set(node, box);
    return box;
  };
  const folded = (node) => {
    const fold = node.closest("details:not([open])");
    return fold && !fold.querySelector(":scope > summary")?.contains(node);
  };
  const unseen = (node) => node.closest(".unseen, [hidden], dialog, template, noscript") || folded(node) || !node.checkVisibility({ visibilityProperty: true })
    || getComputedStyle(node).clipPath !== "none" || getComputedStyle(node).color === "rgba(0, 0, 0, 0)";
  /** What stays where it is while the rest is scrolled stands on it as it should. */
  const stays = (node) => {
    for (let up = node; up; up = up.parentElement) if (/sticky|fixed/.test(getComputedStyle(up).position)) return true;
    return false;
  };
  const boxes = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode() && boxes.length < 6000) {
    const text = texts.currentNode;
    if (!text.data.trim() || unseen(text.parentElement) || stays(text.parentElement)) continue;
    range.selectNodeContents(text);
    const seen = clip(text.parentElement);
    for (const rect of range.getClientRects()) {
      const box = { left: Math.max(rect.left, seen.left), top: Math.max(rect.top, seen.top), right: Math.min(rect.right, seen.right), bottom: Math.min(rect.bottom, seen.bottom), text };
      if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push(box);
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  for (let at = 0; at < boxes.length && faults.length < 20; at++) {
    const one = boxes[at];
    for (let next = at + 1; next < boxes.length && boxes[next].top < one.bottom; next++) {
      const other = boxes[next];
      if (other.text === one.text) continue;
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      const least = Math.min(one.bottom - one.top, other.bottom - other.top);
      if (wide > 2 && high > least * 0.45) {
        faults.push(`“${short(one.text.data.trim())}” in ${name(one.text.parentElement)} stands on “${short(other.text.data.trim())}” in ${name(other.text.parentElement)}`);
        break;
      }
    }
  }

  // Cut words can be read in full: in a title, or where a link or the row leads.
  for (const node of document.querySelectorAll("body *")) {
    if (node.scrollWidth <= node.clientWidth + 1 || getComputedStyle(node).textOverflow !== "ellipsis" || unseen(node)) continue;
    const text = words(node);
    const titled = node.closest("[title]")?.title ?? node.querySelector("[title]")?.title;
    if (titled?.replace(/\s+/g, " ").includes(text.slice(0, 100))) continue;
    if (node.closest("a[href], [role=row], .crumb") || node.closest("tr")?.querySelector("a[href]")) continue;
    faults.push(`${name(node)} is cut, and nothing says the rest`);
  }

  // Text that runs from right to left keeps what is beside it where it is.
  const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;
  texts.currentNode = document.body;
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!RIGHT_TO_LEFT.test(text.data) || unseen(text.parentElement)) continue;
    let node = text.parentElement;
    let apart = false;
    while (node && getComputedStyle(node).display === "inline" && !apart) {
      apart = /isolate|plaintext/.test(getComputedStyle(node).unicodeBidi);
      node = node.parentElement;
    }
    if (!apart && node && words(node) !== words({ textContent: text.data })) faults.push(`${name(text.parentElement)} turns what is beside it in ${name(node)}`);
  }

  const size = document.getElementsByTagName("*").length;
  if (size > 15000) faults.push(`the page has ${size} elements`);
  for (const entry of [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]) {
    const bytes = entry.decodedBodySize;
    if (bytes > 2_000_000 && !entry.name.includes("/outline")) faults.push(`${entry.name} is of ${bytes} bytes`);
  }
  return faults;
})()
