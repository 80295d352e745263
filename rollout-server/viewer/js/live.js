// Follows the server's change stream. Browsers allow six connections a host, so a hidden tab
// gives its one back and resumes from the last revision when it is seen again.

/**
 * Calls `changed` (never twice at once, at most every `pace()` milliseconds) when the server
 * says that there is something new. Returns a function that stops.
 */
export function follow(url, changed, pace = () => 400) {
  const light = document.querySelector("[data-live]");
  let source = null;
  let revision = null;
  let pending = false;
  let busy = false;
  let timer = null;

  const show = (state, words) => {
    if (!light) return;
    light.hidden = false;
    light.dataset.state = state;
    if (light.textContent !== words) light.textContent = words;
  };

  const run = async () => {
    timer = null;
    if (!pending || busy || document.hidden) return;
    pending = false;
    busy = true;
    try {
      await changed();
    } catch (error) {
      if (error.name !== "AbortError") show("off", "offline");
    } finally {
      busy = false;
      if (pending) schedule();
    }
  };
  const schedule = () => {
    pending = true;
    if (timer === null && !busy) timer = setTimeout(run, pace());
  };

  const open = () => {
    if (source || document.hidden) return;
    const at = revision === null ? "" : `${url.includes("?") ? "&" : "?"}since=${encodeURIComponent(revision)}`;
    source = new EventSource(url + at);
    source.onopen = () => show("on", "live");
    source.onerror = () => {
      show("off", "offline");
      // The browser retries on its own unless the server refused the stream outright.
      if (source?.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 5000);
      }
    };
    source.addEventListener("revision", (event) => {
      const first = revision === null;
      const news = revision !== event.lastEventId;
      revision = event.lastEventId;
      if (news && !(first && event.data === "start")) schedule();
    });
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const seen = () => {
    if (document.hidden) return close();
    open();
    if (pending && timer === null) timer = setTimeout(run, 0);
  };

  document.addEventListener("visibilitychange", seen);
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
  return () => {
    close();
    document.removeEventListener("visibilitychange", seen);
    clearTimeout(timer);
  };
}
