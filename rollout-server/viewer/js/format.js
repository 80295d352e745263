// The same words for times and counts as the server's templates use.

/** Milliseconds as a person reads them: `4.0 µs`, `12 ms`, `1.24 s`, `3m 05s`, `2h 07m`. */
export function duration(ms) {
  if (ms == null || !Number.isFinite(ms)) return "";
  if (ms < 0.00005) return "0 ms";
  if (ms < 0.01) return `${(ms * 1000).toFixed(1)} µs`;
  if (ms < 0.9995) return `${(ms * 1000).toFixed(0)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
  const minutes = Math.floor(whole / 60);
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
}

/** A count in at most five characters: `812`, `12.4k`, `3.10M`. */
export function count(n) {
  if (n == null) return "";
  if (n < 10000) return String(n);
  if (n < 999950) return `${(n / 1000).toFixed(1)}k`;
  return `${(n / 1e6).toFixed(2)}M`;
}

/** US dollars; below one dollar with four digits, since a call costs fractions of a cent. */
export function cost(usd) {
  if (usd === 0) return "$0";
  if (usd < 0.0001) return "<$0.0001";
  return usd < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** What a status means: `ok`, `error`, `running`, `cancelled`, `interrupted` or `other`. */
export function tone(status) {
  switch (status) {
    case "ok": case "success": case "completed": case "COMPLETED": return "ok";
    case "running": case "PENDING": return "running";
    case "cancelled": case "canceled": case "ABORTED": return "cancelled";
    case "interrupted": return "interrupted";
    case "error": case "failed": case "GRADER_TIMEOUT": return "error";
    default: return status.endsWith("ERROR") ? "error" : "other";
  }
}

const two = (n) => String(n).padStart(2, "0");

/** A moment in the reader's own time zone; the day only when it is not today. */
export function moment(date, now = new Date()) {
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === now.toDateString()) return clock;
  const day = date.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  return date.getFullYear() === now.getFullYear() ? `${day} ${clock.slice(0, 5)}` : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A moment to the second, as wide as the server's words for it. */
const exactly = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** Rewrites every `<time datetime>` under `root` into the reader's time zone. */
export function localize(root = document) {
  const now = new Date();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.valueOf())) continue;
    time.title = `${time.dateTime}\n${date.toString()}`;
    time.textContent = time.dataset.exact === undefined ? moment(date, now) : exactly(date);
  }
}

/** Lets the durations of running things grow once a second, from the server's own clock. */
export function tick(root = document) {
  const loaded = performance.now();
  setInterval(() => {
    if (document.hidden) return;
    for (const running of root.querySelectorAll("[data-running-ms]")) {
      const since = Number(running.dataset.since ?? loaded);
      running.dataset.since ??= String(performance.now());
      running.textContent = duration(Number(running.dataset.runningMs) + performance.now() - since);
    }
  }, 1000);
}
