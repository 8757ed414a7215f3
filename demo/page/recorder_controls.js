// The pill that records, its sheet, the markers, and what is offered of a recording that nobody has saved.

import { commandFor, FORMATS, remember, remembered } from "./further.js";
import { discard, Recording, save, unsaved } from "./recording.js";
import { clockOf, RECORDING } from "./words.js";

const TICK = 500; // ms

export class RecorderControls {
  // live: { tracks(), model(), settings(), told(), flag(text), say(words), shown(), changed(recording) }: what there is to
  // record, where to show and tell, whether the live tab is seen, and who has to know whether a recording runs.
  constructor(parts, live) {
    this.parts = parts;
    this.live = live;
    this.allowed = false;
    this.recording = null;
    parts.record.addEventListener("click", () => this.toggle());
    parts["sheet-cancel"].addEventListener("click", () => parts.sheet.close());
    parts["sheet-form"].addEventListener("submit", () => this.#start());
    parts["mark-row"].addEventListener("submit", (event) => this.#markText(event));
    parts["kept-save"].addEventListener("click", () => this.#saveKept());
    parts["kept-discard"].addEventListener("click", () => this.#discardKept());
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("beforeunload", (event) => {
      if (this.recording) event.preventDefault();
    });
    this.#offer();
  }

  // Whether there is something to record now. The pill stays while it records: a lost line ends no recording.
  allow(allowed) {
    this.allowed = allowed;
    this.#show();
  }

  // A recording is of one model: where the server comes back with another, it ends, for its columns would mean other things.
  setModel({ weights, labels }) {
    const name = JSON.stringify([weights, labels]);
    if (this.recording && name !== this.modelName) this.end();
    this.modelName = name;
  }

  toggle() {
    if (this.recording) return this.end();
    for (const name of remembered()) this.parts[`sheet-${name}`].checked = true;
    this.parts["sheet-told"].checked = false; // asked anew for each: other people may be in view
    this.parts.sheet.showModal();
  }

  push(at, result) {
    this.recording?.push(at, result);
  }

  // Kept with the recording, beside its answers, which stay as they are.
  setBaseline(mean) {
    this.baseline = mean;
    this.recording?.setBaseline(mean);
  }

  setSettings(changed) {
    this.recording?.setSettings(changed);
  }

  setDrift(drift) {
    this.recording?.setDrift(drift);
  }

  interrupt() {
    this.recording?.interrupt();
  }

  resume() {
    this.recording?.resume();
  }

  // Ends the recording, where one runs, and hands it to the browser to save.
  async end() {
    const { recording } = this;
    if (!recording) return;
    this.recording = null;
    clearInterval(this.timer);
    this.#show();
    const id = await recording.stop();
    await this.#save(id);
  }

  async #start() {
    const asked = {
      name: this.parts["sheet-name"].value.trim(),
      video: this.parts["sheet-video"].checked,
      told: this.parts["sheet-told"].checked,
      toldBeforeStart: this.live.told(),
      settings: this.live.settings(),
      formats: FORMATS.filter((name) => this.parts[`sheet-${name}`].checked),
    };
    remember(asked.formats);
    if (!asked.told || !this.allowed || this.recording) return;
    const recording = new Recording((error) => this.#broken(error));
    try {
      await recording.start(asked, this.live.tracks(), this.live.model());
    } catch (error) {
      return this.live.say(["InvalidStateError", "SecurityError"].includes(error.name) ? RECORDING.nothingKept : RECORDING.failed(error));
    }
    this.recording = recording;
    recording.setBaseline(this.baseline ?? null);
    this.parts.kept.hidden = true;
    if (!recording.recorder) this.live.say(RECORDING.dataOnly);
    this.timer = setInterval(() => this.#show(), TICK);
    this.#show();
  }

  #broken(error) {
    this.live.say(error.name === "QuotaExceededError" ? RECORDING.full : RECORDING.failed(error));
    this.end();
  }

  async #save(id) {
    try {
      this.live.say(RECORDING.making, "info");
      const { name, missing, formats } = await save(id);
      if (missing) this.live.say(RECORDING.savedWithout(name, missing, commandFor(name, formats)));
      else this.live.say(RECORDING.saved(name), "good");
    } catch (error) {
      this.live.say(error instanceof RangeError ? RECORDING.tooLarge : RECORDING.failed(error));
      this.#offer();
    }
  }

  async #offer() {
    const [found] = await unsaved();
    this.kept = found;
    this.parts.kept.hidden = !found || Boolean(this.recording);
    if (found) this.parts["kept-words"].textContent = RECORDING.kept(found.about);
  }

  async #saveKept() {
    await this.#save(this.kept.id);
    await this.#offer();
  }

  async #discardKept() {
    await discard(this.kept.id);
    await this.#offer();
  }

  #mark(key, text) {
    this.recording.mark(key, text);
    this.live.flag(text || key);
  }

  // A marker that another program has set on the server. age: s.
  markFrom({ key, text, age }) {
    this.recording?.mark(key, text, age);
    this.live.flag(text || key, performance.now() / 1000 - age);
  }

  #markText(event) {
    event.preventDefault();
    const text = this.parts.mark.value.trim();
    if (text && this.recording) this.#mark("", text);
    this.parts.mark.value = "";
    this.parts.mark.blur();
  }

  #key(event) {
    if (!this.live.shown() || !isKeyOfPage(event)) return; // in another tab the keys are that one's
    if (event.key.toLowerCase() === "r" && (this.recording || this.allowed)) {
      this.toggle();
    } else if (this.recording && event.key.toLowerCase() === "m") {
      this.parts.mark.focus();
    } else if (this.recording && /^[1-9]$/.test(event.key)) {
      this.#mark(event.key, "");
      return;
    } else {
      return;
    }
    event.preventDefault(); // the letter is no text
  }

  #show() {
    const { recording } = this;
    const { record } = this.parts;
    record.hidden = !recording && !this.allowed;
    record.classList.toggle("mm-running", Boolean(recording));
    record.textContent = recording ? RECORDING.end(clockOf(recording.seconds)) : RECORDING.begin;
    this.parts["mark-row"].hidden = !recording;
    this.live.changed(Boolean(recording));
  }
}

// Whether a key is for the page, and no text or shortcut of the browser.
export function isKeyOfPage(event) {
  const writing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const elsewhere = document.querySelector("dialog[open]");
  return !(writing || elsewhere || event.ctrlKey || event.altKey || event.metaKey || event.repeat);
}
