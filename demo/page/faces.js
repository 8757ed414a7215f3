// The faces beside the one that is read: invisible buttons over their boxes, and a key, choose another.

import { FACES } from "./words.js";

const KEY = "f";

export class Faces {
  // layer: what lies over the picture; choose(number): asks the server to read that face; changed({ faces, others, offers,
  // unread }): how many are in view and how many of them are not read, whether another may be chosen because the one that is
  // read has gone, and whether that is not in view; shown(): whether keys are meant; fallback(): takes the focus of the last.
  constructor({ layer, choose, changed, shown, fallback }) {
    this.layer = layer;
    this.choose = choose;
    this.changed = changed;
    this.shown = shown;
    this.fallback = fallback;
    this.buttons = new Map(); // number: button
    this.told = "";
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  // number: of the face that is read; box: its own, or null; others: [number, x, y, width, height, tilt], shares of the frame.
  // place(box): its rectangle on the page, shares of the layer.
  show({ number, box, others = [], offers = false }, place) {
    this.number = number;
    const facts = { faces: others.length + Boolean(box), others: others.length, offers, unread: !box && others.length > 0 };
    const told = JSON.stringify(facts);
    if (told !== this.told) this.changed(facts);
    this.told = told;
    for (const [name, ...sides] of others) this.#put(name, place(sides));
    const there = new Set(others.map(([name]) => name));
    for (const [name, button] of this.buttons) if (!there.has(name)) this.#remove(name, button);
  }

  clear() {
    this.show({ number: null, box: null }, null);
  }

  #put(name, rectangle) {
    let button = this.buttons.get(name);
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "mm-face";
      button.dataset.number = name;
      button.setAttribute("aria-label", FACES.choose(name));
      button.addEventListener("click", () => this.choose(name));
      this.buttons.set(name, button);
      // In the order of their numbers, so that Tab goes the same way each time.
      const after = [...this.layer.children].find((other) => Number(other.dataset.number) > name) ?? null;
      this.layer.insertBefore(button, after);
    }
    // Rounded to half a percent: a resting face moves nothing.
    const sides = ["left", "top", "width", "height"].map((side, i) => `${side}: ${Math.round(200 * rectangle[i]) / 2}%`).join("; ");
    if (button.sides !== sides) button.style.cssText = button.sides = sides;
  }

  #remove(name, button) {
    const held = button === document.activeElement;
    this.buttons.delete(name);
    button.remove();
    if (held) (this.layer.firstElementChild ?? this.fallback()).focus({ preventScroll: true });
  }

  // The next face after the one that is read, by their numbers.
  #key(event) {
    const writing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (writing || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.key.toLowerCase() !== KEY || !this.buttons.size || !this.shown()) return;
    const numbers = [...this.buttons.keys()].sort((a, b) => a - b);
    this.choose(numbers.find((name) => name > this.number) ?? numbers[0]);
  }
}
