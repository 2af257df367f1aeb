// What every page needs: the CSRF header, the theme, dialogs, questions, toasts. Pages work without it.
"use strict";

(() => {
  const csrfToken = () => document.querySelector("#card-action [name=csrfmiddlewaretoken]")?.value ?? "";

  // htmx 2 and htmx 4 name the event differently.
  for (const name of ["htmx:configRequest", "htmx:config:request"]) {
    document.addEventListener(name, (event) => {
      const headers = event.detail.headers ?? event.detail.ctx?.request?.headers;
      if (headers) headers["X-CSRFToken"] = csrfToken();
    });
  }

  function toast(text, kind = "") {
    const region = document.getElementById("toasts");
    if (!region || !text) return;
    const note = document.createElement("p");
    note.className = `toast ${kind}`;
    note.textContent = text;
    region.append(note);
    setTimeout(() => note.remove(), 8000);
  }
  document.addEventListener("toast", (event) => toast(event.detail?.value ?? event.detail));
  document.addEventListener("htmx:sendError", (event) => {
    // What a page asks for by itself it asks for again: nobody waits for it.
    if (event.detail.requestConfig?.triggeringEvent) toast(document.body.dataset.msgOffline, "toast--bad");
  });
  document.addEventListener("htmx:timeout", () => toast(document.body.dataset.msgOffline, "toast--bad"));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr?.status;
    if (status === 401 || status === 403) location.reload();
    else toast(status === 429 ? event.detail.xhr.responseText : document.body.dataset.msgFailed, "toast--bad");
  });

  // ---- theme
  function storedTheme() {
    const { accountTheme } = document.documentElement.dataset;
    if (accountTheme) return accountTheme;
    try {
      return localStorage.getItem("theme") ?? "auto";
    } catch {
      return "auto";
    }
  }
  function showTheme(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-set]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeSet === theme));
    }
  }
  for (const group of document.querySelectorAll("[data-theme-switch]")) group.hidden = false;
  showTheme(storedTheme());

  // ---- one question for forms (data-confirm) and for htmx (hx-confirm)
  const dialog = document.getElementById("confirm");
  function ask(question, then) {
    if (!dialog) {
      if (window.confirm(question)) then();
      return;
    }
    document.getElementById("confirm-question").textContent = question;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && then(), { once: true });
    dialog.showModal();
  }
  const agreed = new WeakSet();
  document.addEventListener("htmx:confirm", (event) => {
    const { elt, question, issueRequest } = event.detail;
    if (!question) return;
    event.preventDefault();
    if (agreed.has(elt)) {
      issueRequest(true);
      return;
    }
    ask(question, () => {
      const drawn = elt.isConnected ? null : document.getElementById(elt.id); // anew, while one was asked
      if (!drawn) {
        issueRequest(true);
        return;
      }
      agreed.add(drawn);
      drawn.click();
      agreed.delete(drawn);
    });
  });

  const confirmed = new WeakSet();
  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const needed = form.dataset.confirmIf;
    const question = button?.dataset.confirm ?? form.dataset.confirm;
    if (question && (!needed || document.querySelector(needed)) && !confirmed.has(form)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(question, () => {
        confirmed.add(form);
        form.requestSubmit(button);
        confirmed.delete(form);
      });
      return;
    }
    // A second click while the answer is on its way is dropped; the server would not mind it either.
    if (event.defaultPrevented || form.method !== "post") return;
    if (sent.has(form)) event.preventDefault();
    sent.add(form);
    setTimeout(() => sent.delete(form), 4000);
  }, true);

  // Focus never falls off the page: where the focused element is gone, the heading of its section has it.
  let hadFocus = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    hadFocus = event.detail.target?.contains(document.activeElement) ?? false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (hadFocus && lost) event.detail.elt?.closest("section")?.querySelector("h2[tabindex]")?.focus();
  });

  // Errors that came alone mark the inputs they speak of.
  document.addEventListener("htmx:afterSettle", (event) => {
    const row = event.target.closest?.("form") ?? document.getElementById(event.target.id)?.closest("form");
    for (const input of row?.querySelectorAll("[aria-invalid]") ?? []) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
    for (const error of row?.querySelectorAll("[data-error-for]") ?? []) {
      const input = document.getElementById(error.dataset.errorFor);
      input?.setAttribute("aria-invalid", "true");
      input?.setAttribute("aria-describedby", error.parentElement.id);
      const more = input?.closest("details");
      if (more) more.open = true;
    }
  });
  document.querySelector("[data-focus]")?.focus();

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-set],[data-dialog-open],[data-dialog-close]");
    if (target?.dataset.themeSet) {
      try {
        localStorage.setItem("theme", target.dataset.themeSet);
      } catch {
        // Storage is switched off: the choice holds for this page.
      }
      const theme = target.dataset.themeSet;
      const body = new URLSearchParams({ theme, csrfmiddlewaretoken: csrfToken() });
      fetch(target.closest("[data-theme-switch]").dataset.themeSwitch, { method: "POST", body, keepalive: true }).catch(() => {});
      showTheme(theme);
    } else if (target?.dataset.dialogOpen) {
      event.preventDefault();
      document.getElementById(target.dataset.dialogOpen)?.showModal();
    } else if (target) {
      target.closest("dialog")?.close();
    }
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  // A single character, so only outside of what one types in, and only where nobody has switched such keys off.
  document.addEventListener("keydown", (event) => {
    const texts = event.target.matches?.("input, textarea, select, [contenteditable]");
    const held = event.ctrlKey || event.metaKey || event.altKey;
    const find = document.getElementById("find");
    if (event.key !== "/" || texts || held || !find || document.querySelector("dialog[open]")) return;
    if ("keysOff" in document.documentElement.dataset) return;
    event.preventDefault();
    const field = document.getElementById("find-field"); // on a narrow screen a link stands in its place
    const here = field?.offsetParent ? field : document.querySelector("main input[type=search]");
    if (here) here.focus();
    else find.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
