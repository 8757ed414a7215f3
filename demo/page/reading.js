// The answer: one word, how sure it is, and a bar for each emotion.

import { colorOf } from "./colors.js";
import { capital, certainty, percent, withoutLabel } from "./words.js";

const ANNOUNCE_EVERY = 3000; // ms; a screen reader must be able to finish the last word

export class Reading {
  constructor({ label, certainty: line, bars, announce }) {
    this.label = label;
    this.line = line;
    this.list = bars;
    this.announce = announce;
    this.rows = [];
    this.labels = [];
    this.announced = { text: "", at: -Infinity };
  }

  setLabels(labels) {
    if (labels.join() === this.labels.join()) return;
    this.labels = labels;
    this.rows = labels.map((name, index) => bar(name, colorOf(name, index)));
    this.list.replaceChildren(...this.rows.map((row) => row.item));
  }

  // probabilities: one a label. label: null where no answer may be shown as one.
  show({ label, probabilities, states }) {
    const ranked = this.labels.map((name, i) => ({ name, value: probabilities[i] })).sort((a, b) => b.value - a.value);
    this.list.classList.toggle("mm-dim", label === null);
    this.rows.forEach((row, i) => {
      row.fill.style.transform = `translateX(${100 * (probabilities[i] - 1)}%)`;
      row.value.textContent = percent(probabilities[i]);
      row.item.dataset.value = probabilities[i];
      row.item.classList.toggle("mm-top", label !== null && this.labels[i] === label);
    });
    const [word, line] = label === null ? withoutLabel(states) : [capital(label), certainty(ranked)];
    this.#write(word, line, label);
  }

  clear(line) {
    this.#write("–", line, null);
    this.list.classList.add("mm-dim");
  }

  #write(word, line, label) {
    if (this.label.textContent !== word) this.label.textContent = word;
    if (this.line.textContent !== line) this.line.textContent = line;
    const color = label === null ? "" : colorOf(label, this.labels.indexOf(label));
    this.label.style.setProperty("--label-color", color || "transparent");
    this.label.classList.toggle("mm-none", label === null);
    const now = performance.now();
    if (word === "–") {
      this.announced.text = this.announce.textContent = "";
    } else if (word !== this.announced.text && now - this.announced.at > ANNOUNCE_EVERY) {
      this.announced = { text: word, at: now };
      this.announce.textContent = word;
    }
  }
}

function bar(name, color) {
  const item = element("li", "mm-bar");
  item.style.setProperty("--bar-color", color);
  item.dataset.name = name;
  const track = element("span", "mm-track");
  const fill = element("span", "mm-fill");
  const value = element("span", "mm-value", "–");
  track.append(fill);
  track.setAttribute("aria-hidden", "true");
  item.append(element("span", "mm-name", capital(name)), track, value);
  return { item, fill, value };
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
