// The Recording tab: a saved recording is opened again, looked at, marked, and compared with another.

import { ClipView } from "./clip_view.js";
import { Compare } from "./compare.js";
import { MarkerList } from "./marker_list.js";
import { OpenedRecording, RecordingError } from "./opened_recording.js";
import { download } from "./results.js";
import { RECORDING } from "./words.js";
import { OPENED } from "./words_tabs.js";

export class RecordingTab {
  constructor(parts, tabs) {
    this.parts = parts;
    this.tabs = tabs;
    this.opened = null;
    this.way = "open"; // what is done with the files that are chosen: "open" or "compare"
    this.view = new ClipView(parts["clip-template"], parts["panel-recording"], parts["opened-stage"], {
      onUnplayable: () => this.#say(OPENED.unplayable),
      onTime: (seconds) => this.#at(seconds),
    });
    parts["panel-recording"].append(parts.compare, parts.marks); // below the river
    this.compare = new Compare(parts, (seconds) => this.view.seek(seconds));
    this.marks = new MarkerList(parts, {
      time: () => this.view.time,
      onSeek: (seconds) => this.view.seek(seconds),
      onChange: () => this.#flag(),
    });
    tabs.drops.recording = (files) => this.#take(files, "open");
    for (const [name, way] of [["opened-choose", "open"], ["opened-other", "open"], ["opened-compare", "compare"]]) {
      parts[name].addEventListener("click", () => this.#ask(way));
    }
    parts["opened-input"].addEventListener("change", () => {
      this.#take([...parts["opened-input"].files], this.way);
      parts["opened-input"].value = "";
    });
    parts["opened-save"].addEventListener("click", () => this.#save());
    parts["opened-discard"].addEventListener("click", () => this.#discard());
    parts["compare-close"].addEventListener("click", () => this.#endCompare());
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("beforeunload", (event) => this.marks.changed && event.preventDefault());
  }

  #ask(way) {
    this.way = way;
    this.parts["opened-input"].click();
  }

  // Two that are dropped together are compared.
  async #take(files, way) {
    if (!files.length) return;
    if (way === "open" && this.marks.changed) return this.#say(OPENED.unsaved);
    const [first, second] = files;
    if (way === "compare") return this.#compareWith(first);
    await this.#open(first);
    if (second && this.opened?.name === first.name) await this.#compareWith(second);
    if (files.length > 2) this.#say(OPENED.more);
  }

  async #open(file) {
    const opened = await this.#read(file);
    if (!opened) return;
    this.opened = opened;
    const { name, about, kind, blob, labels, seconds } = opened;
    this.parts["opened-curtain"].hidden = true;
    for (const part of ["opened-controls", "marks", "opened-about"]) this.parts[part].hidden = false;
    this.parts["opened-about"].textContent = OPENED.about(about);
    this.#endCompare();
    this.#say(blob ? "" : OPENED.noMedia);
    this.view.show({ name, kind, blob, labels, windowSeconds: about.windowSeconds ?? 3, unsureError: 0 });
    this.view.setAnswers(opened.answers, seconds);
    this.marks.open(opened.markers, seconds);
    this.#flag();
  }

  async #compareWith(file) {
    const second = await this.#read(file);
    if (!second) return;
    this.#say("");
    const length = Math.max(this.opened.seconds, second.seconds);
    this.view.setAnswers(this.opened.answers, length, this.opened.seconds);
    this.compare.show(this.opened, second, length);
    this.compare.setTime(this.view.time);
  }

  #endCompare() {
    this.compare.clear();
    if (this.opened && this.view.clip) this.view.setAnswers(this.opened.answers, this.opened.seconds);
  }

  async #read(file) {
    this.parts["panel-recording"].setAttribute("aria-busy", "true");
    try {
      return await OpenedRecording.open(file);
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      this.#say(error.message);
      return null;
    } finally {
      this.parts["panel-recording"].removeAttribute("aria-busy");
    }
  }

  async #save() {
    try {
      const { blob, name, about, left } = await this.opened.withMarkers(this.marks.markers);
      download(blob, name);
      Object.assign(this.opened, { about, name, markers: this.marks.markers });
      this.marks.saved();
      this.#say([OPENED.saved(name), left.length ? OPENED.leftOut(left) : ""].filter(Boolean).join(" "));
    } catch (error) {
      this.#say(error instanceof RangeError ? RECORDING.tooLarge : OPENED.damaged(this.opened.name, error.message));
    }
  }

  #discard() {
    this.marks.open(this.opened.markers, this.opened.seconds);
    this.#flag();
  }

  #flag() {
    this.view.timeline.setFlags(this.marks.markers.map(({ at, key, text }) => ({ at, text: text || key })));
    this.parts["opened-discard"].hidden = !this.marks.changed;
  }

  #at(seconds) {
    this.compare?.setTime(seconds);
    const words = OPENED.at(seconds);
    if (this.parts["marks-label"].textContent !== words) this.parts["marks-label"].textContent = words;
  }

  #key(event) {
    if (this.tabs.shown !== "recording" || !this.opened) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (/^[1-9]$/.test(event.key)) {
      this.marks.add(event.key, "");
    } else if (event.key.toLowerCase() === "m") {
      this.parts["marks-text"].focus();
    } else {
      if (!event.target.closest?.("button, a, video, [role=tab]")) this.view.key(event);
      return;
    }
    event.preventDefault();
  }

  #say(words) {
    this.parts["opened-words"].textContent = words;
  }
}
