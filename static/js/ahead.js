// The next card of the review, and its picture, are fetched while one looks at this one.
"use strict";

window.ahead = (() => {
  const FRESH = 60000; // so long a page that was fetched ahead may be shown
  const pages = new Map(); // address → {at, html}

  async function prepare(address) {
    if (!address || (pages.has(address) && Date.now() - pages.get(address).at < FRESH)) return;
    const html = await window.asking.page(address, "review").catch(() => "");
    if (!html) return;
    pages.clear(); // one is enough, and two would grow old
    pages.set(address, { at: Date.now(), html });
    for (const image of new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-paper] img")) {
      new Image().src = image.getAttribute("src");
    }
  }
  // What may be shown; nothing: ask for it.
  function of(address) {
    const { html, at } = pages.get(address) ?? {};
    return html && Date.now() - at < FRESH ? html : null;
  }

  return { prepare, of, clear: () => pages.clear() };
})();
