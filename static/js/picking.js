// Files as people choose or drop them, whole folders among them, each with its path.
"use strict";

window.picking = (() => {
  // What cannot be read stands there with its name: the others come in.
  const filesOf = (entry, folder = "") =>
    found(entry, folder).catch(() => [{ file: new File([], entry.name), path: folder + entry.name, unreadable: true }]);

  async function found(entry, folder) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return [{ file, path: folder + file.name }];
    }
    const reader = entry.createReader();
    const children = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      children.push(...some);
    }
    children.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    const files = [];
    for (const child of children) files.push(...(await filesOf(child, `${folder}${entry.name}/`)));
    return files;
  }

  // `take` is given what was chosen, as often as something is.
  function watch(root, take) {
    for (const input of root.querySelectorAll("[data-pick]")) {
      input.addEventListener("change", () => {
        take([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    const drop = document.getElementById("drop");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        drop.classList.add("is-over");
      });
    }
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.classList.remove("is-over");
    });
    document.addEventListener("drop", async (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.remove("is-over");
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      if (!entries.length) {
        take([...event.dataTransfer.files].map((file) => ({ file, path: file.name })));
        return;
      }
      for (const entry of entries) take(await filesOf(entry));
    });
  }

  return { watch };
})();
