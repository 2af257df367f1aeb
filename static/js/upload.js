// Sends scans: one file at a time, a few at once, large ones in parts. Without it the plain form does the same.
"use strict";

(() => {
  const root = document.getElementById("uploader");
  const AT_ONCE = 4;
  const TRIES = 4; // where the server answers, and not as it should
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
  const deliver = root && window.sending(root.dataset, progress, () => paused);
  function next() {
    while (!paused && !offline && !slowed && running < AT_ONCE && waiting.length) {
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
    const answer = await deliver(item);
    sending.delete(item);
    running -= 1;
    if (item.state === "sending") await answered(item, answer);
    next();
  }

  // Too many in a minute: all that are under way wait, and go on by themselves. It is said once.
  let slowed = false;
  async function slowDown(item, text, request) {
    enqueue(item);
    if (slowed) return;
    slowed = true;
    document.dispatchEvent(new CustomEvent("toast", { detail: text }));
    await pause(Number(request?.getResponseHeader("Retry-After")) || 5);
    slowed = false;
  }

  async function answered(item, { status, text, request }) {
    if (status === -1) enqueue(item); // paused between two parts
    else if (status === 429) await slowDown(item, text, request);
    else if ([200, 204, 409, 413, 415, 422].includes(status)) {
      finish(item, status < 300, text);
      if (status === 409) for (const other of waiting.splice(0)) fail(other, say("msgLocked"), false);
    }
    else if (status === 507) fail(item, say("msgFull"));
    else if (status === 401 || status === 403) fail(item, say("msgSignedOut"));
    else if (!status && !(await readable(item))) fail(item, say("msgUnreadable"));
    else if ((!status || PROXY_ALONE.includes(status)) && !(await online())) wait(item);
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
  const PROXY_ALONE = [502, 503, 504]; // what a proxy says while cardocr behind it is started anew
  const online = () => fetch(byId("favicon").href, { cache: "no-store", method: "HEAD" })
    .then(({ status }) => !PROXY_ALONE.includes(status), () => false);

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
    if (requestConfig.verb !== "get" || !["scans", "files"].includes(target.id)) return;
    if (!target.querySelector(".htmx-request")) return;
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

  window.picking.watch(root, add);
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
  addEventListener("beforeunload", (event) => {
    if (queue.some((item) => ["waiting", "sending"].includes(item.state))) event.preventDefault();
  });
})();
