// The problems while they come and go: drawn anew when the socket says that they are others, never under somebody's hand.
// Needs live.js; what can have the focus has an id, by which htmx gives it back.
"use strict";

(() => {
  const CALM = 1000; // milliseconds; cards that fail together are drawn together
  const TAKEN = "#problems :is(a, button, summary):hover, #problems-head button:hover, dialog[open]";
  const sign = () => document.getElementById("problems-sign").dataset.sign;
  let shown = sign();
  let timer = 0;

  function look() {
    if (sign() !== shown && !timer) timer = setTimeout(draw, CALM);
  }
  async function draw() {
    timer = 0;
    if (document.querySelector(TAKEN)) {
      look(); // what one is about to press must not move away
      return;
    }
    const now = sign();
    const open = [...document.querySelectorAll("#problems details[open]")].map((one) => one.id);
    await window.htmx.ajax("GET", location.pathname + location.search, { target: "#problems", swap: "outerHTML" });
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    shown = now;
    look();
  }
  document.addEventListener("live:drawn", look);
})();
