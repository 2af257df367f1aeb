// The scan under a lens: zoom, pan, turn, contrast, and the field that has the focus. Pages work without it.
//
// A [data-viewer] holds [data-view] windows (front, back), each with one [data-paper] of an <img> and its regions. What
// is seen is one transform: the point of the image in the middle of the window, how large, and how it is turned.
"use strict";

(() => {
  const STEP = 1.25; // one press of + or −
  const LARGEST = 8; // pixels of the screen for one of the scan
  const MARGIN = 1.6; // so much more than the field itself is shown around it
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const quiet = matchMedia("(prefers-reduced-motion: reduce)");
  const wide = matchMedia("(min-width: 62.01rem)");

  // How the curator likes to look at the cards of a batch holds until the tab is closed.
  const NAME = (viewer) => `viewer:${viewer.dataset.viewer}`;
  function recalled(viewer) {
    try {
      return JSON.parse(sessionStorage.getItem(NAME(viewer))) ?? {};
    } catch {
      return {};
    }
  }
  function remember(viewer, look) {
    try {
      sessionStorage.setItem(NAME(viewer), JSON.stringify(look));
    } catch {
      // Storage is switched off: the look holds for this card.
    }
  }

  class View {
    constructor(window_, changed) {
      this.window = window_;
      this.paper = window_.querySelector("[data-paper]");
      this.image = this.paper.querySelector("img");
      this.width = Number(this.image.getAttribute("width")) || this.image.naturalWidth || 1;
      this.height = Number(this.image.getAttribute("height")) || this.image.naturalHeight || 1;
      this.changed = changed;
      this.turn = 0;
      this.zoom = 1; // times the size at which the whole scan is seen
      this.centre = { x: this.width / 2, y: this.height / 2 };
      this.fingers = new Map();
      window_.dataset.on = "";
      this.paper.style.inlineSize = `${this.width}px`;
      this.paper.style.blockSize = `${this.height}px`;
      new ResizeObserver(() => this.draw()).observe(window_);
      this.listen();
    }

    get box() {
      return { width: this.window.clientWidth, height: this.window.clientHeight };
    }

    get fit() {
      const sideways = this.turn % 180 !== 0;
      const [width, height] = sideways ? [this.height, this.width] : [this.width, this.height];
      const room = 24;
      return Math.max(1e-3, Math.min((this.box.width - room) / width, (this.box.height - room) / height));
    }

    get scale() {
      return this.fit * this.zoom;
    }

    // A distance on the screen as a distance on the scan.
    onScan(x, y) {
      const angle = (-this.turn * Math.PI) / 180;
      return {
        x: (x * Math.cos(angle) - y * Math.sin(angle)) / this.scale,
        y: (x * Math.sin(angle) + y * Math.cos(angle)) / this.scale,
      };
    }

    draw(smooth = false) {
      if (!this.box.width || !this.box.height) return;
      this.zoom = clamp(this.zoom, 1, Math.max(1, LARGEST / this.fit));
      if (this.zoom === 1) this.centre = { x: this.width / 2, y: this.height / 2 };
      this.centre.x = clamp(this.centre.x, 0, this.width);
      this.centre.y = clamp(this.centre.y, 0, this.height);
      this.paper.classList.toggle("viewer__paper--smooth", smooth && !quiet.matches);
      this.paper.style.transform =
        `translate(${this.box.width / 2}px, ${this.box.height / 2}px) rotate(${this.turn}deg) ` +
        `scale(${this.scale}) translate(${-this.centre.x}px, ${-this.centre.y}px)`;
      this.changed(this);
    }

    // `at`: the point of the window, from its middle, that stays where it is.
    zoomBy(factor, at = { x: 0, y: 0 }, smooth = false) {
      const before = this.onScan(at.x, at.y);
      this.zoom = clamp(this.zoom * factor, 1, Math.max(1, LARGEST / this.fit));
      const after = this.onScan(at.x, at.y);
      this.centre.x += before.x - after.x;
      this.centre.y += before.y - after.y;
      this.draw(smooth);
    }

    panBy(x, y, smooth = false) {
      const way = this.onScan(x, y);
      this.centre.x += way.x;
      this.centre.y += way.y;
      this.draw(smooth);
    }

    turnBy(degrees) {
      this.turn = (this.turn + degrees + 360) % 360;
      this.draw();
    }

    whole(smooth = false) {
      this.zoom = 1;
      this.draw(smooth);
    }

    // Everything of these rectangles, in hundredths of the scan, and a little around them.
    show(rects) {
      const edges = rects.map((rect) => ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))));
      const left = Math.min(...edges.map(([x]) => x)) * this.width / 100;
      const top = Math.min(...edges.map(([, y]) => y)) * this.height / 100;
      const right = Math.max(...edges.map(([x, , width]) => x + width)) * this.width / 100;
      const bottom = Math.max(...edges.map(([, y, , height]) => y + height)) * this.height / 100;
      this.centre = { x: (left + right) / 2, y: (top + bottom) / 2 };
      const sideways = this.turn % 180 !== 0;
      const [width, height] = sideways ? [bottom - top, right - left] : [right - left, bottom - top];
      const scale = Math.min(this.box.width / (width * MARGIN), this.box.height / (height * MARGIN * 2));
      this.zoom = Math.min(scale, 1.5) / this.fit; // closer than this, a word is harder to read, not easier
      this.draw(true);
    }

    listen() {
      const { window: area } = this;
      const from = (event) => {
        const place = area.getBoundingClientRect();
        return { x: event.clientX - place.left - place.width / 2, y: event.clientY - place.top - place.height / 2 };
      };
      area.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !wide.matches) return; // on a telephone the page scrolls
        event.preventDefault();
        this.zoomBy(Math.exp(-clamp(event.deltaY, -120, 120) / 400), from(event));
      }, { passive: false });
      area.addEventListener("pointerdown", (event) => {
        if (event.button || event.target.closest("a, button")) return;
        this.fingers.set(event.pointerId, from(event));
      });
      area.addEventListener("pointermove", (event) => {
        const before = this.fingers.get(event.pointerId);
        if (!before) return;
        const now = from(event);
        // Not before it moves: a click belongs to the region that is under it.
        if (Math.hypot(now.x - before.x, now.y - before.y) < 3 && !area.hasPointerCapture(event.pointerId)) return;
        area.setPointerCapture(event.pointerId);
        const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
        if (other) {
          const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
          this.zoomBy(apart(now) / apart(before), other);
        } else {
          this.panBy(before.x - now.x, before.y - now.y);
        }
        this.fingers.set(event.pointerId, now);
      });
      for (const name of ["pointerup", "pointercancel"]) {
        area.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
      }
      area.addEventListener("dblclick", (event) => {
        if (this.zoom > 1) this.whole(true);
        else this.zoomBy(Math.max(STEP, 1 / this.scale), from(event), true);
      });
    }
  }

  class Viewer {
    constructor(element) {
      this.element = element;
      this.look = { turn: 0, zoom: 1, contrast: 0, inverted: false, follow: true, ...recalled(element) };
      this.views = [...element.querySelectorAll("[data-view]")]
        .filter((view) => view.querySelector("[data-paper] img"))
        .map((view) => new View(view, (one) => this.tell(one)));
      [this.active] = this.views;
      for (const view of this.views) {
        view.window.addEventListener("focusin", () => this.choose(view));
        view.window.addEventListener("pointerdown", () => this.choose(view));
        view.turn = this.look.turn;
        view.zoom = this.look.zoom;
        view.draw();
      }
      const tools = element.querySelector("[data-viewer-tools]");
      if (tools && this.active) {
        tools.hidden = false;
        tools.addEventListener("click", (event) => {
          const tool = event.target.closest("[data-tool]");
          if (tool) this.act(tool.dataset.tool);
        });
        const follow = tools.querySelector("[data-follow]");
        if (follow) {
          follow.checked = this.look.follow;
          follow.addEventListener("change", () => this.keep({ follow: follow.checked }));
        }
      }
      this.paint();
    }

    choose(view) {
      this.active = view;
      this.tell(view);
    }

    keep(change) {
      Object.assign(this.look, change);
      remember(this.element, this.look);
      this.paint();
    }

    paint() {
      this.element.dataset.contrast = String(this.look.contrast);
      this.element.toggleAttribute("data-inverted", this.look.inverted);
      for (const [name, pressed] of [["contrast", this.look.contrast > 0], ["invert", this.look.inverted]]) {
        this.element.querySelector(`[data-tool=${name}]`)?.setAttribute("aria-pressed", String(pressed));
      }
    }

    tell(view) {
      if (view !== this.active) return;
      const percent = this.element.querySelector("[data-percent]");
      if (!percent) return;
      const shown = `${Math.round(view.scale * 100)} %`;
      percent.textContent = shown;
      percent.setAttribute("aria-label", percent.dataset.label.replace("{}", shown));
    }

    act(tool) {
      const view = this.active;
      if (!view) return;
      if (tool === "in" || tool === "out") view.zoomBy(tool === "in" ? STEP : 1 / STEP, undefined, true);
      else if (tool === "fit") view.whole(true);
      else if (tool === "actual") view.zoomBy(1 / view.scale, undefined, true);
      else if (tool === "left" || tool === "right") this.turnAll(tool === "left" ? -90 : 90);
      else if (tool === "contrast") this.keep({ contrast: (this.look.contrast + 1) % 3 });
      else if (tool === "invert") this.keep({ inverted: !this.look.inverted });
      if (["in", "out", "fit", "actual"].includes(tool)) this.keep({ zoom: view.zoom });
    }

    turnAll(degrees) {
      for (const view of this.views) view.turnBy(degrees);
      this.keep({ turn: this.active.turn });
    }

    follow(key) {
      let on = [];
      for (const region of this.element.querySelectorAll("[data-region]")) {
        const here = region.dataset.region === key;
        region.classList.toggle("on", here);
        if (here) on.push(region);
      }
      const view = this.views.find((one) => on.length && one.window.contains(on[0]));
      on = on.filter((region) => view?.window.contains(region));
      if (!this.look.follow || !this.active) return;
      if (view) {
        this.choose(view);
        view.show(on);
        if (this.views.length > 1) view.window.scrollIntoView({ block: "nearest" });
      } else {
        this.active.zoom = this.look.zoom; // no place is known: as the curator had it
        this.active.draw(true);
      }
    }

    // Keys of the scan itself, while it has the focus.
    press(event) {
      const arrow = ARROWS[event.key];
      if (arrow) this.active.panBy(arrow[0] * 60, arrow[1] * 60, true);
      else if (PLAIN[event.key]) this.act(PLAIN[event.key]);
      else return;
      event.preventDefault();
    }
  }

  const TOOLS = new Set(["in", "out", "fit", "right", "left", "contrast", "invert"]);
  const PLAIN = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "actual", r: "right", R: "left", c: "contrast", i: "invert" };

  let viewer = null;
  function start() {
    const element = document.querySelector("[data-viewer]");
    if (!element || element === viewer?.element) return;
    viewer = new Viewer(element);
    const field = document.activeElement?.dataset?.field;
    if (field !== undefined) viewer.follow(field);
  }
  const here = () => (viewer?.element.isConnected && viewer.active ? viewer : null);

  document.addEventListener("keydown", (event) => {
    const now = here();
    if (!now || event.isComposing || event.defaultPrevented) return;
    const tool = window.keys.act(event); // from anywhere on the page
    if (TOOLS.has(tool)) {
      event.preventDefault();
      now.act(tool);
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.target.matches?.("[data-view]")) {
      now.press(event);
    }
  });
  document.addEventListener("focusin", (event) => {
    const key = event.target.dataset?.field;
    if (key !== undefined) here()?.follow(key);
  });
  document.addEventListener("field:focus", (event) => here()?.follow(event.detail.key));

  // A click on what was read goes to its field.
  document.addEventListener("click", (event) => {
    const region = event.target.closest?.("[data-viewer] [data-region]");
    if (region) document.querySelector(`[data-field="${CSS.escape(region.dataset.region)}"]`)?.focus();
  });

  start();
  for (const name of ["htmx:afterSettle", "htmx:after:settle", "review:shown"]) document.addEventListener(name, start);
})();
