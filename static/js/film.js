// The film strip under the review: what became of a card is marked in it, also on pages that do not know it yet.
"use strict";

window.film = (() => {
  const done = new Map(); // card → how it stands in the film
  const ICONS = { done: "check", bad: "alert" };

  // A page that was fetched ahead, or is shown while a save waits, does not know yet what is done.
  function tick(bench) {
    for (const [card, kind] of done) {
      const frame = bench.querySelector(`[data-frame="${card}"]:not([aria-current])`);
      if (!frame || frame.classList.contains(`frame--${kind}`)) continue;
      frame.classList.remove("frame--flag", "frame--open", "frame--bad", "frame--done");
      frame.classList.add(`frame--${kind}`);
      const icon = frame.querySelector("use");
      icon.setAttribute("href", icon.getAttribute("href").replace(/#.*/, `#${ICONS[kind]}`));
      frame.querySelector("[data-to-check]")?.remove();
    }
  }

  return { mark: (card, kind) => done.set(card, kind), tick };
})();
