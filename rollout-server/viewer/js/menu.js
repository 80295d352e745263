// What unfolds over the page: closes when the reader turns to something else.

/** Makes the page's menus close by Esc and by a click elsewhere. */
export function menus() {
  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("[data-menu][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  }, true);
}

const two = (n) => String(n).padStart(2, "0");

function local(iso) {
  const date = new Date(iso);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Lets the reader write a range of time in the zone of the page's other times. */
export function customRange() {
  const form = document.querySelector("[data-custom]");
  if (!form) return;
  for (const zone of form.querySelectorAll("[data-zone]")) zone.textContent = "";
  for (const field of form.querySelectorAll("[data-at]")) field.value = local(field.dataset.at);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams({ filter: form.elements.filter.value });
    for (const bound of ["from", "to"]) {
      const at = new Date(form.elements[bound].value);
      asked.set(bound, Number.isNaN(at.valueOf()) ? "" : at.toISOString());
    }
    location.href = `${form.getAttribute("action")}?${asked}`;
  });
}
