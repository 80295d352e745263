// The stretch of time that the waterfall shows, and its ticks at round times.

/** The shortest stretch, in milliseconds: outlines are told in microseconds. */
const LEAST = 0.01;
/** Pixels that a label of a tick needs, where there is room, and at least. */
const ROOM = 84;
const NARROW = 30;

export class Scale {
  constructor(length) {
    this.listeners = [];
    this.length = length;
    this.from = 0;
    this.to = length;
  }

  /** Calls `listener` after each change. */
  changed(listener) {
    this.listeners.push(listener);
  }

  get isWhole() {
    return this.from <= 0 && this.to >= this.length;
  }

  /** Takes another length of the trace. What shows the whole goes on to. */
  renew(length) {
    const whole = this.isWhole;
    this.length = length;
    if (whole) { this.from = 0; this.to = length; }
    else this.show(this.from, this.to);
  }

  /** Shows the time from `from` to `to`, as far as the trace goes. */
  show(from, to) {
    let length = Math.min(this.length, Math.max(LEAST, to - from));
    let start = Math.min(Math.max(0, from), this.length - length);
    if (length >= this.length * 0.999) { start = 0; length = this.length; }
    if (start === this.from && start + length === this.to) return;
    this.from = start;
    this.to = start + length;
    for (const listener of this.listeners) listener();
  }

  whole() {
    this.show(0, this.length);
  }

  /** Shows `1 / by` of the time, with the moment `at` staying where it is. */
  zoom(by, at = (this.from + this.to) / 2) {
    const length = Math.max(LEAST, (this.to - this.from) / by);
    const share = (at - this.from) / (this.to - this.from);
    this.show(at - length * share, at - length * share + length);
  }

  /** Moves by a share of what is shown. */
  pan(share) {
    const by = (this.to - this.from) * share;
    const from = Math.min(Math.max(0, this.from + by), this.length - (this.to - this.from));
    this.show(from, from + (this.to - this.from));
  }

  /** Moves so that something of a span is in sight. */
  reveal(start, end) {
    if (end >= this.from && start <= this.to) return;
    const length = this.to - this.from;
    this.show(start - length * 0.1, start + length * 0.9);
  }

  /** Where a moment is, as a share of the width. */
  share(ms) {
    return (ms - this.from) / (this.to - this.from);
  }

  /** The moment at a share of the width. */
  at(share) {
    return this.from + (this.to - this.from) * share;
  }

  /** The ticks for a width in pixels: their distance in milliseconds, and each with its words. */
  ticks(width) {
    const room = Math.max(NARROW, Math.min(ROOM, width / 2.5));
    const step = round(((this.to - this.from) * room) / Math.max(width, room));
    const ticks = [];
    for (let at = Math.ceil(this.from / step - 1e-9); at * step <= this.to; at++) {
      ticks.push({ share: this.share(at * step), words: words(at * step, step, this.to) });
    }
    return { step, ticks };
  }
}

/** The next step that people count in. */
function round(ms) {
  const long = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
  if (ms > 500) {
    const found = long.find((seconds) => seconds * 1000 >= ms);
    if (found) return found * 1000;
  }
  const power = 10 ** Math.floor(Math.log10(ms));
  return [1, 2, 5, 10].find((factor) => factor * power >= ms * 0.999999) * power;
}

/** A moment as exact as the steps between ticks, in the unit of the latest. */
function words(ms, step, latest) {
  if (ms === 0) return "0";
  const digits = (of) => Math.min(6, Math.max(0, -Math.floor(Math.log10(step / of) + 1e-9)));
  if (latest < 1) return `${(ms * 1000).toFixed(digits(0.001))} µs`;
  if (latest < 1000) return `${ms.toFixed(digits(1))} ms`;
  if (latest < 60000) return `${(ms / 1000).toFixed(digits(1000))} s`;
  const minutes = Math.floor(ms / 60000 + 1e-9);
  const seconds = Math.max(0, ms / 1000 - minutes * 60).toFixed(digits(1000)).padStart(digits(1000) ? 3 + digits(1000) : 2, "0");
  if (latest < 3600000) return `${minutes}:${seconds}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
}
