// Who has the card of the review open: told to the server while one looks at it, and by the server to everybody else.
"use strict";

window.lease = (() => {
  const EVERY = 30000;
  const byId = (id) => document.getElementById(id);
  let mine = false;

  async function hold(values = {}) {
    const { lease: address, card } = byId("review").dataset;
    if (!address || document.hidden) return;
    const answer = await window.asking.ask(address, values).catch(() => null);
    if (!answer || byId("review").dataset.card !== card) return;
    const box = byId("review-other");
    box.hidden = answer.mine;
    if (!answer.mine) box.querySelector("span").textContent = answer.said;
    mine = answer.mine;
  }
  function leave() {
    const { lease: address } = byId("review").dataset;
    if (!mine || !address) return;
    mine = false;
    const body = new URLSearchParams({ leave: "1", csrfmiddlewaretoken: window.asking.token() });
    fetch(address, { method: "POST", body, keepalive: true }).catch(() => {});
  }
  setInterval(hold, EVERY);

  return { hold, leave };
})();
