// The columns of the list: which are put away. A cookie says so to the server, so that the next
// page comes without them.

/** Makes the menu of columns work. */
export function columns() {
  const menu = document.querySelector("[data-columns]");
  if (!menu) return;
  menu.hidden = false;
  menu.addEventListener("change", () => {
    const boxes = [...menu.querySelectorAll("input")];
    const away = boxes.filter((box) => !box.checked).map((box) => box.name);
    document.cookie = `rollout_columns=${away.join(".")}; path=/; max-age=31536000; samesite=strict`;
    const table = document.querySelector("[data-table]");
    for (const box of boxes) table?.classList.toggle(`no-${box.name}`, !box.checked);
  });
}
