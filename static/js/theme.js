// Runs before the first paint, so that a chosen theme never flashes, nor what only pages without scripts show.
(() => {
  document.documentElement.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's scheme stands.
  }
})();
