// The run as a river: one band per emotion, as wide as its probability. The last minute, five, or the whole run; what the
// pointer rests on is told in numbers, and a click holds the picture.

import { fit, oncePerRepaint } from "./canvas.js";
import { isDark } from "./colors.js";
import { fillLegend } from "./legend.js";
import { write } from "./markup.js";
import { drawCursor, drawFlags, drawRiver, nameBands, nearest, ranked } from "./river.js";
import { LONGEST_STEP, summarize } from "./summary.js";
import { agoOf, momentOf, summaryOf, TIMELINE } from "./words.js";

const MINUTE = 60; // s
const MOST = 100_000; // answers kept: more than five hours at five a second
const REFRESH = 250; // ms
const TOLD_EVERY = 10_000; // ms between two changes of what a screen reader finds here

export class Timeline {
  constructor(parts) {
    this.parts = parts;
    this.canvas = parts.timeline;
    this.labels = [];
    this.answers = []; // { at (s, page's clock), values, trusted, part }
    this.flags = []; // { at, text }
    this.part = 0; // grows with each start: nothing is drawn through a pause
    this.span = MINUTE; // s; Infinity: the whole run
    this.held = null; // the moment at the right edge, while the picture is held
    this.draw = oncePerRepaint(() => this.#draw());
    new ResizeObserver(this.draw).observe(this.canvas);
    setInterval(() => {
      if (this.answers.length && !document.hidden) this.draw();
    }, REFRESH);
    setInterval(() => this.#tell(), TOLD_EVERY);
    this.#listen();
  }

  // What comes from now on is apart from what came before.
  interrupt() {
    this.part += 1;
  }

  setLabels(labels) {
    if (labels.join() === this.labels.join()) return;
    this.answers = [];
    this.labels = labels;
    fillLegend(this.parts.legend, labels);
  }

  // `at`: the page's time (s) of the newest frame the answer is about.
  push(at, values, trusted) {
    this.answers.push({ at, values, trusted, part: this.part });
    if (this.answers.length > MOST) this.answers.splice(0, MOST / 10);
    this.canvas.dataset.answers = this.answers.length;
  }

  // A flag; `at`: the page's time, s.
  flag(text, at = performance.now() / 1000) {
    this.flags.push({ at, text });
    this.canvas.dataset.flags = this.flags.length;
    this.draw();
  }

  // s: MINUTE, five of them, or Infinity.
  show(span) {
    this.span = span;
    this.draw();
    this.#tell();
  }

  hold(moment) {
    this.held = moment;
    this.parts["timeline-now"].hidden = moment === null;
    this.draw();
  }

  get #now() {
    return this.held ?? performance.now() / 1000;
  }

  get #from() {
    const first = this.answers[0]?.at ?? this.#now;
    return Number.isFinite(this.span) ? this.#now - this.span : Math.min(first, this.#now - 10);
  }

  #listen() {
    const { canvas, parts } = this;
    for (const choice of parts["timeline-spans"].querySelectorAll("input")) {
      choice.addEventListener("change", () => this.show(Number(choice.value) || Infinity));
    }
    parts["timeline-now"].addEventListener("click", () => this.hold(null));
    canvas.addEventListener("pointermove", ({ offsetX }) => this.#point(offsetX / canvas.clientWidth));
    canvas.addEventListener("pointerleave", () => this.#point(null));
    canvas.addEventListener("click", () => this.hold(this.held === null ? this.#now : null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#point(Math.min(1, Math.max(0, (this.place ?? 1) + step)));
    });
    canvas.addEventListener("blur", () => this.#point(null));
  }

  // place: 0 at the left edge to 1 at the right one; null: nowhere.
  #point(place) {
    this.place = place;
    this.draw();
  }

  #draw() {
    const surface = fit(this.canvas);
    const dark = isDark();
    const [from, now] = [this.#from, this.#now];
    const { shown, x } = drawRiver(surface, { labels: this.labels, answers: this.answers, from, to: now, dark });
    drawFlags(surface, this.flags.filter(({ at }) => at >= from && at <= now), x, dark);
    const newest = shown.at(-1);
    if (newest?.trusted && now - newest.at < LONGEST_STEP) nameBands(surface, this.labels, newest.values, x(newest));
    write(this.parts["timeline-from"], agoOf(now - from));
    write(this.parts["timeline-to"], this.held === null ? TIMELINE.now : agoOf(performance.now() / 1000 - now));
    this.#showMoment(surface, from, now, dark);
  }

  // The answer under the pointer, in numbers.
  #showMoment(surface, from, now, dark) {
    const words = this.parts["timeline-moment"];
    if (this.place === null || this.place === undefined || !this.answers.length) return write(words, "");
    const at = from + this.place * (now - from);
    const found = nearest(this.answers, at);
    drawCursor(surface, surface.width * this.place, dark);
    const there = Math.abs(found.at - at) <= LONGEST_STEP / 2 && found.trusted;
    write(words, momentOf(performance.now() / 1000 - at, there ? ranked(this.labels, found.values).slice(0, 3) : []));
  }

  // What was seen most of the time that is shown: below the picture, and for screen readers, seldom enough to be read.
  #tell() {
    const [from, now] = [this.#from, this.#now];
    const recent = this.answers.filter(({ at }) => at >= from && at <= now);
    const words = summaryOf(this.span, summarize(recent, this.labels, now));
    this.canvas.setAttribute("aria-label", words);
    this.parts["timeline-summary"].textContent = recent.length ? words : "";
  }
}
