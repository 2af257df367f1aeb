// Keys of the grid and of the card page, and where the focus goes after a swap. Both pages work without it.
"use strict";

(() => {
  let opening = ""; // the cell to open once the saved row is there
  let returning = ""; // the link to focus once the row or cell is there

  const byId = (id) => document.getElementById(id);
  const links = () => [...document.querySelectorAll("#card-rows .cell--go")];

  // The cells of a row in order, also while one of them is a form.
  function neighbour(form, step) {
    const cells = [...document.querySelectorAll("#card-rows [data-cell]")];
    const here = cells.indexOf(form.closest("[data-cell]"));
    for (let at = here + step; cells[at]; at += step) {
      if (cells[at].querySelector(".cell--go")) return cells[at].querySelector(".cell--go").id;
    }
    return "";
  }

  // Not by a click: htmx knows a link that has just been drawn only a moment later.
  function edit(link, again = true) {
    const { id, href } = link;
    window.htmx.ajax("GET", href, { target: link.closest("[data-cell]"), swap: "outerHTML" }).then(() => {
      // The socket has replaced the row meanwhile, and the form went into the old one.
      if (again && byId(id) && !document.querySelector("form[data-edit]")) edit(byId(id), false);
    });
  }

  function cancel(form) {
    returning = `edit-${form.dataset.edit}-${form.dataset.key}`;
    const cell = form.closest("[data-cell]");
    window.htmx.ajax("GET", form.dataset.cancel, { target: cell, swap: "outerHTML" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const form = event.target.closest?.("form[data-edit]");
    if (form && event.target.name === "value") {
      if (event.key === "Escape") {
        event.preventDefault();
        cancel(form);
      } else if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        returning = `edit-${form.dataset.edit}-${form.dataset.key}`;
        form.requestSubmit();
      } else if (event.key === "Tab") {
        event.preventDefault();
        opening = neighbour(form, event.shiftKey ? -1 : 1);
        returning = opening ? "" : `edit-${form.dataset.edit}-${form.dataset.key}`;
        form.requestSubmit();
      }
      return;
    }
    const link = event.target.closest?.(".cell--go");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (link && plain && (event.key === "F2" || event.key === "Enter")) {
      event.preventDefault();
      edit(link);
    } else if (link && event.key.startsWith("Arrow")) {
      move(event, link);
    }
    const cards = event.target.closest?.("form[data-card-form]");
    if (cards && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      cards.requestSubmit(byId("card-right") ?? undefined);
    }
  });

  function move(event, link) {
    const row = link.closest("tr");
    const cell = link.closest("[data-cell]");
    const place = [...row.children].indexOf(cell);
    const next = {
      ArrowLeft: () => links()[links().indexOf(link) - 1],
      ArrowRight: () => links()[links().indexOf(link) + 1],
      ArrowUp: () => row.previousElementSibling?.children[place]?.querySelector(".cell--go"),
      ArrowDown: () => row.nextElementSibling?.children[place]?.querySelector(".cell--go"),
    }[event.key]?.();
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  // One cell at a time: opening another one closes an untouched form.
  document.addEventListener("focusout", (event) => {
    const form = event.target.closest?.("form[data-edit]");
    if (!form || form.contains(event.relatedTarget)) return;
    setTimeout(() => {
      const value = form.isConnected ? form.elements.namedItem("value") : null;
      const focus = document.activeElement;
      if (value && !form.contains(focus) && focus !== document.body && !typed(form)) {
        const elsewhere = focus.id;
        cancel(form);
        returning = elsewhere;
      }
    });
  });

  // At the swap, not at the settling: the socket may replace a row in between, and then nobody hears of the settling.
  for (const name of ["htmx:afterSwap", "htmx:after:swap"]) {
    document.addEventListener(name, () => {
      const form = document.querySelector("form[data-edit]:not([data-ready])");
      if (form) {
        form.dataset.ready = "";
        window.htmx.process(form); // at once: an Enter before the settling would send it past htmx
        const value = form.elements.namedItem("value");
        value.focus();
        value.select();
        return;
      }
      if (afterwards && !document.querySelector("form[data-edit]")) {
        goOn();
        return;
      }
      const next = opening ? byId(opening) : null;
      opening = "";
      if (next) {
        edit(next);
        return;
      }
      if (returning && byId(returning) && !document.querySelector("form[data-edit]")) {
        byId(returning).focus({ preventScroll: true });
        returning = "";
      }
    });
  }

  // A conflict or a refusal: the cell stays open, nothing else is opened.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr?.status >= 400) forget();
  });
  for (const name of ["htmx:sendError", "session:ended"]) document.addEventListener(name, forget);
  function forget() {
    opening = returning = "";
    afterwards = null;
  }

  // What was typed is never drawn over: it is saved first, then what was clicked goes on.
  let afterwards = null;
  const typed = (form) => "mine" in form.dataset || form.elements.namedItem("value").value !== form.elements.namedItem("value").defaultValue;
  document.addEventListener("htmx:confirm", (event) => {
    const { elt, target } = event.detail;
    const form = [...document.querySelectorAll("form[data-edit]")].find(typed);
    if (!form || form.contains(elt) || !elt.closest("#live")) return;
    if (!target.contains(form) && !elt.matches(".cell--go")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    afterwards = { id: elt.id, query: elt.getAttribute("hx-get"), elt };
    form.requestSubmit();
  });
  function goOn() {
    const { id, query, elt } = afterwards;
    afterwards = null;
    const now = elt.isConnected ? elt : (byId(id) ?? document.querySelector(`[hx-get="${CSS.escape(query ?? "")}"]`));
    if (now?.matches(".cell--go")) edit(now);
    else if (now instanceof HTMLFormElement) now.requestSubmit();
    else if (now) {
      window.htmx.process(now); // htmx knows what has just been drawn only a moment later
      now.click();
    }
  }

  const first = document.querySelector(".field--flag .field__in");
  if (first && !location.hash) first.focus({ preventScroll: true });
})();
