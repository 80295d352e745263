// Put into every page before its own scripts: remembers what tests ask about afterwards.
(() => {
  const POINTED = ["click", "dblclick", "mousedown", "mouseup", "pointerdown", "pointerup"];
  const pointed = new Set();
  const listen = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (kind, ...rest) {
    if (POINTED.includes(kind) && this instanceof Element) pointed.add(this);
    return listen.call(this, kind, ...rest);
  };

  const NATIVE = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  const ACTIONS = `${NATIVE}, [tabindex]:not([tabindex^="-"]), [contenteditable], [role=button], [role=link], [role=tab], [role=switch], [role=slider]`;
  const visible = (node) => node.getClientRects().length > 0 && node.checkVisibility({ visibilityProperty: true })
    && !node.disabled && !node.closest("[inert]");

  /** An element as a reader of a failure finds it again. */
  const name = (node) => {
    if (!node?.localName) return String(node?.nodeName ?? node);
    const id = node.id ? `#${node.id}` : "";
    const kind = typeof node.className === "string" && node.className ? `.${node.className.trim().split(/\s+/).join(".")}` : "";
    const words = (node.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 30);
    return `${node.localName}${id}${kind}${words ? ` “${words}”` : ""}`;
  };

  /** All that a focus may change of an element, of what is in it and of what it is in. */
  const LOOKS = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "backgroundColor", "borderTopColor", "borderBottomColor", "color", "textDecorationLine", "left"];
  const looks = (node) => {
    const near = [node, ...[...node.querySelectorAll("*")].slice(0, 80)];
    for (let up = node.parentElement, steps = 0; up && steps < 3; up = up.parentElement, steps++) near.push(up);
    return JSON.stringify(near.flatMap((one) => [null, "::before", "::after"].map((part) => {
      const style = getComputedStyle(one, part);
      return LOOKS.map((look) => style[look]);
    })));
  };

  const told = (node) => {
    const keys = [...document.querySelectorAll("#help kbd")].map((key) => key.textContent);
    return Boolean(node.dataset.keys) && node.dataset.keys.split(" ").every((key) => keys.includes(key));
  };

  let visited = new Set();
  let last = null;
  let answering = false;
  let answered = null;
  listen.call(window, "click", (event) => {
    if (!answering) return;
    answered = event.target;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  const shifts = [];
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) {
      if (shift.hadRecentInput) continue;
      const from = shift.sources.map(({ node, previousRect: a, currentRect: b }) =>
        `${name(node)} from ${a.x},${a.y} ${a.width}×${a.height} to ${b.x},${b.y} ${b.width}×${b.height}`);
      shifts.push(`${shift.value.toFixed(5)}: ${from.join("; ")}`);
    }
  }).observe({ type: "layout-shift", buffered: true });

  const waiting = [];
  const WAITING = "[aria-busy=true], [role=progressbar], progress, [class*=spinner], [class*=loading], [class*=skeleton]";
  new MutationObserver(() => {
    const shown = [...document.querySelectorAll(WAITING)].filter(visible);
    if (shown.length && performance.now() < 200) waiting.push(`${name(shown[0])} after ${performance.now()} ms`);
  }).observe(document, { subtree: true, childList: true, attributes: true });

  window.look = {
    shifts, waiting,

    /** Puts the focus before the first thing of the page. */
    begin() {
      visited = new Set();
      last = null;
      document.activeElement?.blur();
      document.body.tabIndex = -1;
      document.body.focus();
      document.body.removeAttribute("tabindex");
      scrollTo(0, 0);
    },

    /** What has the focus now, and what is wrong with it; null at the end of the page. */
    stop() {
      const node = document.activeElement;
      if (!node || node === document.body || node === document.documentElement || visited.has(node)) return null;
      visited.add(node);
      const wrong = [];
      if (last && !(last.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING)) wrong.push("comes before what was before it");
      last = node;
      const box = node.getBoundingClientRect();
      if (box.width === 0 || box.height === 0) wrong.push("has no size");
      if (box.bottom <= 0 || box.right <= 0 || box.top >= innerHeight || box.left >= innerWidth) wrong.push("is out of sight");
      if (!node.matches(":focus-visible")) wrong.push("has a focus that is not shown");
      const focused = looks(node);
      node.blur();
      if (looks(node) === focused) wrong.push("looks the same with and without the focus");
      node.focus({ preventScroll: true, focusVisible: true });
      if (document.activeElement !== node) wrong.push("cannot be focused by a script");
      return { name: name(node), pressed: node.matches("a[href], button, summary"), wrong };
    },

    /** What can be done in the page and was not come by. */
    missed: () => [...document.querySelectorAll(ACTIONS)].filter((node) => visible(node) && !visited.has(node)).map(name),

    /** What listens to a pointer and to no key, but for what names keys that the page's help tells of. */
    pointerOnly: () => [...pointed].filter((node) => node.isConnected && visible(node) && !node.matches(`${ACTIONS}, dialog, html, body`)
      && !node.closest(NATIVE) && ![...node.querySelectorAll(ACTIONS)].some(visible) && !told(node)).map(name),

    /** From now on a click does nothing but be remembered. */
    ask() { answering = true; answered = null; },
    answered() { const node = answered; answered = null; answering = false; return node === document.activeElement || document.activeElement.contains(node); },

    /** What moves by itself, or would when something changes. */
    moving: () => [
      ...document.getAnimations().map((animation) => `${name(animation.effect.target)} moves`),
      ...[...document.querySelectorAll("*")].filter((node) => {
        const style = getComputedStyle(node);
        return style.transitionDuration.split(",").some((time) => parseFloat(time) > 0.01) || style.scrollBehavior === "smooth";
      }).map((node) => `${name(node)} changes slowly`),
    ],
  };
})();
