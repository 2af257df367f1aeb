// The last act on a card can be taken back: while the cards go on, and on the page that comes after the last one.
// Needs #undo, the form that does it, and #review-undo, the button.
"use strict";

window.undoing = (() => {
  const KEPT = "undo";
  const FRESH = 60000; // ms in which the page that comes next may be another than was expected
  const byId = (id) => document.getElementById(id);
  let last = null; // {address, token, name} of an act on the server, or {act}: what undoes it here

  function forget() {
    try {
      sessionStorage.removeItem(KEPT);
    } catch {
      // Nothing was kept.
    }
  }
  function draw() {
    const button = byId("review-undo");
    const line = byId("review-undo-line"); // on the page after the last card
    (line ?? button).hidden = !last;
    if (line && last) line.querySelector("[data-what]").textContent = line.dataset.msg.replace("{}", last.name);
  }
  function offer(what) {
    last = what;
    forget();
    draw();
  }
  // The page is left, for `to`: what can be undone is undone there.
  function carry(what, to) {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ ...what, to: new URL(to, location.href).href, at: Date.now() }));
    } catch {
      // Storage is switched off: it can be undone on the card's own page.
    }
  }
  // `first` comes before the page is left.
  async function undo(first) {
    if (!last) return;
    const { act, address, token } = last;
    offer(null);
    if (act) {
      act();
      return;
    }
    await first();
    const form = byId("undo");
    form.action = address;
    form.elements.namedItem("token").value = token;
    form.submit();
  }

  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (kept && (kept.to === location.href || Date.now() - kept.at < FRESH)) last = kept;
  } catch {
    // As above.
  }
  draw();
  return { offer, carry, undo, isOffered: () => Boolean(last) };
})();
