// Rows that the server sends to everybody have their cells as in the template: they are laid as this page's table is,
// before they are drawn. The page itself comes in its reader's order, and without this file it stays so.
"use strict";

window.columns = (() => {
  const CARD = 'tr[id^="card-"]';

  function lay(fragment) {
    const places = document.querySelector("#card-grid table, #collection-grid table")?.dataset.places?.split(",").map(Number);
    if (!places) return;
    for (const row of fragment.querySelectorAll("tr")) {
      const cells = [...row.children];
      if (cells.length > places.length) row.append(...places.map((place) => cells[place - 1]), ...cells.slice(places.length));
    }
  }

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!detail.target.matches(CARD) || !detail.serverResponse) return;
    const template = document.createElement("template");
    template.innerHTML = detail.serverResponse;
    lay(template.content);
    detail.serverResponse = template.innerHTML;
  });

  // The menu is drawn anew with the table, so what a step did is said elsewhere.
  document.addEventListener("htmx:afterSettle", () => {
    const menu = document.getElementById("columns-pop");
    const line = document.getElementById("live-status");
    if (!menu?.dataset.said || !line) return;
    line.textContent = menu.dataset.said;
    delete menu.dataset.said;
  });

  return { lay };
})();
