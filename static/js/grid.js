// Keys of the grid and of the card page, and where the focus goes after a swap. Both pages work without it.
"use strict";

(() => {
  let opening = ""; // the cell to open once the saved row is there
  let returning = ""; // the link to focus once the row or cell is there

  const byId = (id) => document.getElementById(id);
  const STOPS = ".pin a, .cell--go, .cardgrid__act :is(a, button)"; // what the arrows move between
  const seen = (one) => one.getClientRects().length > 0; // its column may have been taken out
  const stops = () => [...document.querySelectorAll(STOPS)].filter((one) => one.closest("#card-rows") && seen(one));

  // The cells of a row in order, also while one of them is a form.
  function neighbour(form, step) {
    const cells = [...document.querySelectorAll("#card-rows [data-cell]")];
    const here = cells.indexOf(form.closest("[data-cell]"));
    for (let at = here + step; cells[at]; at += step) {
      if (seen(cells[at]) && cells[at].querySelector(".cell--go")) return cells[at].querySelector(".cell--go").id;
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
    const stop = event.target.closest?.(`#card-rows :is(${STOPS})`);
    const link = event.target.closest?.(".cell--go");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (link && plain && (event.key === "F2" || event.key === "Enter")) {
      event.preventDefault();
      edit(link);
    } else if (stop && plain && event.key === " " && !stop.matches("button")) {
      event.preventDefault();
      stop.closest("tr").querySelector(".tick")?.click();
    } else if (stop && plain && /^(Arrow|Home$|End$)/.test(event.key)) {
      move(event, stop);
    }
    const cards = event.target.closest?.("form[data-card-form]");
    if (cards && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      cards.requestSubmit(byId("card-right") ?? undefined);
    }
  });

  function move(event, stop) {
    const row = stop.closest("tr");
    const place = [...row.children].indexOf(stop.closest("td,th"));
    const all = stops();
    const mine = all.filter((one) => one.closest("tr") === row);
    const step = (other) => {
      for (let to = other(row); to; to = other(to)) {
        const found = to.children[place]?.querySelector(STOPS);
        if (found && seen(found)) return found;
      }
      return undefined;
    };
    const next = {
      ArrowLeft: () => all[all.indexOf(stop) - 1],
      ArrowRight: () => all[all.indexOf(stop) + 1],
      ArrowUp: () => step((one) => one.previousElementSibling),
      ArrowDown: () => step((one) => one.nextElementSibling),
      Home: () => mine[0],
      End: () => mine.at(-1),
    }[event.key]?.();
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  // One stop of the grid is in the order of the Tab key: the one that had the focus last.
  let current = "";
  function rove() {
    const all = stops();
    for (const tick of document.querySelectorAll("#card-rows .tick")) tick.tabIndex = -1;
    const here = all.find((one) => one.id && one.id === current) ?? all[0];
    for (const one of all) one.tabIndex = one === here ? 0 : -1;
  }
  document.addEventListener("focusin", (event) => {
    const stop = event.target.closest?.(`#card-rows :is(${STOPS})`);
    if (!stop) return;
    current = stop.id;
    for (const one of stops()) one.tabIndex = one === stop ? 0 : -1;
  });

  // ---- cards that are ticked: they stay so on other pages of the same filter, and when a row is drawn anew
  const picked = new Set();
  let lastPicked = null;
  const query = () => document.querySelector("#card-grid, #collection-grid")?.dataset.query;
  let filter = query();
  function untickAll() {
    if (byId("pick-all")) byId("pick-all").checked = false;
  }
  const ticks = () => [...document.querySelectorAll("#card-rows .tick")];
  function showPicked() {
    const bar = byId("selbar");
    if (!bar) return;
    const every = byId("pick-all");
    const number = every?.checked ? Number(every.dataset.total) : picked.size;
    for (const tick of ticks()) tick.checked = every?.checked || picked.has(tick.value);
    const page = byId("pick-page");
    const on = ticks().filter((tick) => tick.checked).length;
    page.hidden = false;
    page.checked = on > 0 && on === ticks().length;
    page.indeterminate = on > 0 && !page.checked;
    bar.hidden = number === 0;
    bar.classList.toggle("selbar--on", number > 0);
    const words = bar.querySelector("[data-selected]");
    words.hidden = false;
    words.textContent = number === 1 ? words.dataset.one : words.dataset.many.replace("%n", String(number));
    bar.querySelector("[data-clear]").hidden = false;
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("#card-rows .tick")) {
      const all = ticks();
      const every = byId("pick-all");
      if (every?.checked) {
        every.checked = false;
        for (const tick of all) picked.add(tick.value);
      }
      const [from, to] = [all.indexOf(lastPicked), all.indexOf(event.target)].sort((one, other) => one - other);
      const range = shifted && from >= 0 ? all.slice(from, to + 1) : [event.target];
      for (const tick of range) picked[event.target.checked ? "add" : "delete"](tick.value);
      lastPicked = event.target;
      showPicked();
    } else if (event.target.matches("[data-pick-page]")) {
      for (const tick of ticks()) picked[event.target.checked ? "add" : "delete"](tick.value);
      untickAll();
      showPicked();
    } else if (event.target.id === "pick-all") {
      if (!event.target.checked) picked.clear();
      showPicked();
    }
  });
  let shifted = false;
  document.addEventListener("click", (event) => {
    shifted = event.shiftKey;
    if (event.target.closest?.("[data-clear]")) {
      picked.clear();
      untickAll();
      showPicked();
      stops().find((one) => one.tabIndex === 0)?.focus();
    } else if (event.target.closest?.("#act [data-dialog-close]")) {
      event.preventDefault();
    }
  }, true);
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "selection") return;
    event.preventDefault();
    const form = event.target;
    const query = new URLSearchParams(new FormData(form, event.submitter));
    query.delete("card");
    if (!byId("pick-all")?.checked) for (const pk of picked) query.append("card", pk);
    const address = `${form.getAttribute("action")}?${query}`;
    if (["reread", "export", "open"].includes(event.submitter?.value)) {
      location.assign(address);
      return;
    }
    window.htmx.ajax("GET", address, { target: "#act-ask", swap: "outerHTML" }).then(() => byId("act").showModal());
  });
  function redrawn() {
    const now = query();
    if (now !== filter) picked.clear();
    filter = now;
    rove();
    showPicked();
  }
  for (const name of ["htmx:afterSettle", "live:drawn"]) document.addEventListener(name, redrawn);
  redrawn();

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

  // A card is drawn with its further entries, each a row of its own: those that stand there go, once the new ones are in.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!detail.shouldSwap || !detail.target.matches('tr[id^="card-"]')) return;
    for (const one of document.querySelectorAll(`[data-of="${CSS.escape(detail.target.id)}"]`)) one.dataset.stale = "";
  });
  document.addEventListener("htmx:afterSwap", () => {
    const focused = document.activeElement?.closest("tr[data-stale]") ? document.activeElement.id : "";
    for (const one of document.querySelectorAll("tr[data-stale]")) one.remove();
    if (focused) byId(focused)?.focus({ preventScroll: true });
  });
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
    if (!form || form.contains(elt) || !elt.closest("#live, [data-grid]")) return;
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
