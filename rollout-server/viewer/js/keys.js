// One table of keys per page. Keys rest while the reader types, or holds a modifier.

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** Binds `table`: a key's name → what it does. The function may return false to let it pass. */
export function keys(table) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // Enter and space belong to the button or link that has the focus.
    if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("a, button, summary")) return;
    const action = table[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

/** Opens the page's list of keys, by `?` or by its button. */
export function help() {
  const dialog = document.getElementById("help");
  const button = document.querySelector("[data-help]");
  const open = () => dialog.showModal();
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
