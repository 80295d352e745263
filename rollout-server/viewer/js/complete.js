// Completions of the filter box, below it: a combobox as ARIA describes it. The server knows the
// language; here is only the list.
import { json } from "./fragment.js";

/** Filters that are remembered, and where. */
const RECENT = 8;
const KEPT = "rollout.filters";

function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return kept.filter((filter) => typeof filter === "string").slice(0, RECENT);
  } catch {
    return [];
  }
}

function remember(filter) {
  const text = filter.trim();
  if (!text) return;
  try {
    localStorage.setItem(KEPT, JSON.stringify([text, ...recent().filter((other) => other !== text)].slice(0, RECENT)));
  } catch {
    // A browser that keeps nothing for us.
  }
}

/** Puts the caret where the filter is wrong. */
function showProblem(box) {
  const problem = document.getElementById("filter-problem");
  if (!problem) return;
  // The server counts characters, the box in units of UTF-16.
  const all = [...box.value];
  const place = (characters) => all.slice(0, Number(characters)).join("").length;
  box.focus();
  box.setSelectionRange(place(problem.dataset.from), place(problem.dataset.to));
}

class Completions {
  constructor(box, list) {
    this.box = box;
    this.list = list;
    this.items = [];
    this.active = -1;
    this.word = "";
    this.asked = null;
    this.timer = null;
  }

  get open() {
    return !this.list.hidden;
  }

  before() {
    return this.box.value.slice(0, this.box.selectionStart);
  }

  /** Asks what may stand at the caret, a moment after the last key. */
  ask(delay = 60) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), delay);
  }

  async load() {
    this.asked?.abort();
    const mine = (this.asked = new AbortController());
    const before = this.before();
    try {
      const answer = await json(`/api/v1/complete?before=${encodeURIComponent(before)}`, mine.signal);
      if (mine.signal.aborted || document.activeElement !== this.box) return;
      const past = this.box.value.trim() ? [] : recent().map((filter) => ({ insert: filter, label: filter, about: "used before", whole: true }));
      this.word = answer.word;
      this.show([...past, ...answer.items]);
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }

  show(items) {
    this.items = items;
    this.active = -1;
    this.list.replaceChildren(...items.map((item, at) => {
      const option = document.createElement("li");
      option.id = `completion-${at}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const label = document.createElement("span");
      label.className = "label";
      label.textContent = item.label;
      option.append(label);
      if (item.about) {
        const about = document.createElement("span");
        about.className = "about";
        about.textContent = item.about;
        option.append(" ", about);
      }
      if (item.count != null) {
        const count = document.createElement("span");
        count.className = "count";
        count.textContent = String(item.count);
        option.append(" ", count);
      }
      return option;
    }));
    this.list.hidden = items.length === 0;
    this.list.scrollTop = 0;
    this.box.setAttribute("aria-expanded", String(this.open));
    this.box.removeAttribute("aria-activedescendant");
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.show([]);
  }

  choose(at) {
    const options = this.list.children;
    options[this.active]?.setAttribute("aria-selected", "false");
    this.active = (at + options.length) % options.length;
    const option = options[this.active];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", option.id);
  }

  take(at) {
    const item = this.items[at];
    const before = this.before();
    const kept = before.slice(0, before.length - this.word.length);
    const after = item.whole ? "" : this.box.value.slice(before.length);
    const text = item.whole ? item.insert : kept + item.insert;
    this.box.value = text + after;
    this.box.setSelectionRange(text.length, text.length);
    this.close();
    // A key wants its value at once; a value is done.
    if (/[:<>=.,]$/.test(item.insert)) this.ask(0);
  }

  key(event) {
    switch (event.key) {
      case "ArrowDown":
        if (!this.open) this.ask(0);
        else this.choose(this.active + 1);
        break;
      case "ArrowUp":
        if (!this.open) return;
        this.choose(this.active < 0 ? this.items.length - 1 : this.active - 1);
        break;
      case "Enter":
        if (!this.open || this.active < 0) return;
        this.take(this.active);
        break;
      case "Tab":
        // Without a choice, Tab takes the first of what the reader has begun to write; else it leaves the box.
        if (event.shiftKey || !this.open || (this.active < 0 && !this.word)) return this.close();
        this.take(Math.max(0, this.active));
        break;
      case "Escape":
        if (!this.open) return;
        this.close();
        break;
      default:
        return;
    }
    event.preventDefault();
  }
}

/** Makes the filter box complete what is written, and remember it. */
export function completing() {
  const box = document.querySelector("[data-filter]");
  if (!box) return;
  const completions = new Completions(box, document.getElementById("completions"));
  box.addEventListener("input", () => completions.ask());
  box.addEventListener("focus", () => { if (!box.value) completions.ask(0); });
  box.addEventListener("blur", () => completions.close());
  box.addEventListener("click", () => { if (completions.open) completions.ask(); });
  box.addEventListener("keydown", (event) => { if (!event.isComposing) completions.key(event); });
  completions.list.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const option = event.target.closest("[role=option]");
    if (option) completions.take([...completions.list.children].indexOf(option));
  });
  box.form.addEventListener("submit", () => remember(box.value));
  showProblem(box);
}
