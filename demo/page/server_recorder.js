// The pill, the sheet and the markers where the source is on the server: it records there, once for all pages, and this page
// asks for it and saves it. See `recorder_controls.js` for a source in this browser.

import { FORMATS, remember, remembered } from "./further.js";
import { isKeyOfPage } from "./recorder_controls.js";
import { clockOf, RECORDING } from "./words.js";

const TICK = 500; // ms
const OFFER_AGAIN = 15_000; // ms after which a recording that is still on the server is offered again

export class ServerRecorder {
  // live: { send(message), flag(text, at), say(words, tone), note(facts), shown() }: the server, where to show and tell, and
  // whether the live tab is seen.
  constructor(parts, live) {
    this.parts = parts;
    this.live = live;
    this.state = { running: null, kept: [], hours: 24 };
    this.saving = new Set(); // ids that this browser downloads
    parts.record.addEventListener("click", () => this.toggle());
    parts["sheet-cancel"].addEventListener("click", () => parts.sheet.close());
    parts["sheet-form"].addEventListener("submit", () => this.#start());
    parts["mark-row"].addEventListener("submit", (event) => this.#markText(event));
    parts["kept-save"].addEventListener("click", () => this.#save(this.kept));
    parts["kept-discard"].addEventListener("click", () => this.live.send({ type: "discard", id: this.kept.id }));
    document.addEventListener("keydown", (event) => this.#key(event));
    setInterval(() => this.state.running && this.#show(), TICK);
  }

  allow(allowed) {
    this.allowed = allowed;
    this.#show();
  }

  received(message) {
    if (message.type === "recordingTrouble") {
      this.ending = false;
      this.live.say(message.message);
    } else if (message.type === "recorded") {
      this.#save(message);
    } else if (message.type === "recording") {
      if (message.trouble && message.trouble !== this.state.trouble) this.live.say(message.trouble);
      const began = message.running && !this.state.running;
      if (!message.running) this.ending = false;
      else if (began) this.live.say(RECORDING.began(message.running.name), "good");
      this.state = message;
      this.at = performance.now();
      this.parts["sheet-where"].textContent = RECORDING.onServer(message.hours);
      this.live.note({ withoutTrack: message.running?.withoutTrack ?? [] });
    }
    this.#show();
  }

  // A marker that the server has set: of a key here, of another page, or of another program. age: s.
  markFrom({ key, text, age }) {
    this.live.flag(text || key, performance.now() / 1000 - age);
  }

  toggle() {
    if (this.ending) return;
    if (this.state.running) {
      this.ending = true;
      this.live.send({ type: "end" });
      this.#show();
      return;
    }
    for (const name of remembered()) this.parts[`sheet-${name}`].checked = true;
    this.parts["sheet-told"].checked = false; // asked anew for each: other people may be in view
    this.parts.sheet.showModal();
  }

  // The line is lost: what the server does meanwhile it tells when it is back.
  interrupt() {
    this.state = { ...this.state, running: null, kept: [] };
    this.ending = false;
    this.live.note({ withoutTrack: [] });
    this.#show();
  }

  // What a recording in this browser is told besides; here the server knows.
  setModel() {}
  push() {}
  setBaseline() {}
  setSettings() {}
  setDrift() {}
  resume() {}
  end() {}

  #start() {
    const told = this.parts["sheet-told"].checked;
    remember(FORMATS.filter((name) => this.parts[`sheet-${name}`].checked));
    if (!told || !this.allowed) return;
    this.live.send({ type: "record", name: this.parts["sheet-name"].value.trim(), video: this.parts["sheet-video"].checked, told });
  }

  #save({ id, file }) {
    this.saving.add(id);
    setTimeout(() => {
      this.saving.delete(id);
      this.#show();
    }, OFFER_AGAIN);
    const link = document.createElement("a");
    link.href = new URL(`../recordings/${id}?formats=${remembered().join()}`, import.meta.url);
    link.download = file;
    link.click();
    this.live.say(RECORDING.saved(file), "good");
    this.#show();
  }

  #mark(key, text) {
    this.live.send({ type: "mark", key, text });
  }

  #markText(event) {
    event.preventDefault();
    const text = this.parts.mark.value.trim();
    if (text && this.state.running) this.#mark("", text);
    this.parts.mark.value = "";
    this.parts.mark.blur();
  }

  #key(event) {
    if (!this.live.shown() || !isKeyOfPage(event)) return; // in another tab the keys are that one's
    const { running } = this.state;
    if (event.key.toLowerCase() === "r" && (running || this.allowed)) this.toggle();
    else if (running && event.key.toLowerCase() === "m") this.parts.mark.focus();
    else if (running && /^[1-9]$/.test(event.key)) this.#mark(event.key, "");
    else return;
    event.preventDefault(); // the letter is no text
  }

  #show() {
    const { running } = this.state;
    const { record, kept } = this.parts;
    const clock = running ? clockOf(running.seconds + (performance.now() - this.at) / 1000) : "";
    record.hidden = !running && !this.allowed;
    record.disabled = Boolean(this.ending);
    record.classList.toggle("mm-running", Boolean(running));
    record.textContent = this.ending ? RECORDING.writing : running ? RECORDING.end(clock) : RECORDING.begin;
    this.parts["mark-row"].hidden = !running;
    this.kept = this.state.kept.find(({ id }) => !this.saving.has(id));
    kept.hidden = !this.kept || Boolean(running);
    if (this.kept) this.parts["kept-words"].textContent = RECORDING.keptOnServer(this.kept, this.state.hours);
  }
}
