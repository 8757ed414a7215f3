// The river of a whole clip, with a cursor where the player is: a click or the keys go somewhere else in it.

import { fit, oncePerRepaint } from "./canvas.js";
import { isDark } from "./colors.js";
import { fillLegend } from "./legend.js";
import { drawCursor, drawFlags, drawRiver, nearest, ranked } from "./river.js";
import { LONGEST_STEP, summarizeClip } from "./summary.js";
import { minutesOf } from "./words.js";
import { clipMomentOf, clipSummaryOf } from "./words_tabs.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }; // s

export class ClipTimeline {
  // parts: canvas, to, moment, summary, legend. onSeek(seconds).
  constructor(parts, onSeek) {
    this.parts = parts;
    this.canvas = parts.canvas;
    this.onSeek = onSeek;
    this.base = document.createElement("canvas"); // the river without the cursor, drawn once
    this.draw = oncePerRepaint(() => this.#draw());
    this.clear();
    new ResizeObserver(this.draw).observe(this.canvas);
    this.#listen();
  }

  clear() {
    this.answers = [];
    this.flags = [];
    this.length = 0;
    this.time = 0;
    this.setLabels([]);
    this.#changed();
  }

  setLabels(labels) {
    this.labels = labels;
    fillLegend(this.parts.legend, labels);
  }

  // answers: [{ at (s), values, trusted, part }] by time; length: s that the river spans; seconds: s of the clip.
  setAnswers(answers, length, seconds = length) {
    this.answers = answers;
    this.length = Math.max(length, answers.at(-1)?.at ?? 0);
    this.canvas.dataset.answers = answers.length;
    this.#changed();
    this.parts.summary.textContent = answers.length ? clipSummaryOf(summarizeClip(answers, this.labels, seconds)) : "";
  }

  // flags: [{ at (s), text }] by time.
  setFlags(flags) {
    this.flags = flags;
    this.canvas.dataset.flags = flags.length;
    this.#changed();
  }

  setTime(seconds) {
    this.time = seconds;
    this.draw();
  }

  // s from here on; keys that this river and its page understand alike.
  stepOf(event) {
    const step = STEPS[event.key];
    return step === undefined ? null : step * (event.shiftKey ? 5 : 1);
  }

  #changed() {
    this.stale = true;
    this.parts.to.textContent = minutesOf(this.length);
    this.draw();
  }

  #listen() {
    const { canvas } = this;
    const at = ({ offsetX }) => Math.min(1, Math.max(0, offsetX / canvas.clientWidth)) * this.length;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragged = true;
      this.#seek(at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      this.pointed = at(event);
      if (this.dragged) this.#seek(this.pointed);
      else this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.dragged = false));
    canvas.addEventListener("pointerleave", () => {
      this.pointed = null;
      this.draw();
    });
    canvas.addEventListener("keydown", (event) => {
      const step = this.stepOf(event);
      const to = { Home: 0, End: this.length }[event.key] ?? (step === null ? undefined : this.time + step);
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.#seek(to);
    });
  }

  #seek(seconds) {
    if (this.length) this.onSeek(Math.min(this.length, Math.max(0, seconds)));
  }

  #draw() {
    const surface = fit(this.canvas);
    const { context, width, height } = surface;
    const dark = isDark();
    if (this.stale || this.dark !== dark || this.base.width !== width || this.base.height !== height) {
      this.#drawBase(surface, dark);
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(this.base, 0, 0);
    const x = (seconds) => Math.min(width - surface.scale, (width * seconds) / (this.length || 1));
    if (this.pointed !== null && this.pointed !== undefined) {
      context.globalAlpha = 0.45;
      drawCursor(surface, x(this.pointed), dark);
      context.globalAlpha = 1;
    }
    drawCursor({ ...surface, scale: 2 * surface.scale }, x(this.time), dark);
    const words = this.#momentAt(this.pointed ?? this.time);
    if (this.parts.moment.textContent !== words) this.parts.moment.textContent = words;
    this.canvas.setAttribute("aria-valuemax", this.length.toFixed(1));
    this.canvas.setAttribute("aria-valuenow", this.time.toFixed(1));
    this.canvas.setAttribute("aria-valuetext", this.#momentAt(this.time) || minutesOf(this.time));
  }

  #drawBase({ width, height, scale }, dark) {
    Object.assign(this.base, { width, height });
    Object.assign(this, { stale: false, dark });
    const surface = { context: this.base.getContext("2d"), width, height, scale };
    const { x } = drawRiver(surface, { labels: this.labels, answers: this.answers, from: 0, to: this.length || 1, dark });
    drawFlags(surface, this.flags, x, dark);
  }

  #momentAt(seconds) {
    const found = nearest(this.answers, seconds);
    if (!found) return "";
    const there = Math.abs(found.at - seconds) <= LONGEST_STEP / 2 && found.trusted;
    return clipMomentOf(seconds, there ? ranked(this.labels, found.values).slice(0, 3) : []);
  }
}
