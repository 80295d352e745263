// Pages come from the server ready-made; parts of them are fetched the same way. The browser
// parses the answer into a document in which no script runs, and we adopt the nodes: no string
// ever becomes markup here, and whatever was captured arrives escaped by the templates.

/** Fetches a page and resolves to its parsed document. Aborts with `signal`. */
export function fragment(url, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Error(`${url} answered ${request.status}`));
    };
    request.onerror = () => reject(new Error(`${url} cannot be reached`));
    request.onabort = () => reject(new DOMException("superseded", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}

/** Fetches JSON and resolves to its value. */
export async function json(url, signal) {
  const answer = await fetch(url, { signal, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

/** Puts the element `selector` of `page` in the place of the same element of this document. */
export function replace(page, selector) {
  const fresh = page.querySelector(selector);
  const stale = document.querySelector(selector);
  if (!fresh || !stale) return null;
  const node = document.adoptNode(fresh);
  stale.replaceWith(node);
  return node;
}
