// What the review could not save and somebody has to decide about: a line for each card, until that is done. It stays in
// the tab over a reload. Needs #unsettled, which comes with each card, and #unsettled-line.
"use strict";

window.unsettled = (() => {
  const byId = (id) => document.getElementById(id);
  const NAME = `unsettled:${byId("sign-in-dialog").dataset.user}`;
  let lines = []; // {card, kind, name, batch, here, said, typed: [[label, text], …]}
  try {
    lines = JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    // Storage is switched off: the lines hold until the page is left.
  }
  function keep() {
    try {
      sessionStorage.setItem(NAME, JSON.stringify(lines));
    } catch {
      // As above.
    }
    draw();
  }
  const shownCard = () => byId("review").dataset.card;

  function add(line) {
    const before = lines.find((one) => one.card === line.card);
    const typed = line.typed.length || !before ? line.typed : before.typed;
    lines = [...lines.filter((one) => one !== before), { ...line, typed }];
    keep();
  }
  function settle(card) {
    if (!lines.some((one) => one.card === card)) return;
    lines = lines.filter((one) => one.card !== card);
    keep();
  }
  // A card that is shown again, and has nothing more to be decided, has been looked at.
  function looked() {
    const open = document.querySelector("[data-keep-mine]");
    const line = lines.find((one) => one.card === shownCard());
    if (line && !line.lost && !open) settle(line.card);
    else draw();
  }

  function drawn(line) {
    const box = byId("unsettled-line").content.firstElementChild.cloneNode(true);
    const at = (name) => box.querySelector(`[data-${name}]`);
    const here = line.batch === document.querySelector(".where strong").textContent;
    const name = here ? line.name : `${line.name} (${line.batch})`;
    at("said").textContent = box.dataset[`msg${line.kind}`]?.replace("{}", name) ?? `${name}: ${line.said}`;
    at("look").href = line.here;
    at("look").hidden = Boolean(line.lost);
    at("forget").hidden = !line.lost;
    at("forget").addEventListener("click", () => settle(line.card));
    const text = line.lost ? line.typed.map(([label, typed]) => `${label}: ${typed}`).join("\n") : "";
    at("typed").hidden = at("copy").hidden = !text;
    const area = box.querySelector("textarea");
    area.value = text;
    area.rows = Math.min(Math.max(line.typed.length, 1), 6);
    at("copy").addEventListener("click", async ({ target }) => {
      area.select();
      if (navigator.clipboard) await navigator.clipboard.writeText(text).catch(() => {});
      else document.execCommand("copy"); // without TLS there is no clipboard
      target.textContent = target.dataset.copied;
    });
    return box;
  }
  // The card that is shown says itself what differs.
  function draw() {
    const shown = lines.filter((one) => one.lost || one.card !== shownCard());
    byId("unsettled")?.replaceChildren(...shown.map(drawn));
  }

  return { add, settle, looked };
})();
