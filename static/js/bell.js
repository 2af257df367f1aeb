// The number in the bell follows what happens while a page is open and looked at: it is asked for each minute, when one
// comes back to the page, and after something has changed on a page that is live. Without it the number is that of the page.
"use strict";

(() => {
  const bell = document.getElementById("bell");
  const line = document.getElementById("bell-said");
  if (!bell || !line) return;

  const EVERY = 60000;
  const AT_ONCE = 2000; // many may follow a batch: they do not ask at the same moment
  const AT_MOST_EVERY = 15000; // after a change of one of many batches
  const live = document.getElementById("live");
  const batch = live?.dataset.shows;
  let asked = Date.now(); // the page brought it along
  let later = 0;

  async function ask() {
    clearTimeout(later);
    later = 0;
    if (document.hidden || !navigator.onLine) return;
    asked = Date.now();
    const address = batch ? `${bell.dataset.now}?shows=${batch}` : bell.dataset.now;
    const answer = await fetch(address, { redirect: "manual" }).catch(() => null);
    if (!answer?.ok) return; // signed out, or not reached: the page says so elsewhere
    const drawn = document.createElement("template");
    drawn.innerHTML = await answer.text();
    const fresh = drawn.content.querySelector("#bell");
    if (!fresh || fresh.dataset.unseen === bell.dataset.unseen) return;
    const more = Number(fresh.dataset.unseen) > Number(bell.dataset.unseen);
    line.textContent = more ? fresh.dataset.said : "";
    bell.dataset.unseen = fresh.dataset.unseen;
    bell.replaceChildren(...fresh.childNodes); // the link itself may have the focus
  }
  const soon = (wait) => (later ||= setTimeout(ask, wait));

  setInterval(() => Date.now() - asked >= EVERY && ask(), EVERY / 4);
  const back = () => Date.now() - asked > AT_ONCE && ask();
  window.addEventListener("focus", back);
  window.addEventListener("pageshow", (event) => event.persisted && ask());
  document.addEventListener("visibilitychange", back);
  document.addEventListener("live:progress", (event) => event.detail.changed && soon(Math.random() * AT_ONCE));
  document.addEventListener("live:frame", () => {
    if (!document.getElementById("progress")) soon(Math.max(0, asked + AT_MOST_EVERY - Date.now()));
  });
})();
