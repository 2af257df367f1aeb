// "Copy" beside a text that is shown once: without this file the button stays hidden.
"use strict";

for (const button of document.querySelectorAll("[data-copy-of]")) {
  const input = document.getElementById(button.dataset.copyOf);
  button.hidden = false;
  button.addEventListener("click", async () => {
    input.select();
    if (navigator.clipboard) await navigator.clipboard.writeText(input.value).catch(() => {});
    else document.execCommand("copy"); // without TLS there is no clipboard
    document.getElementById(button.dataset.tell).textContent = button.dataset.copied;
  });
}
