// The review: accept, save and go on without leaving the page; what is typed is kept at once and sent until it is there.
// Without it the page is a plain form.
"use strict";

(() => {
  const KEEP = 1500; // milliseconds after the last key until what was typed is kept
  const byId = (id) => document.getElementById(id);
  const root = () => byId("review");
  const form = () => byId("card-form");
  const fields = () => [...document.querySelectorAll("#card-form [data-field]")];
  const wasOf = (field) => document.querySelector(`[data-was="${CSS.escape(field.dataset.field)}"]`);
  const changed = (field) => field.value !== wasOf(field).value;
  const { ask, page, inTurn, insist, token, Refused } = window.asking;
  const { unsettled, undoing, film, ahead, lease } = window;

  // ---- the line that says what became of what was typed
  function say(name, at = "") {
    const line = byId("review-status");
    if (!line) return;
    line.textContent = (line.dataset[`msg${name}`] ?? name).replace("{}", at);
    line.classList.toggle("saved--bad", name === "Failed" || name === "Lost");
  }
  document.addEventListener("asking:failed", () => say("Failed"));
  const toast = (text) => document.dispatchEvent(new CustomEvent("toast", { detail: text }));
  function complain(text) {
    const box = byId("review-said");
    box.querySelector("span").textContent = text;
    box.hidden = !text;
    if (text) box.scrollIntoView({ block: "nearest" });
  }

  // ---- what could not be saved: told until it is settled, wherever one is by then
  function here() {
    const { card, here: address } = root().dataset;
    const label = (field) => document.querySelector(`label[for="${CSS.escape(field.id)}"]`).firstChild.textContent;
    const typed = fields().filter(changed).map((field) => [label(field), field.value]);
    const batch = document.querySelector(".where strong").textContent;
    return { card, here: address, name: byId("card-title").textContent, batch, typed };
  }
  const lost = (line) => (error) => {
    if (!(error instanceof Refused)) throw error;
    saving.delete(line.card);
    unsettled.add({ ...line, lost: true, kind: ["404", "410"].includes(error.message) ? "Gone" : "Refused" });
    if (root().dataset.card === line.card) say("Lost");
  };
  function disputed(line, answer) {
    const differs = Object.values(answer.fields ?? {}).some((html) => html.includes("data-keep-mine"));
    unsettled.add({ ...line, said: answer.said, kind: differs ? "Differ" : "" });
    ahead.clear(); // it may hold the card as it was
    if (root().dataset.card === line.card) conflict(answer);
  }

  // ---- what is typed: in the tab at once, on the server soon
  function stash() {
    const typed = Object.fromEntries(fields().filter(changed).map((field) => [field.dataset.field, [wasOf(field).value, field.value]]));
    window.stash.keep(root().dataset.card, typed);
  }
  function unstash() {
    const typed = window.stash.of(root().dataset.card);
    for (const field of fields()) {
      const [was, text] = typed[field.dataset.field] ?? [];
      if (text === undefined || changed(field) || wasOf(field).value !== was) continue;
      field.value = text;
      later();
    }
  }

  let timer = 0;
  let unsent = false;
  function later() {
    unsent = true;
    stash();
    clearTimeout(timer);
    timer = setTimeout(keep, KEEP);
  }
  function all(values = {}) {
    const sent = new URLSearchParams(values);
    for (const field of fields()) {
      sent.set(`was.${field.dataset.field}`, wasOf(field).value);
      sent.set(`value.${field.dataset.field}`, field.value);
    }
    return sent;
  }
  function keep() {
    clearTimeout(timer);
    if (!unsent || !form()) return Promise.resolve();
    unsent = false;
    const { draft, card } = root().dataset;
    const values = all();
    const line = here();
    say("Saving");
    return inTurn(() => insist(() => ask(draft, values))).then((answer) => {
      if (unsent && root().dataset.card === card) return;
      window.stash.forget(card);
      say(answer.kept ? "Kept" : "Saved", answer.at);
    }).catch(lost(line));
  }

  // ---- saving
  // A save that waits its turn may be sent when another card is shown: the version is its own card's.
  const versions = new Map();
  function took(answer, card) {
    versions.set(card, answer.version);
    if (root().dataset.card !== card) return;
    root().dataset.version = answer.version;
    for (const field of document.querySelectorAll("#card-form [name=version], [data-version][name=version]")) field.value = answer.version;
  }
  function redraw(html, but = "") {
    for (const [key, text] of Object.entries(html)) {
      const old = byId(`field-${key}`);
      const field = old?.querySelector("[data-field]");
      if (!field || key === but || field === document.activeElement) continue;
      const drawn = document.createElement("template");
      drawn.innerHTML = text;
      if (changed(field) && !drawn.content.querySelector("[data-keep-mine]")) continue;
      old.replaceWith(drawn.content.querySelector("[data-field-row]"));
    }
  }
  function conflict(answer) {
    if (answer.reload) {
      location.reload();
      return;
    }
    took(answer, root().dataset.card);
    document.activeElement?.blur();
    redraw(answer.fields);
    complain(answer.said);
    document.querySelector("[data-keep-mine]")?.focus();
    unsent = false;
  }

  function accept(field) {
    const key = field.dataset.field;
    const values = new URLSearchParams({ action: "accept", accept: key });
    values.set(`was.${key}`, wasOf(field).value);
    values.set(`value.${key}`, field.value);
    const address = form().getAttribute("action"); // its buttons are named `action`, too
    const { card } = root().dataset;
    const line = here();
    field.closest("[data-field-row]").dataset.settled = "";
    nextOpen(field);
    say("Saving");
    inTurn(async () => {
      const answer = await insist(() => ask(address, withVersion(values, card)));
      if (answer.said) {
        disputed(line, answer);
        return;
      }
      took(answer, card);
      if (root().dataset.card !== card) return;
      wasOf(byId(`value-${key}`)).value = byId(`value-${key}`).value;
      redraw(answer.fields);
      stash();
      unsettled.looked();
      say("Saved", answer.at);
      undoing.offer({ address: byId("undo").action, token: answer.undo });
    }).catch(lost(line));
  }
  const withVersion = (values, card) => {
    values.set("version", versions.get(card));
    return values;
  };

  const saving = new Set(); // cards that somebody is done with, while the server does not know
  // An act after which the next card comes. `kind`: how its card then stands in the film.
  function finish(address, values, kind, line = here()) {
    const { card, next } = root().dataset;
    const undo = { address: byId("undo").action, name: line.name };
    saving.add(card);
    say("Saving");
    inTurn(async () => {
      const answer = await insist(() => ask(address, withVersion(values, card)));
      if (answer.said) {
        saving.delete(card);
        disputed(line, answer);
        return;
      }
      unsettled.settle(card);
      window.stash.forget(card);
      film.mark(card, kind);
      film.tick(root());
      if (root().dataset.card !== card) return;
      if (!next) {
        undoing.carry({ ...undo, token: answer.undo }, entrance());
        location.assign(entrance());
        return;
      }
      await show(next);
      say("Saved", answer.at);
      toast(answer.told);
      undoing.offer({ ...undo, token: answer.undo });
    }).catch(lost(line));
  }
  function right() {
    if (saving.has(root().dataset.card)) return; // a double click
    clearTimeout(timer);
    unsent = false;
    stash();
    const address = form().getAttribute("action"); // its buttons are named `action`, too
    finish(address, all({ action: "right" }), "done");
  }
  function giveUp(sheet) {
    if (saving.has(root().dataset.card)) return;
    byId("give-up-dialog").close();
    keep();
    const note = sheet.elements.namedItem("note");
    const line = here();
    if (note.value) line.typed.push([note.labels[0].firstChild.textContent, note.value]);
    finish(sheet.action, new URLSearchParams({ note: note.value }), "bad", line);
    note.value = "";
  }

  // ---- from card to card
  const entrance = () => root().dataset.entrance;
  // The card that one wanted is not there: the queue goes on without it, where there is one still.
  async function miss(error) {
    if (!(error instanceof Refused)) throw error;
    unsettled.add({ ...here(), card: "", typed: [], lost: true, kind: "Missing" });
    if ((await fetch(entrance())).ok) location.assign(entrance());
  }
  async function show(address, { push = true } = {}) {
    const text = ahead.of(address) ?? (await insist(() => page(address, "review")).catch(miss));
    if (!text) return;
    const drawn = document.createElement("template");
    drawn.innerHTML = text;
    const fresh = drawn.content.querySelector("#review");
    if (!fresh) {
      location.assign(address);
      return;
    }
    lease.leave();
    const { batch } = root().dataset;
    root().replaceWith(fresh);
    if (fresh.dataset.batch !== batch) toast(fresh.dataset.begins);
    for (const field of fresh.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token();
    film.tick(fresh);
    if (push) history.pushState({}, "", address);
    undoing.offer(null);
    document.dispatchEvent(new Event("review:shown"));
    shown();
  }
  async function go(address) {
    if (!address) return;
    keep();
    await show(address);
  }
  // Pressed twice, it is two cards: the second step begins where the first one ends.
  let steps = Promise.resolve();
  function step(way) {
    const next = () => go(root().dataset[way]);
    steps = steps.then(next, next);
  }

  function shown() {
    const { card, version } = root().dataset;
    versions.set(card, Math.max(version, versions.get(card) ?? 0));
    saving.delete(card);
    document.title = root().dataset.title;
    window.htmx?.process(root());
    unstash();
    const focus = document.querySelector("[data-doubt] [data-field]") ?? fields()[0] ?? byId("card-title");
    focus.focus({ preventScroll: false });
    document.querySelector(".frame[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    lease.hold();
    unsettled.looked();
    ahead.prepare(root().dataset.next);
  }

  // ---- fields
  function nextOpen(field) {
    const order = fields();
    const after = [...order.slice(order.indexOf(field) + 1), ...order.slice(0, order.indexOf(field))];
    const row = (one) => one.closest("[data-field-row]");
    const next = after.find((one) => "doubt" in row(one).dataset && !("settled" in row(one).dataset)) ??
      order.slice(order.indexOf(field) + 1).find((one) => !("settled" in row(one).dataset));
    (next ?? byId("card-right"))?.focus();
  }
  function escape(field) {
    if (!changed(field)) {
      field.blur();
      return;
    }
    const { value: text, dataset: { field: key } } = field;
    field.value = wasOf(field).value;
    later();
    undoing.offer({ act: () => restore(byId(`value-${key}`), text) });
  }
  function restore(field, text) {
    if (!field) return;
    field.value = text;
    field.focus();
    later();
  }
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("#card-form [data-field]")) later();
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("#card-form [data-field]") && unsent) keep();
  });
  document.addEventListener("submit", (event) => {
    const acts = { "card-form": right, "give-up": giveUp };
    const act = acts[event.target.id];
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act(event.target);
  }, true);

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest?.(selector);
    const offer = at("[data-offer], [data-take-theirs], [data-keep-mine]");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button;
    if (offer) choose(offer);
    else if (at("#card-right") && event.detail > 1) event.preventDefault(); // it would hit the next card
    else if (at("[data-take-over]")) lease.hold({ take: "1" });
    else if (at("#review-undo")) undoing.undo(keep);
    else if (plain && at("#review a[data-frame], #previous-card, #next-card, #review-skip, #unsettled a")) {
      event.preventDefault();
      if (at("#unsettled")) ahead.clear();
      go(at("a").getAttribute("href"));
    }
  });
  function choose(button) {
    const row = button.closest("[data-field-row]");
    const field = row.querySelector("[data-field]");
    if ("keepMine" in button.dataset || "takeTheirs" in button.dataset) {
      wasOf(field).value = button.dataset.now;
      if ("takeTheirs" in button.dataset) field.value = button.dataset.now;
      button.parentElement.previousElementSibling.remove();
      button.parentElement.remove();
      complain("");
      unsettled.looked();
    } else {
      field.value = button.dataset.offer;
    }
    field.focus();
    later();
  }

  window.pressing({ fields, accept, escape, later, step, right, undo: () => undoing.undo(keep) });
  window.addEventListener("popstate", () => show(location.href, { push: false }));
  window.addEventListener("pagehide", lease.leave);
  document.addEventListener("visibilitychange", () => (document.hidden ? keep() : lease.hold()));
  window.addEventListener("beforeunload", (event) => {
    if (unsent || window.asking.isOpen()) event.preventDefault();
  });
  shown();
})();
