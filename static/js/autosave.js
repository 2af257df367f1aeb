// Forms that save themselves are saved before the page is left. Pages work without it.
"use strict";

(() => {
  const FORMS = "form[method='post'][hx-trigger^='change']";
  const PATIENCE = 3000; // ms that a link waits for an answer
  const changed = new Map(); // form: how often it was changed, as long as its last change is not answered
  const sent = new WeakMap(); // form: how often it was changed when it was sent last

  const waiting = () => [...changed.keys()].filter((form) => form.isConnected);

  document.addEventListener("input", (event) => {
    const form = event.target.closest?.(FORMS);
    if (form) changed.set(form, (changed.get(form) ?? 0) + 1);
  });
  document.addEventListener("htmx:beforeSend", (event) => {
    if (changed.has(event.detail.elt)) sent.set(event.detail.elt, changed.get(event.detail.elt));
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (event.detail.xhr?.status && sent.get(form) === changed.get(form)) changed.delete(form);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link?.target;
    if (!link || elsewhere || event.defaultPrevented || !waiting().length) return;
    event.preventDefault();
    for (const form of waiting()) {
      if (sent.get(form) !== changed.get(form)) form.requestSubmit(); // typed and taken back: no change was told
    }
    const until = Date.now() + PATIENCE;
    const go = () => (waiting().length && Date.now() < until ? setTimeout(go, 20) : location.assign(link.href));
    go();
  });

  // What is asked for by a button rests on what was typed: it waits for the answer, too.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-after-saving]");
    if (!button || !waiting().length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    for (const form of waiting()) {
      if (sent.get(form) !== changed.get(form)) form.requestSubmit();
    }
    const until = Date.now() + PATIENCE;
    const go = () => {
      if (waiting().length && Date.now() < until) setTimeout(go, 20);
      else {
        changed.clear(); // who waited long enough is not held up again
        document.getElementById(button.id)?.click();
      }
    };
    go();
  }, true);

  // Reloaded, gone back, closed: there is no time to wait for an answer.
  window.addEventListener("pagehide", () => {
    for (const form of waiting()) {
      fetch(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" }, keepalive: true });
    }
  });
})();
