// Sends scans one file at a time, a few at once. Without it the plain form of the page does the same.
"use strict";

(() => {
  const root = document.getElementById("uploader");
  const AT_ONCE = 3;
  const TRIES = 3;
  const KEEP_DONE = 6;
  const queue = [];
  const known = new Set();
  const rows = document.getElementById("upload-rows");
  let running = 0;
  let refreshAt = 0;

  const byId = (id) => document.getElementById(id);
  const say = (name, values = {}) =>
    Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), root.dataset[name] ?? "");

  // A plain-http intranet has no crypto.randomUUID.
  function newKey() {
    if (crypto.randomUUID) return crypto.randomUUID();
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function size(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const step = bytes ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0;
    const format = { style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 };
    return new Intl.NumberFormat(document.documentElement.lang, format).format(bytes / 1000 ** step);
  }

  // ---- what is dropped or chosen
  async function filesOf(entry, folder = "") {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return [{ file, path: folder + file.name }];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      found.push(...some);
    }
    found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    const parts = [];
    for (const child of found) parts.push(...(await filesOf(child, `${folder}${entry.name}/`)));
    return parts;
  }

  function add(chosen) {
    for (const { file, path } of chosen) {
      const name = file.name;
      if (name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini") continue;
      const mark = [path, file.size, file.lastModified].join("|");
      if (known.has(mark)) continue; // dropped twice
      known.add(mark);
      const item = { file, path, mark, key: newKey(), state: "waiting", sent: 0, tries: 0, row: null, cards: [] };
      queue.push(item);
      if (file.size > Number(root.dataset.maxBytes)) fail(item, say("msgLarge"), "refused");
    }
    byId("queue").hidden = false;
    byId("sum").hidden = false;
    next();
  }

  // ---- sending
  function next() {
    while (running < AT_ONCE) {
      const item = queue.find((one) => one.state === "waiting");
      if (!item) break;
      send(item);
    }
    show();
  }

  function send(item) {
    running += 1;
    item.state = "sending";
    item.tries += 1;
    put(item, byId("upload-row"));
    const body = new FormData();
    body.append("client_key", item.key);
    body.append("path", item.path);
    body.append("files", item.file, item.file.name);
    const request = new XMLHttpRequest();
    request.open("POST", root.dataset.url);
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.setRequestHeader("X-CSRFToken", document.querySelector("#card-action [name=csrfmiddlewaretoken]").value);
    request.upload.addEventListener("progress", (event) => {
      item.sent = event.lengthComputable ? (item.file.size * event.loaded) / event.total : 0;
      const percent = Math.round((100 * item.sent) / (item.file.size || 1));
      item.row.querySelector(".up rect")?.setAttribute("width", String(percent));
      const text = item.row.querySelector(".up__p");
      if (text) text.textContent = `${percent} %`;
      show();
    });
    request.addEventListener("loadend", () => {
      running -= 1;
      answered(item, request);
      next();
    });
    request.send(body);
  }

  function answered(item, request) {
    const status = request.status;
    const elsewhere = request.responseURL && new URL(request.responseURL).pathname !== root.dataset.url;
    if (status === 200 && !elsewhere) {
      item.state = "done";
      item.sent = item.file.size;
      putHtml(item, request.responseText);
      item.cards = item.row.dataset.cards?.split(" ") ?? [];
      const done = [...rows.querySelectorAll("tr[data-done]")];
      item.row.dataset.done = "";
      for (const old of done.slice(0, Math.max(0, done.length + 1 - KEEP_DONE))) old.remove();
      refreshSoon();
    } else if ([409, 413, 415, 422].includes(status)) {
      item.state = "refused";
      putHtml(item, request.responseText);
      rows.prepend(item.row);
      if (status === 409) for (const one of queue) if (one.state === "waiting") one.state = "refused";
    } else if (elsewhere || status === 401 || status === 403) {
      fail(item, say("msgSignedOut"));
    } else if (item.tries < TRIES) {
      item.state = "resting";
      setTimeout(() => {
        item.state = "waiting";
        next();
      }, 1000 * 2 ** item.tries);
    } else {
      fail(item, say(status ? "msgServer" : "msgBroken"));
    }
  }

  function fail(item, reason, state = "failed") {
    item.state = state;
    item.sent = 0;
    put(item, byId(`upload-${state}`));
    item.row.querySelector(".help").textContent = reason;
    item.row.querySelector("button")?.addEventListener("click", () => again(item));
    rows.prepend(item.row);
  }

  function again(item) {
    item.state = "waiting";
    item.tries = 0;
    next();
  }

  // What was taken out again may be added again. A file of several pages is out when its last page is.
  function removed(address) {
    const one = address.match(/\/cards\/(\d+)\/remove\/$/);
    if (!one && !address.endsWith("/cards/remove/")) return;
    for (const item of queue) {
      if (item.state !== "done" || !item.cards.length) continue;
      item.cards = one ? item.cards.filter((pk) => pk !== one[1]) : [];
      if (!item.cards.length) known.delete(item.mark);
    }
  }

  // ---- showing
  function place(item, row) {
    if (item.row?.isConnected) item.row.replaceWith(row);
    else rows.append(row);
    item.row = row;
  }
  function put(item, template) {
    const row = template.content.firstElementChild.cloneNode(true);
    row.querySelector(".d-file").textContent = item.path;
    row.querySelector(".d-size").textContent = size(item.file.size);
    place(item, row);
  }
  function putHtml(item, html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    place(item, template.content.firstElementChild);
  }

  function show() {
    const count = (...states) => queue.filter((item) => states.includes(item.state)).length;
    const total = queue.length;
    const done = count("done");
    const bad = count("failed", "refused");
    const bytes = queue.reduce((sum, item) => sum + item.file.size, 0) || 1;
    const sent = queue.reduce((sum, item) => sum + item.sent, 0);
    const lost = queue.reduce((sum, item) => sum + (["failed", "refused"].includes(item.state) ? item.file.size : 0), 0);
    const message = done + bad < total ? "msgWaiting" : bad ? "msgFinishedSome" : "msgFinished";
    const text = say(message, { done, total, bad });
    if (byId("sum-count").textContent !== text) byId("sum-count").textContent = text;
    byId("sum-bytes").textContent = `${size(sent)} / ${size(bytes)}`;
    const [ok, red] = byId("sum-meter").querySelectorAll("rect");
    ok.setAttribute("width", ((100 * sent) / bytes).toFixed(1));
    red.setAttribute("x", ((100 * sent) / bytes).toFixed(1));
    red.setAttribute("width", ((100 * lost) / bytes).toFixed(1));
    byId("sum-meter").setAttribute("aria-valuenow", String(Math.round((100 * sent) / bytes)));
    byId("retry-all").hidden = !count("failed");
  }

  // ---- the scans below: after uploads, and while previews are being made
  function refreshSoon() {
    if (!refreshAt) refreshAt = Date.now() + 1200;
  }
  async function refresh() {
    const scans = byId("scans");
    if (!scans || document.querySelector("dialog[open]") || document.hidden) return;
    if (!("waiting" in scans.dataset) && !(refreshAt && Date.now() >= refreshAt)) return;
    refreshAt = 0;
    const url = location.pathname + location.search;
    try {
      await window.htmx.ajax("GET", url, { target: "#scans", swap: "outerHTML" });
    } catch {
      refreshAt = Date.now() + 5000;
    }
  }
  setInterval(refresh, 1500);

  if (!root) return;

  byId("retry-all").addEventListener("click", () => {
    for (const item of queue) if (item.state === "failed") again(item);
  });
  for (const input of root.querySelectorAll("[data-pick]")) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) removed(event.detail.pathInfo?.requestPath ?? "");
  });
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.add("is-over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("is-over");
  });
  document.addEventListener("drop", async (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.remove("is-over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) {
      add([...event.dataTransfer.files].map((file) => ({ file, path: file.name })));
      return;
    }
    for (const entry of entries) add(await filesOf(entry));
  });
  addEventListener("beforeunload", (event) => {
    if (queue.some((item) => ["waiting", "sending", "resting"].includes(item.state))) event.preventDefault();
  });
})();
