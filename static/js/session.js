// What a person typed outlives a session that has ended and a network that is gone. Pages work without it.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const again = new WeakSet(); // what was sent once more after the session had been renewed
  let ended = false;

  function banner(name) {
    const place = byId("live-banner");
    if (!place || (place.dataset.shows ?? "") === name) return;
    place.dataset.shows = name;
    const words = name && byId(name);
    place.replaceChildren(...(words ? [words.content.cloneNode(true)] : []));
  }
  function end() {
    ended = true;
    banner("live-end-4401");
    document.dispatchEvent(new Event("session:ended"));
  }

  // Signing in changes the token of every page: this one takes the new one over. False: nobody is signed in.
  async function renew() {
    const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (!response.ok) return false;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const token = page.querySelector("#card-action [name=csrfmiddlewaretoken]")?.value;
    if (!token) return false;
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
    if (ended) {
      ended = false;
      banner("");
      document.dispatchEvent(new Event("session:renewed"));
    }
    return true;
  }

  // The answer is the sign-in page: it does not belong into a cell.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const link = byId("live-end-4401")?.content.querySelector("[data-sign-in]");
    const answered = event.detail.xhr?.responseURL;
    if (!link || !answered) return;
    if (new URL(answered).pathname !== new URL(link.getAttribute("href"), location.href).pathname) return;
    event.preventDefault();
    end();
  });

  // Refused after somebody signed in again elsewhere: once more, with the new token. Before ui.js, which reloads.
  window.addEventListener("htmx:responseError", (event) => {
    const { xhr, elt } = event.detail;
    if (xhr?.status !== 403 || again.has(elt)) return;
    event.stopImmediatePropagation();
    again.add(elt);
    renew().then((signedIn) => {
      if (!signedIn) end();
      else if (elt instanceof HTMLFormElement) elt.requestSubmit();
      else elt.click();
    }, () => banner("live-offline"));
  }, true);

  // A form that leaves the page is sent only when somebody is there to take it.
  let asking = false;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-card-form]")) return;
    event.preventDefault();
    if (asking) return;
    asking = true;
    const action = event.submitter?.name ? event.submitter : null;
    renew().then((signedIn) => {
      if (!signedIn) {
        end();
        return;
      }
      if (action) {
        const chosen = document.createElement("input");
        Object.assign(chosen, { type: "hidden", name: action.name, value: action.value });
        form.append(chosen);
      }
      form.dataset.sent = "";
      form.submit();
    }, () => banner("live-offline")).finally(() => {
      asking = false;
    });
  });

  const back = () => ended && !document.hidden && renew().catch(() => {});
  document.addEventListener("visibilitychange", back);
  window.addEventListener("focus", back);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-live-retry]") && !byId("live")) renew().then((signedIn) => (signedIn ? banner("") : end()), () => {});
  });

  // Leaving the page with something that was not saved is asked about.
  const changed = (field) => field.value !== field.defaultValue;
  window.addEventListener("beforeunload", (event) => {
    const cells = [...document.querySelectorAll("form[data-edit]")];
    const cards = [...document.querySelectorAll("form[data-card-form]:not([data-sent])")];
    const typed = cells.some((form) => "mine" in form.dataset || changed(form.elements.namedItem("value"))) ||
      cards.some((form) => [...form.querySelectorAll("[data-field]")].some(changed));
    if (typed) event.preventDefault();
  });
})();
