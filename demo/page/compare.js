// Two recordings on one clock: the river of the second below that of the first, and how much time each class has in both.

import { ClipTimeline } from "./clip_timeline.js";
import { summarizeClip } from "./summary.js";
import { capital, labelOf, percent, shiftOf } from "./words.js";
import { OPENED } from "./words_tabs.js";

export class Compare {
  // onSeek(seconds): in both.
  constructor(parts, onSeek) {
    this.parts = parts;
    this.timeline = new ClipTimeline(
      Object.fromEntries(["canvas", "to", "moment", "summary", "legend"].map((name) => [name, parts[`compare-${name}`]])),
      onSeek,
    );
    this.clear();
  }

  clear() {
    this.other = null;
    this.parts.compare.hidden = true;
    this.timeline.clear();
  }

  // first, second: `OpenedRecording`s; length: s that both rivers span, so that one moment stands under the other.
  show(first, second, length) {
    const { parts } = this;
    this.other = second;
    parts.compare.hidden = false;
    parts["compare-name"].textContent = second.name;
    parts["compare-about"].textContent = OPENED.about(second.about);
    this.timeline.setLabels(second.labels);
    this.timeline.setAnswers(second.answers, length, second.seconds);
    this.timeline.setFlags(second.markers.map(({ at, key, text }) => ({ at, text: text || key })));
    const same = first.labels.join() === second.labels.join();
    parts["compare-caption"].textContent = same ? OPENED.compared(first.name, second.name) : OPENED.noLabels;
    parts["compare-rows"].replaceChildren(...(same ? rowsOf(first, second) : []));
    parts["compare-head"].hidden = !same;
  }

  setTime(seconds) {
    if (this.other) this.timeline.setTime(seconds);
  }
}

function rowsOf(first, second) {
  const [a, b] = [first, second].map(({ labels, answers, seconds }) => {
    const { shares } = summarizeClip(answers, labels, seconds);
    return Object.fromEntries(shares.map(({ name, share }) => [name, share]));
  });
  return first.labels.map((name) => {
    const row = document.createElement("tr");
    const title = Object.assign(document.createElement("th"), { scope: "row", textContent: capital(labelOf(name)) });
    const cells = [percent(a[name]), percent(b[name]), shiftOf(b[name], a[name])];
    row.append(title, ...cells.map((words) => Object.assign(document.createElement("td"), { textContent: words })));
    return row;
  });
}
