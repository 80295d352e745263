// One table of keys per page. Keys rest while the reader types, or holds a modifier.

const typing = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

/** How long the second key of two may take, in milliseconds. */
const PATIENCE = 1500;

const go = (path) => () => { location.href = path; };

/** Where two keys lead on every page. */
const GOING = { "g t": go("/"), "g s": go("/sessions"), "g u": go("/users"), "g r": go("/runs") };

/**
 * Binds `table`: a key's name, or two with a blank between them, → what it does. The function
 * may return false to let it pass.
 */
export function keys(table) {
  const all = { ...GOING, ...table };
  const firsts = new Set(Object.keys(all).filter((key) => key.length > 1 && key.includes(" ")).map((key) => key.split(" ")[0]));
  let first = null;
  let timer = null;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.key === "Shift") return;
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const both = first === null ? null : all[`${first} ${event.key}`];
    first = null;
    clearTimeout(timer);
    if (!both && firsts.has(event.key)) {
      first = event.key;
      timer = setTimeout(() => { first = null; }, PATIENCE);
      return;
    }
    // Enter and space belong to the button or link that has the focus.
    if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("a, button, summary, label")) return;
    const action = both ?? all[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

/** Opens the page's list of keys, by `?` or by its button. */
export function help() {
  const dialog = document.getElementById("help");
  const button = document.querySelector("[data-help]");
  const open = () => { dialog.showModal(); dialog.scrollTop = 0; };
  button.hidden = false;
  button.addEventListener("click", open);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return open;
}

/** Moves the focus into the page's filter box. */
export function focusFilter() {
  const box = document.querySelector("[data-filter]");
  box?.focus();
  box?.select();
}
