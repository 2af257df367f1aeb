// A key that is pressed in a field of the profile writes itself; what is typed letter by letter stays possible.
"use strict";

document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("[data-key]") || event.isComposing) return;
  const alone = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (["Control", "Alt", "Shift", "Meta", "AltGraph", "Tab", "Enter", "Escape"].includes(event.key)) return;
  if (alone && (event.key.length === 1 || /^(Backspace|Delete|Arrow|Home|End)/.test(event.key))) return;
  const edits = !event.altKey && /^[acvxz]$/i.test(event.key); // Ctrl+V is to paste here
  if (edits) return;
  event.preventDefault();
  event.target.value = window.keys.names(event)[0];
});
