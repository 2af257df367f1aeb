// After the last card of a review: its last act can be taken back, by button and by key.
"use strict";

(() => {
  const back = () => window.undoing.undo(() => {});
  document.getElementById("review-undo").addEventListener("click", back);
  document.addEventListener("keydown", (event) => {
    const texts = event.target.matches?.("input, textarea, select");
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key !== "z" || texts || !window.undoing.isOffered()) return;
    event.preventDefault();
    back();
  });
})();
