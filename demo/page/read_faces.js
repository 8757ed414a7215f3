// The faces that are read beside the chosen one (`--faces N`): a caption at each box, and a row with its last minute.

import { fit, oncePerRepaint } from "./canvas.js";
import { colorOf, isDark } from "./colors.js";
import { write } from "./markup.js";
import { drawRiver } from "./river.js";
import { caption, FACES } from "./words.js";

const SPAN = 60; // s of a row
const GONE = 10; // s without an answer after which a face has no row any more
const STALE = 4; // s after which an answer is no longer of now
const REFRESH = 500; // ms

export class ReadFaces {
  constructor(list) {
    this.list = list;
    this.labels = [];
    this.faces = new Map(); // number: { row, canvas, words, answers, shown }
    this.draw = oncePerRepaint(() => this.#draw());
    setInterval(() => this.faces.size && this.draw(), REFRESH);
  }

  setLabels(labels) {
    if (labels.join() !== this.labels.join()) this.clear();
    this.labels = labels;
  }

  // at: end of the window on the page's clock, s.
  push(at, answer) {
    const face = this.faces.get(answer.faceNumber) ?? this.#add(answer.faceNumber);
    face.shown = caption(answer, Math.max(...answer.probabilities));
    face.label = answer.label;
    face.answers.push({ at, values: answer.probabilities, trusted: answer.label !== null, part: 0 });
    while (face.answers[0].at < at - SPAN) face.answers.shift();
    write(face.words, face.shown?.text ?? FACES.noAnswer);
    this.draw();
  }

  // The face that is read at every answer has no row of its own here.
  chosen(number) {
    if (this.faces.has(number)) this.#remove(number);
  }

  // What stands at a face's box: { text, color }; null where there is nothing of now.
  captionOf(number) {
    const face = this.faces.get(number);
    if (!face?.shown || performance.now() / 1000 - face.answers.at(-1).at > STALE) return null;
    const color = face.shown.named ? colorOf(face.label, this.labels.indexOf(face.label), true) : null; // on a dark picture
    return { text: FACES.captioned(number, face.shown.text), color };
  }

  clear() {
    for (const number of [...this.faces.keys()]) this.#remove(number);
  }

  #add(number) {
    const [row, name, canvas, words] = ["div", "dt", "canvas", "dd"].map((tag) => document.createElement(tag));
    name.textContent = FACES.name(number);
    row.dataset.number = number;
    const river = document.createElement("dd");
    canvas.className = "mm-plot";
    canvas.setAttribute("aria-hidden", "true");
    river.append(canvas);
    row.append(name, river, words);
    const after = [...this.list.children].find((other) => Number(other.dataset.number) > number) ?? null;
    this.list.insertBefore(row, after);
    this.list.hidden = false;
    const face = { row, canvas, words, answers: [], shown: null, label: null };
    this.faces.set(number, face);
    return face;
  }

  #remove(number) {
    this.faces.get(number).row.remove();
    this.faces.delete(number);
    this.list.hidden = !this.faces.size;
  }

  #draw() {
    const now = performance.now() / 1000;
    for (const [number, { canvas, answers }] of [...this.faces]) {
      if (now - answers.at(-1).at > GONE) {
        this.#remove(number);
        continue;
      }
      drawRiver(fit(canvas), { labels: this.labels, answers, from: now - SPAN, to: now, dark: isDark() });
    }
  }
}
