// What a tab says while one looks elsewhere: how far the batch is in its icon, and a notification for those who asked.
"use strict";

(() => {
  const root = document.getElementById("live");
  const icon = document.getElementById("favicon");
  if (!root || !icon) return;

  // ---- the icon: a bar while cards are read, a dot where something happened that nobody has seen
  const normal = icon.getAttribute("href");
  let unseen = false;
  let percent = null;
  function draw() {
    if (unseen) icon.setAttribute("href", icon.dataset.attention);
    else if (percent === null) icon.setAttribute("href", normal);
    else {
      const width = Math.round(percent / 10) * 2.6; // by tenths, so that it does not flicker
      const picture =
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect x="2" y="6" width="28" height="20" rx="4" fill="#fff" stroke="#171b1f" stroke-width="2.5"/>' +
        `<path d="M7 12h18" stroke="#a8231b" stroke-width="2.5"/><rect x="3" y="17" width="26" height="8" fill="#d8dee3"/><rect x="3" y="17" width="${width.toFixed(1)}" height="8" fill="#0a5a75"/></svg>`;
      icon.setAttribute("href", `data:image/svg+xml,${encodeURIComponent(picture)}`);
    }
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !unseen) return;
    unseen = false;
    draw();
  });

  // ---- the notification: the browser is asked on the click alone, and only where it may be
  const KEYS = { "tell-me": `tell-${location.pathname}`, "tell-start": `tell-start-${location.pathname}` };
  const possible = "Notification" in window && window.isSecureContext;
  const toast = (value) => document.dispatchEvent(new CustomEvent("toast", { detail: { value } }));
  function wanted(what) {
    try {
      return possible && Notification.permission === "granted" && localStorage.getItem(KEYS[what]) === "1";
    } catch {
      return false; // storage is switched off
    }
  }
  function keep(what, on) {
    try {
      if (on) localStorage.setItem(KEYS[what], "1");
      else localStorage.removeItem(KEYS[what]);
    } catch {
      // As above: it is not kept.
    }
  }
  function showSwitches() {
    for (const label of possible ? document.querySelectorAll("[data-tell]") : []) {
      const box = label.querySelector("input");
      label.hidden = false;
      box.checked = wanted(box.id);
    }
  }
  document.addEventListener("change", async (event) => {
    const { id, checked } = event.target;
    if (!KEYS[id]) return;
    const { refused, told } = event.target.closest("[data-tell]").dataset;
    if (!checked) keep(id, false);
    else if ((await Notification.requestPermission()) === "granted") {
      keep(id, true);
      toast(told);
    } else toast(refused);
    showSwitches();
  });
  function notify(what, title, body) {
    const note = new Notification(title, { body, tag: KEYS[what], icon: normal });
    note.addEventListener("click", () => {
      window.focus();
      note.close();
    });
  }

  document.addEventListener("live:progress", (event) => {
    const { phase, changed, say, title } = event.detail;
    const stage = phase.split("-")[0];
    percent = stage === "over" ? null : event.detail.percent;
    showSwitches();
    if (changed && document.hidden) unseen = true;
    if (changed && wanted("tell-start") && stage === "reading") notify("tell-start", title, event.detail.begun);
    if (changed && wanted("tell-me") && (stage === "over" || stage === "paused")) notify("tell-me", title, say);
    if (stage === "reading" || stage === "over") keep("tell-start", false); // it has begun, watched or not
    if (changed && stage === "over") keep("tell-me", false);
    draw();
  });
})();
