// Runs before the first paint, so that a chosen theme never flashes, nor what only pages without scripts show.
(() => {
  document.documentElement.classList.add("js");
  try {
    // What the account says holds on each machine; the machine remembers it for the sign-in page and the admin.
    const { accountTheme } = document.documentElement.dataset;
    if (accountTheme) localStorage.setItem("theme", accountTheme);
    const theme = accountTheme ?? localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's scheme stands.
  }
})();
