// Ticks on the thumbnails: each is saved at once, with Shift a whole range; arrows go from box to box. Without it a
// button saves them.
"use strict";

(() => {
  const unsaved = new Map(); // a card's number: whether it was ticked before, and is now
  let last = ""; // the box that was ticked last: where a range begins
  let sending = false;
  let failed = false;
  let timer = 0;

  const byId = (id) => document.getElementById(id);
  const boxes = () => [...document.querySelectorAll("#scans .card .box")];
  const ours = (element) => element?.id === "choice";

  function note(box, before, now) {
    box.checked = now;
    const first = unsaved.get(box.value)?.before ?? before;
    if (first === now) unsaved.delete(box.value);
    else unsaved.set(box.value, { before: first, now });
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("#scans .card .box");
    if (!box) return;
    const all = boxes();
    const from = event.shiftKey ? all.findIndex((one) => one.id === last) : -1;
    const at = all.indexOf(box);
    note(box, !box.checked, box.checked);
    if (from >= 0) {
      for (const one of all.slice(Math.min(from, at), Math.max(from, at) + 1)) {
        if (one !== box) note(one, one.checked, box.checked);
      }
    }
    last = box.id;
    clearTimeout(timer);
    timer = setTimeout(save, 150);
  });

  async function save() {
    const form = byId("choose");
    if (sending || !unsaved.size || !form) return;
    sending = true;
    failed = false;
    const sent = new Map(unsaved);
    unsaved.clear();
    const those = (wanted) => [...sent].filter(([, { before, now }]) => wanted(before, now)).map(([card]) => card);
    const values = { shown: [...sent.keys()].join(","), was: those((before) => before).join(","), card: those((_, now) => now) };
    try {
      await window.htmx.ajax("POST", form.action, { target: "#choice", swap: "outerHTML", values });
    } catch {
      failed = true;
    }
    sending = false;
    if (failed) {
      for (const [card, { before }] of sent) if (!unsaved.has(card) && byId(`choose-${card}`)) byId(`choose-${card}`).checked = before;
    } else if (byId("chosen")) {
      byId("chosen-said").textContent = byId("chosen").textContent;
    }
    save();
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (ours(event.detail.target) && event.detail.xhr?.status >= 400) failed = true;
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (ours(event.detail.target)) failed = true;
    });
  }
  // What is drawn anew knows nothing of ticks that are on their way.
  document.addEventListener("htmx:afterSwap", () => {
    for (const [card, { now }] of unsaved) if (byId(`choose-${card}`)) byId(`choose-${card}`).checked = now;
  });

  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.("#scans .card .box");
    if (!box || !event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = boxes();
    const at = all.indexOf(box);
    const top = (one) => one.closest(".card").offsetTop;
    const row = all.filter((one) => top(one) === top(all[0])).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
    if (!all[at + step]) return;
    event.preventDefault();
    all[at + step].focus();
  });
})();
