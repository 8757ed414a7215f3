// The answer: one word, how sure it is, and a bar for each emotion.

import { setColor } from "./colors.js";
import { write } from "./markup.js";
import { basisOf, capital, firstGuess, labelOf, percent, shiftOf, sureOf, unsureOf, withoutLabel } from "./words.js";

const ANNOUNCE_EVERY = 3000; // ms; a screen reader must be able to finish the last word

export class Reading {
  constructor({ basis, label, certainty: line, bars, announce }) {
    this.basis = basis;
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
    this.rows = labels.map((name, index) => bar(name, index));
    this.list.replaceChildren(...this.rows.map((row) => row.item));
  }

  // probabilities: one a label. label: null where no answer may be shown as one. model: what the server said of it.
  show({ label, probabilities, states, unsure, unsureBelow, restsOn }, { unsureError, windowSeconds }) {
    const ranked = this.labels.map((name, i) => ({ name, value: probabilities[i] })).sort((a, b) => b.value - a.value);
    const first = label !== null && states.includes("window filling");
    this.list.classList.toggle("mm-dim", label === null);
    this.rows.forEach((row, i) => {
      const width = `scaleX(${probabilities[i].toFixed(3)})`;
      if (row.width !== width) row.fill.style.transform = row.width = width;
      write(row.value, percent(probabilities[i]));
      write(row.shift, this.baseline ? shiftOf(probabilities[i], this.baseline[i]) : "");
      row.item.dataset.value = probabilities[i];
      row.item.classList.toggle("mm-top", label !== null && this.labels[i] === label);
    });
    write(this.basis, basisOf(restsOn, windowSeconds));
    this.label.classList.toggle("mm-unsure", label !== null && unsure && !first);
    if (label === null) return this.#write(...withoutLabel(states), null);
    if (first) return this.#write(...firstGuess(label, windowSeconds), null);
    if (unsure) {
      const { word, line, heard } = unsureOf(ranked[0], { below: unsureBelow, error: unsureError, restsOn });
      return this.#write(word, line, label, heard);
    }
    const { word, line, mixed } = sureOf(ranked, restsOn);
    this.#write(word, line, mixed ? null : label);
  }

  // mean: what each probability is compared with from now on, or null.
  setBaseline(mean) {
    this.baseline = mean;
    this.list.classList.toggle("mm-compared", Boolean(mean));
    this.rows.forEach(({ tick, shift }, i) => {
      tick.hidden = !mean;
      if (mean) tick.style.left = `${100 * mean[i]}%`;
      else shift.textContent = "";
    });
  }

  // Takes the old answer away, bars included: nobody shall read them as what is now.
  clear(line) {
    this.label.classList.remove("mm-unsure");
    this.basis.textContent = basisOf(null);
    this.#write("–", line, null);
    this.list.classList.add("mm-dim");
    for (const row of this.rows) {
      const { fill, value, shift, item } = row;
      fill.style.transform = row.width = "";
      value.textContent = "–";
      shift.textContent = "";
      delete item.dataset.value;
      item.classList.remove("mm-top");
    }
  }

  // heard: what a screen reader says for `word`, without a number that changes all the time.
  #write(word, line, label, heard = word) {
    write(this.label, word);
    write(this.line, line);
    if (label !== null) setColor(this.label, label, this.labels.indexOf(label));
    this.label.classList.toggle("mm-none", label === null);
    const now = performance.now();
    if (word === "–") {
      this.announced.text = this.announce.textContent = "";
    } else if (heard !== this.announced.text && now - this.announced.at > ANNOUNCE_EVERY) {
      this.announced = { text: heard, at: now };
      this.announce.textContent = heard;
    }
  }
}

function bar(name, index) {
  const item = element("li", "mm-bar");
  setColor(item, name, index);
  item.dataset.name = name;
  const track = element("span", "mm-track");
  const fill = element("span", "mm-fill");
  const value = element("span", "mm-value", "–");
  const shift = element("span", "mm-shift");
  const tick = element("span", "mm-baseline-tick");
  tick.hidden = true;
  track.append(fill, tick);
  track.setAttribute("aria-hidden", "true");
  item.append(element("span", "mm-name", capital(labelOf(name))), track, value, shift);
  return { item, fill, value, shift, tick };
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
