// A clip with its answers: player, reading and river, all at one moment. Files and recordings are both seen by this.

import { ClipTimeline } from "./clip_timeline.js";
import { colorOf } from "./colors.js";
import { Player } from "./player.js";
import { Reading } from "./reading.js";
import { nearest } from "./river.js";
import { caption } from "./words.js";
import { CLIP } from "./words_tabs.js";

const NEAR = 1; // s to an answer that is still shown

export class ClipView {
  // template: with the cards of reading and river; grid: where they go; stage: where the clip is shown; onUnplayable().
  constructor(template, grid, stage, { onUnplayable, onTime = () => {} }) {
    const made = template.content.cloneNode(true);
    const parts = Object.fromEntries([...made.querySelectorAll("[data-clip]")].map((part) => [part.dataset.clip, part]));
    this.cards = [...made.children];
    grid.append(...this.cards);
    this.parts = parts;
    this.onTime = onTime;
    this.reading = new Reading(parts);
    this.timeline = new ClipTimeline(parts, (seconds) => this.seek(seconds));
    this.player = new Player(stage, { onTime: (seconds) => this.#at(seconds), onUnplayable });
    this.answers = [];
    this.show(null);
  }

  // clip: { name, kind, blob (null where there is none), labels, length (s), windowSeconds, unsureError }, or null for none.
  show(clip) {
    this.clip = clip;
    this.answers = [];
    this.timeline.clear();
    this.player.close();
    for (const card of this.cards) card.hidden = !clip;
    if (!clip) return;
    this.parts["timeline-card"].hidden = clip.kind === "picture"; // it has one moment
    this.setLabels(clip.labels);
    if (clip.blob) this.player.open(clip.blob, clip.kind, clip.name);
    this.#at(0);
  }

  setLabels(labels) {
    this.clip.labels = labels;
    this.reading.setLabels(labels);
    this.timeline.setLabels(labels);
  }

  // answers, length, seconds: as of `ClipTimeline`, each answer with what `Reading` shows, and `box`.
  setAnswers(answers, length, seconds = length) {
    this.answers = answers;
    this.timeline.setAnswers(answers, length, seconds);
    this.#at(this.time);
  }

  get time() {
    return this.timeline.time;
  }

  // Without something to play the cursor goes there all the same.
  seek(seconds) {
    this.player.seek(seconds);
    this.#at(seconds);
  }

  // Keys for the whole tab, where no field or button has them.
  key(event) {
    if (!this.clip || event.ctrlKey || event.altKey || event.metaKey) return false;
    const step = this.timeline.stepOf(event);
    if (event.key === " ") this.player.toggle();
    else if (step !== null) this.seek(Math.min(this.timeline.length, Math.max(0, this.time + step)));
    else return false;
    event.preventDefault();
    return true;
  }

  #at(seconds) {
    this.timeline.setTime(seconds);
    this.onTime(seconds);
    const found = nearest(this.answers, seconds);
    if (!found || Math.abs(found.at - seconds) > NEAR) {
      this.reading.clear(this.answers.length ? CLIP.nothingHere : CLIP.noneYet);
      return this.player.show(null, null);
    }
    const shown = this.clip.kind === "picture" ? ofPicture(found.shown) : found.shown;
    this.reading.show(shown, { ...this.clip, windowSeconds: this.clip.kind === "picture" ? 0 : this.clip.windowSeconds });
    const words = caption(shown, Math.max(...shown.probabilities));
    const color = words?.named ? colorOf(shown.label, this.clip.labels.indexOf(shown.label), true) : null;
    this.player.show(found.box, words && { text: words.text, color });
  }
}

// A picture fills no window, and nobody waits for more of it.
const ofPicture = (shown) => ({ ...shown, states: shown.states.filter((state) => state !== "window filling") });
