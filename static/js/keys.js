// Which act a pressed key is, as the person has laid them on the profile page (data-keys of the body).
"use strict";

(() => {
  const PLACES = { Numpad0: "0", NumpadAdd: "+", NumpadSubtract: "-" };
  const acts = new Map();
  try {
    for (const [act, keys] of Object.entries(JSON.parse(document.body.dataset.keys ?? "{}"))) acts.set(keys, act);
  } catch {
    // No keys then; the buttons are there.
  }

  // The letter as printed decides; where Alt makes another sign of it, the place. Shift belongs to a sign like +.
  function names(event) {
    const held = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}`;
    const place = /^(?:Key|Digit)(.)$/.exec(event.code)?.[1] ?? PLACES[event.code];
    const signs = [event.key.length === 1 ? event.key.toUpperCase() : event.key, place].filter(Boolean);
    const all = signs.flatMap((sign) => [`${held}${event.shiftKey ? "Shift+" : ""}${sign}`, ...(/^[+\-=0-9]$/.test(sign) ? [`${held}${sign}`] : [])]);
    return all.map((name) => name.replace(/=$/, "+"));
  }
  const act = (event) => names(event).map((name) => acts.get(name)).find(Boolean);

  window.keys = { act, names };
})();
