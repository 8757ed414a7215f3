// The last minute as a river: one band per emotion, as wide as its probability.

import { fit, oncePerRepaint } from "./canvas.js";
import { colorOf } from "./colors.js";

const SPAN = 60; // s
const LONGEST_STEP = 6; // s between two answers that are still joined
const REFRESH = 250; // ms

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.labels = [];
    this.answers = []; // { at (s, page's clock), values, trusted }
    this.draw = oncePerRepaint(() => this.#draw());
    new ResizeObserver(this.draw).observe(canvas);
    setInterval(() => {
      if (this.answers.length && !document.hidden) this.draw();
    }, REFRESH);
  }

  setLabels(labels) {
    if (labels.join() !== this.labels.join()) this.answers = [];
    this.labels = labels;
  }

  // `at`: the page's time (s) of the newest frame the answer is about.
  push(at, values, trusted) {
    this.answers.push({ at, values, trusted });
    while (this.answers[0].at < at - SPAN - LONGEST_STEP) this.answers.shift();
    this.canvas.dataset.answers = this.answers.length;
    this.draw();
  }

  #draw() {
    const { context, width, height } = fit(this.canvas);
    const now = performance.now() / 1000;
    context.clearRect(0, 0, width, height);
    const x = (answer) => width * (1 - (now - answer.at) / SPAN);
    for (let i = 1; i < this.answers.length; i += 1) {
      const [left, right] = [this.answers[i - 1], this.answers[i]];
      if (right.at - left.at > LONGEST_STEP || x(right) < 0) continue;
      context.globalAlpha = left.trusted && right.trusted ? 0.92 : 0.22;
      this.#drawStep(context, height, x(left), x(right), left.values, right.values);
    }
    context.globalAlpha = 1;
  }

  #drawStep(context, height, fromX, toX, from, to) {
    let [top, nextTop] = [0, 0];
    this.labels.forEach((name, k) => {
      const [bottom, nextBottom] = [top + from[k] * height, nextTop + to[k] * height];
      context.beginPath();
      // Half a pixel of overlap hides the seams between steps.
      context.moveTo(fromX - 0.5, top);
      context.lineTo(toX + 0.5, nextTop);
      context.lineTo(toX + 0.5, nextBottom);
      context.lineTo(fromX - 0.5, bottom);
      context.closePath();
      context.fillStyle = colorOf(name, k);
      context.fill();
      [top, nextTop] = [bottom, nextBottom];
    });
  }
}
