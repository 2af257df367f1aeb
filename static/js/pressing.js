// What a pressed key does in the review: in a field, and anywhere on the page. What it sets off is given by review.js.
"use strict";

window.pressing = ({ fields, accept, escape, later, step, right, undo }) => {
  const byId = (id) => document.getElementById(id);
  const keysOff = () => "keysOff" in document.documentElement.dataset;
  const open = (id) => byId(id)?.showModal();

  function inField(event, field) {
    if (event.key === "Enter" && event.altKey && field.tagName === "TEXTAREA") {
      field.setRangeText("\n", field.selectionStart, field.selectionEnd, "end");
      later();
    } else if (event.key === "Enter" && event.shiftKey) {
      fields()[fields().indexOf(field) - 1]?.focus();
    } else if (event.key === "Enter") {
      accept(field);
    } else if (event.key === "Escape") {
      escape(field);
    } else if (event.key === "ArrowDown" && field.tagName === "INPUT" && !field.list) {
      const offer = field.closest("[data-field-row]").querySelector("[data-offer]");
      if (!offer) return false;
      offer.focus();
    } else {
      return false;
    }
    return true;
  }
  function anywhere(event) {
    const texts = event.target.matches?.("input:not([type=checkbox]), textarea, select");
    const film = event.target.closest?.(".film");
    const act = window.keys.act(event);
    if (act === "give_up" && byId("give-up-dialog")) open("give-up-dialog");
    else if (act === "flag") open("flag-dialog");
    else if (act === "next" || act === "previous") step(act);
    else if ((event.ctrlKey || event.metaKey) && event.key === "z" && !texts && window.undoing.isOffered()) undo();
    else if (!texts && !keysOff() && event.key === "?") open("keys-dialog");
    else if (film && !keysOff() && (event.key === "j" || event.key === "k")) {
      step(event.key === "j" ? "next" : "previous");
    } else return false;
    return true;
  }
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const field = event.target.matches?.("#card-form [data-field]") ? event.target : null;
    if (window.keys.act(event) === "card_right") {
      event.preventDefault();
      if (byId("card-right")) right();
    } else if ((field && inField(event, field)) || anywhere(event)) {
      event.preventDefault();
    }
  });
};
