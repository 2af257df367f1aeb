// The cuts of a sheet: dragged, moved by keys, added and taken away. The number fields hold what is sent.
"use strict";

(() => {
  const form = document.getElementById("cutter");
  const svg = document.getElementById("sheet-picture");
  const rows = document.getElementById("cut-rows");
  if (!form || !svg || !rows) return;
  const sheet = { width: Number(form.dataset.width), height: Number(form.dataset.height) };
  const SMALLEST = Math.min(40, sheet.width, sheet.height);
  const SIDES = ["left", "top", "width", "height"];
  const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];
  const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

  const input = (row, side) => row.querySelector(`[name=${side}]`);
  const read = (row) => Object.fromEntries(SIDES.map((side) => [side, Number(input(row, side).value) || 0]));
  function write(row, cut) {
    const width = Math.min(Math.max(Math.round(cut.width), SMALLEST), sheet.width);
    const height = Math.min(Math.max(Math.round(cut.height), SMALLEST), sheet.height);
    const left = Math.min(Math.max(Math.round(cut.left), 0), sheet.width - width);
    const top = Math.min(Math.max(Math.round(cut.top), 0), sheet.height - height);
    for (const [side, value] of Object.entries({ left, top, width, height })) input(row, side).value = String(value);
    place(row);
  }

  // ---- drawing
  const zoom = () => svg.getScreenCTM()?.a || 1; // pixels of the screen for one of the sheet
  const drawn = new Map(); // row → its group in the picture
  function place(row) {
    const group = drawn.get(row);
    const cut = read(row);
    const rect = group.querySelector("rect");
    for (const [name, value] of [["x", cut.left], ["y", cut.top], ["width", cut.width], ["height", cut.height]]) {
      rect.setAttribute(name, String(value));
    }
    const radius = String(7 / zoom());
    group.querySelectorAll("circle").forEach((handle, n) => {
      handle.setAttribute("cx", String(cut.left + CORNERS[n][0] * cut.width));
      handle.setAttribute("cy", String(cut.top + CORNERS[n][1] * cut.height));
      handle.setAttribute("r", radius);
    });
  }
  function draw(row) {
    const group = make("g");
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.append(make("rect"));
    CORNERS.forEach((corner, n) => {
      const handle = make("circle");
      handle.setAttribute("class", n === 1 || n === 2 ? "cut__handle cut__handle--back" : "cut__handle");
      handle.addEventListener("pointerdown", (event) => drag(event, row, corner));
      group.append(handle);
    });
    group.querySelector("rect").addEventListener("pointerdown", (event) => drag(event, row, null));
    group.addEventListener("keydown", (event) => key(event, row));
    svg.append(group);
    drawn.set(row, group);
    place(row);
  }
  function renumber() {
    [...rows.children].forEach((row, n) => {
      row.querySelector(".cut__n").textContent = String(n + 1);
      drawn.get(row).setAttribute("aria-label", form.dataset.msgCut.replace("{n}", String(n + 1)));
    });
  }

  // ---- moving
  function drag(event, row, corner) {
    event.preventDefault();
    event.stopPropagation();
    const group = drawn.get(row);
    group.focus();
    const scale = zoom();
    const from = { x: event.clientX, y: event.clientY };
    const before = read(row);
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const move = (now) => {
      const x = (now.clientX - from.x) / scale;
      const y = (now.clientY - from.y) / scale;
      if (!corner) write(row, { ...before, left: before.left + x, top: before.top + y });
      else write(row, stretched(before, corner, x, y));
    };
    const end = () => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", end);
      target.removeEventListener("pointercancel", end);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
  }
  // The corner across stays where it is.
  function stretched(cut, [right, bottom], x, y) {
    const edges = { left: cut.left, top: cut.top, right: cut.left + cut.width, bottom: cut.top + cut.height };
    if (right) edges.right = Math.min(sheet.width, Math.max(edges.left + SMALLEST, edges.right + x));
    else edges.left = Math.max(0, Math.min(edges.right - SMALLEST, edges.left + x));
    if (bottom) edges.bottom = Math.min(sheet.height, Math.max(edges.top + SMALLEST, edges.bottom + y));
    else edges.top = Math.max(0, Math.min(edges.bottom - SMALLEST, edges.top + y));
    return { left: edges.left, top: edges.top, width: edges.right - edges.left, height: edges.bottom - edges.top };
  }
  function key(event, row) {
    const step = Math.max(1, Math.round(Math.max(sheet.width, sheet.height) / 400));
    const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      remove(row);
    } else if (x || y) {
      event.preventDefault();
      const cut = read(row);
      if (event.shiftKey) write(row, stretched(cut, [1, 1], x, y));
      else write(row, { ...cut, left: cut.left + x, top: cut.top + y });
    }
  }

  // ---- adding and taking away
  function remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    drawn.get(row).remove();
    drawn.delete(row);
    row.remove();
    renumber();
    (next ? drawn.get(next) : document.getElementById("add-cut")).focus();
  }
  function add(cut) {
    const row = document.getElementById("cut-row").content.firstElementChild.cloneNode(true);
    rows.append(row);
    watch(row);
    write(row, cut);
    renumber();
    drawn.get(row).focus();
  }
  function watch(row) {
    draw(row);
    row.addEventListener("input", () => place(row));
    row.querySelector("[data-remove]").addEventListener("click", () => remove(row));
  }

  for (const rect of svg.querySelectorAll("rect")) rect.remove();
  [...rows.children].forEach(watch);
  renumber();
  document.getElementById("add-cut").addEventListener("click", (event) => {
    event.preventDefault();
    add({ left: sheet.width / 4, top: sheet.height / 4, width: sheet.width / 2, height: sheet.height / 2 });
  });
  addEventListener("resize", () => [...rows.children].forEach(place));
})();
