// What the face and the voice say by themselves: two slim strips below the bars.

import { setColor } from "./colors.js";
import { HALVES, halfOf } from "./words.js";

const STALE = 4000; // ms after which they are no longer of now

export class Halves {
  // onStale(): what was shown is no longer of now, and has gone.
  constructor(list, onStale) {
    this.list = list;
    this.onStale = onStale;
    this.labels = [];
    this.rows = Object.entries(HALVES).map(([name, title]) => {
      const row = document.createElement("div");
      const [term, strip, words] = ["dt", "dd", "dd"].map((tag) => document.createElement(tag));
      term.textContent = title;
      strip.className = "mm-strip";
      strip.setAttribute("aria-hidden", "true");
      row.append(term, strip, words);
      list.append(row);
      return { name, strip, words };
    });
  }

  setLabels(labels) {
    this.labels = labels;
    for (const { strip } of this.rows) {
      const pieces = labels.map((name, index) => {
        const piece = document.createElement("span");
        setColor(piece, name, index);
        return piece;
      });
      strip.replaceChildren(...pieces);
    }
  }

  show(message) {
    for (const { name, strip, words } of this.rows) {
      const { label, unsure, probabilities } = message[name];
      [...strip.children].forEach((piece, i) => (piece.style.flexGrow = probabilities[i]));
      words.textContent = halfOf(label, Math.max(...probabilities), unsure);
    }
    this.list.hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.clear();
      this.onStale();
    }, STALE);
  }

  clear() {
    clearTimeout(this.timer);
    this.list.hidden = true;
  }
}
