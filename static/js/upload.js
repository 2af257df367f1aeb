// Sends scans: one file at a time, a few at once, large ones in parts. Without it the plain form does the same.
"use strict";

(() => {
  const root = document.getElementById("uploader");
  const AT_ONCE = 4;
  const TRIES = 4; // where the server answers, and not as it should
  const PART_FROM = 100e6; // bytes; what is larger goes up in parts that can be resumed
  const PART = 8e6;
  const SHOWN_DONE = 8; // rows of files that were added
  const ROW_AFTER = 1000; // ms that a file takes before it gets a row: most are gone by then
  const DRAW_EVERY = 250; // ms
  const SLOW_REFRESH = 10000; // ms, while many files wait: drawing the scans would slow them down
  const IMAGES = /\.(jpe?g|jpe|jfif|png|webp|hei[cf]|hif|avif|jp2|j2k|bmp|gif)$/i;
  const queue = [];
  const known = new Map(); // what was chosen twice is one
  const waiting = []; // of the queue, those that nobody sends yet
  const sending = new Set();
  const rows = new Set(); // items with a row whose progress is drawn
  const sum = { files: 0, done: 0, bad: 0, bytes: 0, sent: 0, lost: 0 };
  const speed = []; // [time, bytes sent], of the last half minute
  let running = 0;
  let paused = false;
  let offline = false;
  let unsettled = false;
  let refreshAt = 0;
  let refreshedAt = 0;
  let showing = 0;

  const byId = (id) => document.getElementById(id);
  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const say = (name, values = {}) =>
    Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), root.dataset[name] ?? "");

  function size(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const step = bytes ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0;
    const format = { style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 };
    return new Intl.NumberFormat(document.documentElement.lang, format).format(bytes / 1000 ** step);
  }

  // ---- what is dropped or chosen
  // What cannot be read stands there with its name: the others come in.
  const filesOf = (entry, folder = "") =>
    found(entry, folder).catch(() => [{ file: new File([], entry.name), path: folder + entry.name, unreadable: true }]);

  async function found(entry, folder) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return [{ file, path: folder + file.name }];
    }
    const reader = entry.createReader();
    const children = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      children.push(...some);
    }
    children.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    const files = [];
    for (const child of children) files.push(...(await filesOf(child, `${folder}${entry.name}/`)));
    return files;
  }

  function add(chosen) {
    for (const { file, path, unreadable } of chosen) {
      if (file.name.startsWith(".") || file.name === "Thumbs.db" || file.name === "desktop.ini") continue;
      // Chosen again, after a reload too, it is the same file for the server: what is there already stands once.
      const key = [path, file.size, file.lastModified].join("|");
      const before = known.get(key);
      if (before && ["waiting", "sending"].includes(before.state)) continue;
      if (before) forget(before);
      const item = { file, path, key, state: "", sent: 0, tries: 0, row: null, request: null, address: "" };
      known.set(key, item);
      queue.push(item);
      sum.files += 1;
      sum.bytes += file.size;
      if (unreadable) {
        fail(item, say("msgUnreadable"), false);
        continue;
      }
      const limit = IMAGES.test(file.name) ? "maxBytes" : "maxContainer";
      if (file.size > Number(root.dataset[limit])) {
        fail(item, say(limit === "maxBytes" ? "msgLarge" : "msgLargeContainer"), false);
      } else enqueue(item);
    }
    byId("queue").hidden = !queue.length;
    next();
  }

  function enqueue(item) {
    if (item.state === "failed") {
      sum.bad -= 1;
      sum.lost -= item.file.size;
    }
    item.state = "waiting";
    progress(item, 0);
    waiting.push(item);
  }

  // Out of the queue and of the sums, as if it had never been chosen.
  function forget(item) {
    progress(item, 0);
    if (item.state === "done") sum.done -= 1;
    if (["failed", "refused"].includes(item.state)) {
      sum.bad -= 1;
      sum.lost -= item.file.size;
    }
    sum.files -= 1;
    sum.bytes -= item.file.size;
    item.state = "gone";
    item.request?.abort();
    item.row?.remove();
    queue.splice(queue.indexOf(item), 1);
    known.delete(item.key);
    byId("queue").hidden = !queue.length;
  }

  // ---- sending
  function next() {
    while (!paused && !offline && running < AT_ONCE && waiting.length) {
      const item = waiting.shift();
      if (item.state === "waiting") send(item);
    }
    if (!running && !waiting.length) settle();
    show();
  }

  async function send(item) {
    running += 1;
    item.state = "sending";
    item.since = Date.now();
    sending.add(item);
    const answer = await (item.file.size > PART_FROM ? sendParts(item) : sendWhole(item));
    sending.delete(item);
    running -= 1;
    if (item.state === "sending") await answered(item, answer);
    next();
  }

  function ask(item, method, url, headers = {}, body = null, from = 0) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      item.request = request;
      request.open(method, url);
      request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
      request.setRequestHeader("X-Quiet", "1"); // a refused file comes with its code in a header: no fault of the page
      request.setRequestHeader("X-CSRFToken", document.querySelector("#card-action [name=csrfmiddlewaretoken]").value);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (body) {
        request.upload.addEventListener("progress", (event) => {
          const share = event.lengthComputable && event.total ? event.loaded / event.total : 0;
          progress(item, from + share * (body.size ?? item.file.size));
        });
      }
      request.addEventListener("loadend", () => {
        item.request = null;
        const elsewhere = request.responseURL && new URL(request.responseURL).pathname !== new URL(url, location).pathname;
        const status = Number(request.getResponseHeader("X-Upload-Status")) || request.status;
        resolve({ status: elsewhere ? 401 : status, text: request.responseText, request });
      });
      request.send(body);
    });
  }

  // The file is the body. What it is called stands in headers, and no longer there than the server keeps it.
  function sendWhole(item) {
    const coded = (text) => encodeURIComponent(new TextDecoder().decode(new TextEncoder().encode(text)));
    const headers = {
      "Content-Type": "application/octet-stream",
      "X-File-Path": coded(item.path.slice(-500)),
      "X-Client-Key": coded(item.key.slice(-300)),
    };
    return ask(item, "POST", root.dataset.url, headers, item.file);
  }

  // In parts, by the tus protocol. Its server knows how far a file has come, also after a reload of this page.
  async function sendParts(item) {
    const tus = { "Tus-Resumable": "1.0.0" };
    const coded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    if (!item.address) {
      const about = `filename ${coded(item.path)},client_key ${coded(item.key)}`;
      const made = await ask(item, "POST", root.dataset.parts, { ...tus, "Upload-Length": item.file.size, "Upload-Metadata": about });
      if (made.status !== 201) return made;
      item.address = made.request.getResponseHeader("Location");
    }
    const found = await ask(item, "HEAD", item.address, tus);
    if (found.status === 404) item.address = "";
    if (found.status !== 200) return { ...found, status: found.status === 404 ? 503 : found.status };
    let offset = Number(found.request.getResponseHeader("Upload-Offset"));
    do {
      if (paused) return { status: -1 };
      const piece = item.file.slice(offset, offset + PART);
      const headers = { ...tus, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
      const sent = await ask(item, "PATCH", item.address, headers, piece, offset);
      if (sent.status === 409 || sent.status === 423) return { ...sent, status: 503 }; // another tab: look again
      if ([413, 415, 422].includes(sent.status)) break; // the row says why
      if (sent.status !== 204) return sent;
      item.tries = 0;
      offset = Number(sent.request.getResponseHeader("Upload-Offset"));
      progress(item, offset);
    } while (offset < item.file.size && item.state === "sending");
    return ask(item, "GET", item.address);
  }

  async function answered(item, { status, text }) {
    if (status === -1) enqueue(item); // paused between two parts
    else if ([200, 204, 409, 413, 415, 422].includes(status)) {
      finish(item, status < 300, text);
      if (status === 409) for (const other of waiting.splice(0)) fail(other, say("msgLocked"), false);
    }
    else if (status === 507) fail(item, say("msgFull"));
    else if (status === 401 || status === 403) fail(item, say("msgSignedOut"));
    else if (!status && !(await readable(item))) fail(item, say("msgUnreadable"));
    else if (!status && !(await online())) wait(item);
    else if (item.tries < TRIES) {
      item.tries += 1;
      item.state = "waiting";
      progress(item, 0);
      await pause(2 ** (item.tries - 1));
      if (item.state === "waiting") waiting.unshift(item);
    } else fail(item, say(status ? "msgServer" : "msgBroken"));
  }

  function finish(item, taken, html) {
    const good = (!html || told(html) !== "duplicate") && taken;
    item.state = good ? "done" : "refused";
    sum[good ? "done" : "bad"] += 1;
    if (good) progress(item, item.file.size);
    else {
      progress(item, 0);
      sum.lost += item.file.size;
    }
    item.row?.remove();
    unsettled ||= good;
    refreshSoon();
  }

  function fail(item, reason, again = true) {
    item.state = "failed";
    progress(item, 0);
    sum.bad += 1;
    sum.lost += item.file.size;
    put(item, byId("upload-failed"));
    item.row.querySelector(".help").textContent = reason;
    const button = item.row.querySelector("[data-again]");
    item.again = again;
    if (again) button.addEventListener("click", () => (retry(item), next()));
    else button.remove();
    item.row.querySelector("[data-forget]").addEventListener("click", () => (forget(item), show()));
    byId("sending-rows").prepend(item.row);
  }

  function retry(item) {
    item.row?.remove();
    item.tries = 0;
    enqueue(item);
  }

  // ---- the connection is lost: nothing fails, and it goes on by itself
  const readable = (item) => item.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  const online = () => fetch(byId("favicon").href, { cache: "no-store", method: "HEAD" }).then(() => true, () => false);

  function wait(item) {
    item.state = "waiting";
    progress(item, 0);
    item.row?.remove();
    waiting.unshift(item);
    if (!offline) comeBack();
  }

  async function comeBack() {
    offline = true;
    byId("offline").hidden = false;
    speed.length = 0;
    for (let seconds = 1; !(await online()); seconds = Math.min(10, seconds * 1.5)) {
      await Promise.race([pause(seconds), new Promise((resolve) => addEventListener("online", resolve, { once: true }))]);
    }
    offline = false;
    byId("offline").hidden = true;
    next();
  }

  // ---- showing
  function put(item, template) {
    const row = template.content.firstElementChild.cloneNode(true);
    row.querySelector(".d-file").textContent = item.path;
    row.querySelector(".d-size").textContent = size(item.file.size);
    for (const name of row.querySelectorAll("[data-name]")) name.textContent = ` ${item.path}`;
    if (item.row?.isConnected) item.row.replaceWith(row);
    else byId("sending-rows").append(row);
    item.row = row;
  }

  // What came of a file, as the server says it: a row stands once, problems first. Returns its state.
  function told(html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    const row = template.content.querySelector("tr");
    const rows = byId("upload-rows");
    if (!row || !rows) return "";
    byId("files").hidden = false;
    if (row.id) byId(row.id)?.remove();
    const added = [...rows.querySelectorAll("tr[data-status=done]")];
    if (row.dataset.status !== "done") rows.prepend(row);
    else if (added.length) added[0].before(row);
    else rows.append(row);
    for (const old of added.slice(SHOWN_DONE - 1)) old.remove();
    if (row.dataset.status === "opening") byId("files").dataset.opening = "";
    window.htmx.process(row);
    return row.dataset.status;
  }

  function progress(item, sent) {
    sum.sent += sent - item.sent;
    item.sent = sent;
    show();
  }

  // Of those that are on their way for a while.
  function drawRows() {
    const now = Date.now();
    for (const item of sending) {
      if (rows.has(item) || item.state !== "sending" || now - item.since < ROW_AFTER) continue;
      put(item, byId("upload-row"));
      item.row.querySelector("button").addEventListener("click", () => (forget(item), show()));
      rows.add(item);
    }
    for (const item of rows) {
      const bar = item.row?.isConnected ? item.row.querySelector(".up rect") : null;
      if (!bar) {
        rows.delete(item);
        continue;
      }
      const percent = Math.round((100 * item.sent) / (item.file.size || 1));
      if (bar.getAttribute("width") === String(percent)) continue;
      bar.setAttribute("width", String(percent));
      item.row.querySelector(".up__p").textContent = `${percent} %`;
    }
    if (sending.size || rows.size) show();
  }

  function left() {
    if (paused) return say("msgPaused");
    const now = Date.now() / 1000;
    if (!speed.length || now - speed.at(-1)[0] > 0.5) speed.push([now, sum.sent]);
    while (speed.length > 2 && now - speed[0][0] > 30) speed.shift();
    const [since, before] = speed[0];
    const rate = (sum.sent - before) / (now - since || 1);
    const rest = sum.bytes - sum.sent - sum.lost;
    if (rate <= 0 || rest <= 0 || now - since < 2) return "";
    return rest / rate < 60 ? say("msgLeftSeconds") : say("msgLeftMinutes", { n: Math.round(rest / rate / 60) });
  }

  function show() {
    if (!showing) showing = setTimeout(draw, DRAW_EVERY);
  }

  function draw() {
    showing = 0;
    drawRows();
    root.toggleAttribute("data-busy", sending.size > 0); // nothing pulses meanwhile: that would take as much as the files
    const { files, done, bad, bytes, sent, lost } = sum;
    const message = done + bad < files ? "msgWaiting" : bad ? "msgFinishedSome" : "msgFinished";
    const text = say(message, { done, total: files, bad });
    if (byId("sum-count").textContent !== text) byId("sum-count").textContent = text;
    byId("sum-bytes").textContent = `${size(sent)} / ${size(bytes)}`;
    byId("sum-left").textContent = done + bad < files ? left() : "";
    const share = (part) => ((100 * part) / (bytes || 1)).toFixed(1);
    const [ok, red] = byId("sum-meter").querySelectorAll("rect");
    ok.setAttribute("width", share(sent));
    red.setAttribute("x", share(sent));
    red.setAttribute("width", share(lost));
    byId("sum-meter").setAttribute("aria-valuenow", String(Math.round((100 * sent) / (bytes || 1))));
    byId("retry-all").hidden = !queue.some((item) => item.state === "failed" && item.again);
    byId("pause").hidden = done + bad >= files;
    const title = byId("queue-title");
    title.textContent = done + bad < files ? title.dataset.busy : title.dataset.sent;
  }

  // ---- what stands below: after uploads, and while files are being opened or previews made
  function refreshSoon() {
    if (!refreshAt) refreshAt = Date.now() + 1000;
  }

  // They came in the order in which they were sent: the server lays them as their names are. Not by htmx, which drops
  // a request while another one of the same element is on its way.
  async function settle() {
    if (!unsettled) return;
    unsettled = false;
    const headers = { "X-CSRFToken": document.querySelector("#card-action [name=csrfmiddlewaretoken]").value };
    const body = new URLSearchParams({ settle: "1" });
    await fetch(root.dataset.order, { method: "POST", headers, body, redirect: "manual" }).catch(() => {});
    refreshAt = 1;
    refresh();
  }

  async function refresh() {
    const due = refreshAt && Date.now() >= refreshAt;
    if (document.querySelector("dialog[open]") || document.hidden) return;
    if (waiting.length > 20 && Date.now() - refreshedAt < SLOW_REFRESH) return;
    const url = location.pathname + location.search;
    const wanted = [];
    if (due || "waiting" in (byId("scans")?.dataset ?? {})) wanted.push("#scans");
    if (due || "opening" in (byId("files")?.dataset ?? {})) wanted.push("#files");
    if (wanted.length === 1 && wanted[0] === "#files") wanted.push("#scans");
    if (due) refreshAt = 0;
    if (wanted.length) refreshedAt = Date.now();
    // Whoever types a place keeps the field.
    const kept = document.activeElement?.matches("#scans input:not(.box)") ? "#scans" : "";
    try {
      for (const target of wanted) {
        if (target !== kept) await window.htmx.ajax("GET", url, { target, swap: "outerHTML" });
      }
    } catch {
      refreshAt = Date.now() + 5000;
    }
  }
  setInterval(refresh, 1500);
  // A refresh never takes away a button whose request is on its way: the next refresh shows both.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { requestConfig, target } = event.detail;
    if (requestConfig.verb !== "get" || target.id !== "scans" || !target.querySelector(".htmx-request")) return;
    event.detail.shouldSwap = false;
    refreshAt ||= Date.now() + 1000;
  });
  // What this page is sending stands above; below it would read as if it had stopped.
  document.addEventListener("htmx:afterSwap", () => {
    for (const { address, state } of queue) {
      const pk = address.match(/(\d+)\/$/)?.[1];
      if (pk && ["waiting", "sending"].includes(state)) byId(`upload-${pk}`)?.remove();
    }
  });
  document.addEventListener("scans-changed", () => (refreshAt = 1));

  if (!root) return;

  byId("retry-all").addEventListener("click", () => {
    for (const item of queue) if (item.state === "failed" && item.again) retry(item);
    next();
  });
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    speed.length = 0;
    const words = byId("pause").querySelector("span");
    [words.textContent, byId("pause").dataset.other] = [byId("pause").dataset.other, words.textContent];
    next();
  });
  for (const input of root.querySelectorAll("[data-pick]")) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
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
    if (queue.some((item) => ["waiting", "sending"].includes(item.state))) event.preventDefault();
  });
})();
