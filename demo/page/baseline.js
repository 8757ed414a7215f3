// Ten seconds that a viewer calls neutral: ticks and shifts beside the bars, for this page alone. The answers, their label and
// every table stay as they are.

import { BASELINE } from "./words.js";

const SECONDS = 10;
const LONGEST_LOSS = 1; // s without a face after which it is given up

export class Baseline {
  // parts: of the page; onChange(mean): mean probabilities, or null.
  constructor(parts, onChange) {
    this.button = parts.baseline;
    this.words = parts["baseline-words"];
    this.onChange = onChange;
    this.mean = null;
    this.samples = null;
    this.button.addEventListener("click", () => this.#press());
  }

  // Whether there are answers to take. Where there are none, what was begun is given up; what was taken stays.
  allow(allowed) {
    this.button.hidden = !allowed;
    if (!allowed && this.samples) this.#giveUp(BASELINE.stopped);
  }

  forget() {
    this.samples = this.mean = null;
    this.#show("");
  }

  // at: end of the window, s on the page's clock; faceLost: s.
  push(at, { label, states, probabilities }, faceLost) {
    if (!this.samples) return;
    if (states.includes("window filling")) return;
    if (label === null || faceLost > LONGEST_LOSS || states.includes("no face")) return this.#giveUp(BASELINE.lost);
    this.begun ??= at;
    this.samples.push(probabilities);
    const left = SECONDS - (at - this.begun);
    if (left > 0) return this.#say(BASELINE.left(Math.ceil(left)));
    const { samples } = this;
    this.mean = samples[0].map((_, k) => samples.reduce((sum, values) => sum + values[k], 0) / samples.length);
    this.samples = null;
    this.#show(BASELINE.taken);
  }

  #press() {
    if (this.samples) return this.#giveUp("");
    if (this.mean) return this.forget();
    this.samples = [];
    this.begun = undefined;
    this.#say(BASELINE.left(SECONDS));
    this.button.textContent = BASELINE.cancel;
  }

  #giveUp(words) {
    this.samples = null;
    this.#show(words);
  }

  #show(words) {
    this.button.textContent = this.mean ? BASELINE.undo : BASELINE.take;
    this.#say(words);
    this.onChange(this.mean);
  }

  #say(words) {
    if (this.words.textContent !== words) this.words.textContent = words;
  }
}
