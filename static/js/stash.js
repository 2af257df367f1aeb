// What is typed into a card and not accepted yet stays in the tab, card by card, until the server has it.
"use strict";

window.stash = (() => {
  const name = (card) => `review:${card}`;

  // `typed`: of each field the value that stood there, and what was typed.
  function keep(card, typed) {
    try {
      if (Object.keys(typed).length) sessionStorage.setItem(name(card), JSON.stringify(typed));
      else sessionStorage.removeItem(name(card));
    } catch {
      // Storage is switched off: the server keeps it alone.
    }
  }
  function of(card) {
    try {
      return JSON.parse(sessionStorage.getItem(name(card))) ?? {};
    } catch {
      return {};
    }
  }

  return { keep, of, forget: (card) => keep(card, {}) };
})();
