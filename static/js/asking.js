// Asking the server until it answers: one thing after the other, over a network that is gone, and over a session that has
// ended, for which one signs in over the page. Needs #sign-in-dialog.
"use strict";

window.asking = (() => {
  const RETRY = 5000;
  const byId = (id) => document.getElementById(id);
  const token = () => document.querySelector("#card-action [name=csrfmiddlewaretoken]").value;

  class SessionEnded extends Error {}
  class Refused extends Error {} // asked again, it would be refused again
  const PASSING = [408, 425, 429]; // may go through later
  function check(answer) {
    if (answer.ok) return;
    const final = answer.status >= 400 && answer.status < 500 && !PASSING.includes(answer.status);
    throw final ? new Refused(String(answer.status)) : new Error(String(answer.status));
  }
  const login = () => new URL(byId("sign-in-dialog").dataset.login, location.href).pathname;

  async function ask(address, values) {
    const body = values instanceof URLSearchParams ? values : new URLSearchParams(values);
    let answer = await post(address, body);
    if (answer.status === 403) { // somebody has signed in in another tab: the token of this page counts no more
      await renew();
      answer = await post(address, body);
    }
    if (new URL(answer.url).pathname === login()) throw new SessionEnded();
    check(answer);
    return answer.json();
  }
  // Signing in changes the token: what is asked for meanwhile waits for the new one.
  let entering = null;
  async function post(address, body) {
    await entering;
    return fetch(address, { method: "POST", headers: { "X-CSRFToken": token(), Accept: "application/json" }, body });
  }
  const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
  function take(fresh) {
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = fresh ?? field.value;
  }
  async function renew() {
    const door = await parsed(await fetch(byId("sign-in-dialog").dataset.login));
    take(door.querySelector("[name=csrfmiddlewaretoken]")?.value);
  }

  // What htmx would get for this target.
  async function page(address, target) {
    const answer = await fetch(address, { headers: { "HX-Request": "true", "HX-Target": target } });
    if (new URL(answer.url).pathname === login()) throw new SessionEnded();
    check(answer);
    return answer.text();
  }

  // One after the other: a save must not overtake the one before it.
  let line = Promise.resolve();
  function inTurn(act) {
    line = line.then(act, act);
    return line;
  }

  // Until it is through: over a network that is gone, and over a session that has ended. What is refused for good throws.
  async function insist(act) {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (error instanceof Refused) throw error;
        if (error instanceof SessionEnded) await signIn();
        else {
          document.dispatchEvent(new Event("asking:failed"));
          await new Promise((go) => {
            const wait = setTimeout(go, RETRY);
            window.addEventListener("online", () => { clearTimeout(wait); go(); }, { once: true });
          });
        }
      }
    }
  }

  // ---- the session has ended: sign in over the page
  let signingIn = null;
  function signIn() {
    signingIn ??= new Promise((done) => {
      const dialog = byId("sign-in-dialog");
      const signInForm = dialog.querySelector("[data-sign-in-form]");
      signInForm.elements.namedItem("username").value = dialog.dataset.user;
      dialog.addEventListener("cancel", (event) => event.preventDefault());
      if (!dialog.open) dialog.showModal();
      signInForm.onsubmit = async (event) => {
        event.preventDefault();
        const name = signInForm.elements.namedItem("username").value;
        entering = enter(name, signInForm.elements.namedItem("password").value).catch(() => null);
        const signedIn = await entering; // null: nobody could say
        dialog.querySelector("[data-wrong]").hidden = signedIn !== false;
        dialog.querySelector("[data-unreachable]").hidden = signedIn !== null;
        if (!signedIn) return;
        signInForm.elements.namedItem("password").value = "";
        if (name !== dialog.dataset.user) {
          const told = new CustomEvent("toast", { detail: dialog.querySelector("[data-another]").textContent });
          document.dispatchEvent(told);
          dialog.dataset.user = name;
        }
        dialog.close();
        signingIn = null;
        done();
      };
    });
    return signingIn;
  }

  async function enter(username, password) {
    const address = byId("sign-in-dialog").dataset.login;
    const door = await parsed(await fetch(address));
    const csrf = door.querySelector("[name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams({ username, password, csrfmiddlewaretoken: csrf, next: location.pathname + location.search });
    const answer = await fetch(address, { method: "POST", body, headers: { "X-CSRFToken": csrf } });
    if (new URL(answer.url).pathname === login()) return false;
    const fresh = (await parsed(answer)).querySelector("#card-action [name=csrfmiddlewaretoken]")?.value;
    take(fresh);
    return Boolean(fresh);
  }

  return { ask, page, inTurn, insist, token, Refused, isOpen: () => Boolean(signingIn) };
})();
