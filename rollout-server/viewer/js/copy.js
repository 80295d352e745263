// Copy buttons: whatever carries `data-copy` (the text itself), `data-copy-link` (an address of this
// server), `data-copy-from` (where the text is) or `data-copy-value` (the way to a part of what is at
// `data-from`, since the page shows long values cut).
import { json } from "./fragment.js";

const BUTTONS = "[data-copy], [data-copy-value], [data-copy-link], [data-copy-from]";

async function text(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  if (button.dataset.copyLink !== undefined) return new URL(button.dataset.copyLink, location.href).href;
  if (button.dataset.copyFrom !== undefined) {
    const answer = await fetch(button.dataset.copyFrom);
    if (!answer.ok) throw new Error(`${button.dataset.copyFrom} answered ${answer.status}`);
    return answer.text();
  }
  const whole = await json(button.dataset.from);
  const value = button.dataset.copyValue.split("/").reduce((part, key) => part?.[key], whole);
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Puts words where the reader can paste them from. */
export async function write(words) {
  if (navigator.clipboard) return navigator.clipboard.writeText(words);
  // Plain http on another machine has no clipboard API; the old way needs a selection.
  const area = document.createElement("textarea");
  area.value = words;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("this browser refused to copy");
}

/** Shows every copy button under `root`. */
export function showCopy(root = document) {
  for (const button of root.querySelectorAll(BUTTONS)) button.hidden = false;
}

/** Makes copy buttons work, those that come later too. */
export function copying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(BUTTONS);
    if (!button) return;
    button.dataset.label ??= button.textContent;
    try {
      await write(await text(button));
      button.textContent = "copied";
    } catch {
      button.textContent = "failed";
    }
    setTimeout(() => { button.textContent = button.dataset.label; }, 1200);
  });
}
