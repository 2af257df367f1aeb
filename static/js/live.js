// Follows a batch, or the list of batches, while its page is open: draws what the server sends, never twice and
// nothing left out, however often the connection breaks. Without it the page is a page: reload it.
"use strict";

(() => {
  const root = document.getElementById("live");
  if (!root?.dataset.ws) return;

  const KEPT = 50; // rows in the live table
  const GRACE = 3000; // without a connection before it is said
  const POLL_AFTER = 10000;
  const POLL_EVERY = 5000;
  const SILENT = 45000; // the server says something every 20 s
  const RELOAD_AT_MOST_EVERY = 10000;
  const PROBLEMS_AT_MOST_EVERY = 30000;
  const ASLEEP = 15000; // between two ticks of a second: the machine was
  const READ = new Set(["completed", "failed"]);
  const LAST = new Set([4401, 4403, 4404]);

  const byId = (id) => document.getElementById(id);
  const liveRows = byId("live-rows");
  const view = root.dataset.view ?? (liveRows ? "live" : "grid");
  let after = root.dataset.after ?? "";
  const newer = new Set();
  const held = new Map(); // what came for rows that somebody is typing in, or that wait for an answer
  const waiting = new Map(); // new rows of the live table, while nobody follows the newest
  let ended = false;

  // ---- drawing
  function parsed(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    window.columns?.lay(template.content);
    const element = template.content.firstElementChild;
    // What many share does not know the filter of this page; the way to a card keeps it.
    const query = document.querySelector("#card-grid, #collection-grid")?.dataset.query;
    for (const link of query ? (element?.querySelectorAll("th a") ?? []) : []) {
      const address = link.getAttribute("href");
      link.setAttribute("href", `${address}${address.includes("?") ? "&" : "?"}${query}`);
    }
    return element;
  }
  const typing = (element) => element?.matches?.("input:not([type=checkbox],[type=radio]),textarea,select") ?? false;
  // Not by htmx's class for it: settling a row that has just been drawn takes the class off again.
  const asking = new Map(); // request: what sent it
  document.addEventListener("htmx:beforeSend", ({ detail }) => asking.set(detail.xhr, detail.elt));
  document.addEventListener("htmx:afterRequest", ({ detail }) => asking.delete(detail.xhr));
  const awaited = (element) => [...asking.values()].some((one) => element.contains(one));
  // Nor is what somebody is pressing on drawn anew: the click would be lost.
  let pressed = null;
  document.addEventListener("pointerdown", (event) => (pressed = event.target), true);
  for (const name of ["pointerup", "pointercancel", "dragend"]) {
    document.addEventListener(name, () => setTimeout(() => { pressed = null; release(); }), true);
  }
  function edited(element) {
    const focus = document.activeElement;
    return (element.contains(focus) && typing(focus)) || element.querySelector("tr form input, td textarea, td form select") !== null;
  }
  function replace(old, html) {
    const fresh = parsed(html);
    if (!fresh) return;
    held.delete(old.id);
    // The answer to what was done on this page may have drawn a later state already.
    if (Number(fresh.dataset.version) < Number(old.dataset.version) || old.isEqualNode(fresh)) return;
    const under = [...document.querySelectorAll(`[data-of="${CSS.escape(old.id)}"]`)]; // a card's further entries
    if ([old, ...under].some((one) => edited(one) || awaited(one) || one.contains(pressed))) {
      held.set(old.id, html);
      return;
    }
    const focused = [old, ...under].some((one) => one.contains(document.activeElement)) ? document.activeElement.id : "";
    for (const box of old.querySelectorAll("input[type=checkbox][id]:checked")) {
      const same = fresh.querySelector(`#${CSS.escape(box.id)}`);
      if (same) same.checked = true;
    }
    const entries = [...(fresh.parentNode?.children ?? [])].slice(1);
    for (const one of under) one.remove();
    old.replaceWith(fresh, ...entries);
    for (const one of entries) window.htmx?.process(one);
    document.dispatchEvent(new CustomEvent("live:drawn"));
    window.htmx?.process(fresh);
    if (focused) byId(focused)?.focus({ preventScroll: true });
  }
  function place(row) {
    const old = byId(row.id);
    if (old) {
      if (row.html) replace(old, row.html);
      else {
        for (const one of document.querySelectorAll(`[data-of="${CSS.escape(row.id)}"]`)) one.remove();
        old.remove();
      }
    } else if (liveRows && byId("follow")?.checked === false) {
      if (row.html) waiting.set(row.id, row.html);
      else waiting.delete(row.id);
    } else if (row.html && liveRows) prepend(row.html);
    else if (row.html && byId("newer-rows")) {
      // One that has only begun, or was given back, has nothing new to show yet.
      if (READ.has(parsed(row.html)?.dataset.status)) newer.add(row.id);
      else newer.delete(row.id);
    }
  }
  function prepend(html) {
    const fresh = parsed(html);
    for (const other of liveRows.querySelectorAll(".fresh")) other.classList.remove("fresh");
    fresh.classList.add("fresh");
    liveRows.prepend(fresh);
    window.htmx?.process(fresh);
    while (liveRows.rows.length > KEPT) liveRows.lastElementChild.remove();
  }
  function countNewer() {
    for (const [bar, size] of [[byId("newer-rows"), newer.size], [byId("held-rows"), waiting.size]]) {
      if (!bar) continue;
      bar.hidden = size === 0;
      for (const number of bar.querySelectorAll("[data-count]")) number.textContent = String(size);
    }
  }
  for (const label of document.querySelectorAll("[data-follow]")) label.hidden = false;
  function showWaiting() {
    for (const html of waiting.values()) prepend(html);
    waiting.clear();
    countNewer();
  }
  document.addEventListener("click", (event) => event.target.closest?.("[data-show-held]") && showWaiting());
  document.addEventListener("change", (event) => event.target.id === "follow" && event.target.checked && showWaiting());
  function apply(frame) {
    if (!Array.isArray(frame.version)) return; // a heartbeat
    for (const fragment of frame.fragments) {
      const old = byId(fragment.id);
      if (old) replace(old, fragment.html);
    }
    for (const row of frame.rows) place(row);
    after = frame.version.join(".");
    countNewer();
    timeLeftAt = Date.now();
    byId("live-waiting")?.toggleAttribute("hidden", (liveRows?.rows.length ?? 0) > 0);
    tell();
    document.dispatchEvent(new Event("live:frame"));
    if (frame.reload) reload();
  }
  function release() {
    for (const [id, html] of [...held]) {
      const old = byId(id);
      if (old) replace(old, html);
      else held.delete(id);
    }
  }
  for (const name of ["focusout", "htmx:afterRequest"]) document.addEventListener(name, () => setTimeout(release));
  function reload() {
    let last = 0;
    try {
      last = Number(sessionStorage.getItem("live-reload") ?? 0);
    } catch {
      // Storage is switched off: the page reloads as often as it is told.
    }
    const wait = last + RELOAD_AT_MOST_EVERY - Date.now();
    if (wait > 0 || typing(document.activeElement) || document.querySelector("dialog[open],form[data-edit]")) {
      setTimeout(reload, Math.max(wait, 2000));
      return;
    }
    try {
      sessionStorage.setItem("live-reload", String(Date.now()));
    } catch {
      // As above.
    }
    location.reload();
  }

  // ---- what is told: the title and one polite line; tell.js tells those who look elsewhere
  const told = { tenth: -1, failed: 0, phase: "", problemsAt: -Infinity };
  function say(text) {
    const line = byId("live-status");
    if (line && text) line.textContent = text;
  }
  function tell() {
    const progress = byId("progress")?.dataset;
    if (!progress?.phase) return;
    document.title = `${progress.title} · cardocr`;
    const tenth = Math.floor(Number(progress.percent) / 10);
    const failed = Number(progress.failed);
    const now = performance.now();
    const changed = told.tenth >= 0 && progress.phase !== told.phase;
    const detail = { phase: progress.phase, percent: Number(progress.percent), say: progress.say, begun: progress.sayBegun, title: progress.title, changed };
    document.dispatchEvent(new CustomEvent("live:progress", { detail }));
    const more = failed - told.failed;
    const problems = more > 0 ? progress.sayMore.replace("{n}", more) : "";
    if (progress.phase !== told.phase) say(progress.say);
    else if (tenth > told.tenth) say(`${progress.say} ${problems}`);
    else if (problems && now - told.problemsAt < PROBLEMS_AT_MOST_EVERY) return; // counted with the next ones
    else say(problems);
    if (more > 0) told.problemsAt = now;
    Object.assign(told, { tenth, failed, phase: progress.phase });
  }
  // A time left is true for a while only: half as long again as it said, and not past a machine's sleep.
  let timeLeftAt = Date.now();
  function forgetTimeLeft(atOnce = false) {
    const line = byId("time-left");
    const seconds = Number(line?.dataset.seconds);
    if (line?.dataset.seconds && (atOnce || Date.now() - timeLeftAt > 1000 * Math.max(60, 1.5 * seconds))) line.replaceChildren();
  }
  const begun = new WeakMap();
  setInterval(() => {
    const one = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    for (const time of document.querySelectorAll("time[data-elapsed]")) {
      if (!begun.has(time)) begun.set(time, performance.now() - 1000 * Number(time.dataset.elapsed));
      time.textContent = `${one.format((performance.now() - begun.get(time)) / 1000)} s`;
    }
  }, 500);

  // ---- the connection
  let socket = null;
  let delay = 500;
  let heard = performance.now(); // the socket
  let reached = performance.now(); // the server, by socket or by asking
  let heardAt = new Date();
  let asked = 0;
  let retry = 0;

  function query() {
    const values = new URLSearchParams({ lang: document.documentElement.lang });
    if (root.dataset.after === undefined) {
      const rows = [...document.querySelectorAll('tr[id^="batch-"]')];
      values.set("rows", rows.map((row) => row.id.slice(6)).join(","));
    } else {
      values.set("after", after);
      if (root.dataset.collection) values.set("collection", root.dataset.collection);
      values.set("view", view);
    }
    return values.toString();
  }
  function drop() {
    clearTimeout(retry);
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }
  function open() {
    if (ended) return;
    drop();
    const address = new URL(root.dataset.ws, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.search = query();
    socket = new WebSocket(address);
    socket.onmessage = (event) => {
      heard = reached = performance.now();
      heardAt = new Date();
      delay = 500;
      show();
      apply(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      socket = null;
      if (LAST.has(event.code)) end(event.code);
      else again();
    };
  }
  function again() {
    clearTimeout(retry);
    retry = setTimeout(open, delay * (0.7 + 0.6 * Math.random()));
    delay = Math.min(2 * delay, 30000);
  }
  function now() {
    if (ended || (socket?.readyState === WebSocket.OPEN && Date.now() - heardAt < SILENT)) return;
    delay = 500;
    open();
  }
  async function ask() {
    asked = performance.now();
    try {
      const response = await fetch(`${root.dataset.poll}?${query()}`, { headers: { Accept: "application/json" }, redirect: "manual" });
      if (response.type === "opaqueredirect" || response.status === 401) end(4401);
      else if (response.status === 403 || response.status === 404) end(4000 + response.status);
      else if (response.ok) {
        reached = performance.now();
        heardAt = new Date();
        apply(await response.json());
      }
    } catch {
      // Not reached: the banner says so, and it is asked again.
    }
    show();
  }
  function end(code) {
    ended = true;
    drop();
    banner(`live-end-${code}`);
    light(false);
  }
  function banner(name) {
    const place = byId("live-banner");
    if (!place || (place.dataset.shows ?? "") === name) return;
    place.dataset.shows = name;
    const words = name && byId(name);
    place.replaceChildren(...(words ? [words.content.cloneNode(true)] : []));
    for (const last of place.querySelectorAll("[data-last-heard]")) {
      last.querySelector("time").textContent = clock(heardAt);
      last.hidden = false;
    }
  }
  const clock = (moment) => moment.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  function light(on) {
    const lamp = byId("live-light");
    if (!lamp) return;
    lamp.hidden = !on;
    const at = byId("live-at");
    if (at) at.textContent = `, ${clock(heardAt)}`;
  }
  function show() {
    if (ended) return;
    const lost = performance.now() - reached > Math.max(GRACE, socket?.readyState === WebSocket.OPEN ? SILENT : asked ? 2 * POLL_EVERY : 0);
    light(!lost);
    banner(lost ? "live-offline" : "");
  }
  let tick = Date.now();
  setInterval(() => {
    if (ended) return;
    // A machine that slept has a clock that jumped: one new socket, and nothing that was true before it.
    const slept = !document.hidden && Date.now() - tick > ASLEEP;
    tick = Date.now();
    forgetTimeLeft(slept);
    if (slept && !document.hidden) {
      delay = 500;
      open();
      return;
    }
    const since = performance.now() - heard;
    const up = socket?.readyState === WebSocket.OPEN;
    if (up && since > SILENT) open();
    if (since > POLL_AFTER && (!up || since > SILENT) && performance.now() - asked > POLL_EVERY) ask();
    show();
  }, 1000);

  window.addEventListener("online", () => {
    // The network has changed: a socket that looks open may never say anything again.
    delay = 500;
    open();
  });
  window.addEventListener("pagehide", drop);
  window.addEventListener("pageshow", (event) => event.persisted && now());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    tick = Date.now(); // its timers were slowed down
    now();
  });
  document.addEventListener("click", (event) => event.target.closest?.("[data-live-retry]") && now());
  // The second click of a double click would undo what the first has done: the button has changed its meaning.
  document.addEventListener("click", (event) => {
    if (event.detail < 2 || !event.target.closest?.("[hx-post]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  // Another page of the list, another filter: other rows are followed.
  let swapped = 0;
  document.addEventListener("htmx:afterSettle", (event) => {
    if (root.dataset.after !== undefined || event.detail.target?.id !== "batches") return;
    clearTimeout(swapped);
    swapped = setTimeout(open, 500);
  });

  // The grid has been drawn anew, with all that is new.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (["card-grid", "collection-grid"].includes(event.detail.target?.id)) newer.clear();
  });
  document.addEventListener("session:ended", () => end(4401));
  document.addEventListener("session:renewed", () => {
    ended = false;
    delay = 500;
    banner("");
    open();
  });

  tell();
  open();
})();
