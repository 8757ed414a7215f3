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
    for (const run of runs(this.answers)) {
      context.globalAlpha = run[0].trusted ? 0.92 : 0.22;
      this.#drawRun(context, height, run, x);
    }
    context.globalAlpha = 1;
  }

  #drawRun(context, height, run, x) {
    let upper = run.map(() => 0);
    this.labels.forEach((name, k) => {
      const lower = run.map((answer, i) => upper[i] + answer.values[k]);
      context.beginPath();
      run.forEach((answer, i) => context.lineTo(x(answer), upper[i] * height));
      for (let i = run.length - 1; i >= 0; i -= 1) context.lineTo(x(run[i]), lower[i] * height);
      context.closePath();
      context.fillStyle = colorOf(name, k);
      context.fill();
      upper = lower;
    });
  }
}

// Stretches of answers that belong together: no long pause between them, and all shown or all dimmed.
function runs(answers) {
  const found = [];
  answers.forEach((answer, i) => {
    const before = answers[i - 1];
    const run = found[found.length - 1];
    if (!before || answer.at - before.at > LONGEST_STEP) {
      found.push([answer]);
    } else {
      run.push(answer); // where trust changes, this answer ends one stretch and begins the next
      if (answer.trusted !== before.trusted) found.push([answer]);
    }
  });
  return found.filter((run) => run.length > 1);
}
