// The markers of an opened recording as a list: go to one, add, edit, remove, undo. A page of it at a time, so that ten
// thousand are as quick as ten.

import { MOST_MARKERS } from "./opened_recording.js";
import { MOST_TEXT } from "./recording.js";
import { tenthsOf } from "./words.js";
import { OPENED } from "./words_tabs.js";

const SHOWN = 50; // markers on one page of the list

export class MarkerList {
  // parts: of the page; time(): where the player is, s; onSeek(seconds); onChange(markers).
  constructor(parts, { time, onSeek, onChange }) {
    this.parts = parts;
    Object.assign(this, { time, onSeek, onChange });
    this.clear();
    parts["marks-add"].addEventListener("submit", (event) => {
      event.preventDefault();
      this.add("", parts["marks-text"].value.trim());
      parts["marks-text"].value = "";
    });
    parts["marks-undo"].addEventListener("click", () => this.#undo());
    parts["marks-before"].addEventListener("click", () => this.#turn(-SHOWN));
    parts["marks-after"].addEventListener("click", () => this.#turn(SHOWN));
  }

  clear() {
    this.open([]);
  }

  // markers: [{ at (s), key, text, cells }] by time; length: s that a marker may have.
  open(markers, length = 0) {
    Object.assign(this, { markers, length, history: [], first: 0, edited: null });
    this.#draw();
  }

  get changed() {
    return this.history.length > 0;
  }

  // What is there has been saved.
  saved() {
    this.history = [];
    this.#draw();
  }

  add(key, text) {
    if (!key && !text) return;
    if (this.markers.length >= MOST_MARKERS) return this.#say(OPENED.full(MOST_MARKERS));
    const marker = { at: Math.round(1000 * this.time()) / 1000, key, text: text.slice(0, MOST_TEXT) };
    this.#change([...this.markers, marker]);
    this.#turnTo(marker);
  }

  #change(markers) {
    this.history.push(this.markers);
    this.#take(markers);
  }

  #undo() {
    const before = this.history.pop();
    if (before) this.#take(before);
  }

  #take(markers) {
    this.markers = [...markers].sort((a, b) => a.at - b.at);
    this.edited = null;
    this.#draw();
    this.onChange(this.markers);
  }

  #turn(by) {
    this.first += by;
    this.#draw();
  }

  #turnTo(marker) {
    this.first = SHOWN * Math.floor(this.markers.indexOf(marker) / SHOWN);
    this.#draw();
  }

  #draw() {
    const { parts, markers } = this;
    this.first = Math.max(0, Math.min(this.first, SHOWN * Math.floor((markers.length - 1) / SHOWN)));
    const shown = markers.slice(this.first, this.first + SHOWN);
    parts["marks-list"].replaceChildren(...shown.map((marker) => (marker === this.edited ? this.#form(marker) : this.#row(marker))));
    this.#say(OPENED.markers(this.first + 1, this.first + shown.length, markers.length));
    parts["marks-before"].hidden = parts["marks-after"].hidden = markers.length <= SHOWN;
    parts["marks-before"].disabled = this.first === 0;
    parts["marks-after"].disabled = this.first + SHOWN >= markers.length;
    parts["marks-undo"].disabled = !this.changed;
    parts["opened-save"].disabled = !this.changed;
  }

  #say(words) {
    this.parts["marks-count"].textContent = words;
  }

  #row(marker) {
    const row = document.createElement("li");
    const words = [marker.key, marker.text].filter(Boolean).join(" ");
    const go = button("mm-link", tenthsOf(marker.at), `${tenthsOf(marker.at)}: ${words}`, () => this.onSeek(marker.at));
    const text = Object.assign(document.createElement("span"), { className: "mm-mark-text", textContent: words });
    const edit = button("mm-link", OPENED.edit, `${OPENED.edit}: ${tenthsOf(marker.at)} ${words}`, () => this.#edit(marker));
    const remove = button("mm-link", OPENED.remove, `${OPENED.remove}: ${tenthsOf(marker.at)} ${words}`, () => this.#remove(marker));
    row.append(go, text, edit, remove);
    return row;
  }

  #remove(marker) {
    const at = this.markers.indexOf(marker) - this.first;
    this.#change(this.markers.filter((other) => other !== marker));
    const rows = this.parts["marks-list"].children; // the focus goes to the one that takes its place
    const next = rows[Math.min(at, rows.length - 1)]?.querySelector("button:last-child");
    (next ?? this.parts["marks-undo"]).focus();
  }

  #edit(marker) {
    this.edited = marker;
    this.#draw();
    this.parts["marks-list"].querySelector("form [name=text]").focus();
  }

  #form(marker) {
    const row = document.createElement("li");
    const form = document.createElement("form");
    form.className = "mm-mark";
    const time = field("time", OPENED.seconds, { type: "number", min: 0, max: this.length, step: "any", required: true, value: marker.at });
    const text = field("text", OPENED.text, { maxLength: Math.max(MOST_TEXT, marker.text.length), value: marker.text });
    const cancel = button("mm-button mm-quiet", OPENED.cancel, "", () => this.#leave(marker));
    const set = Object.assign(document.createElement("button"), { className: "mm-button", textContent: OPENED.set });
    form.append(time, text, set, cancel);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const made = { ...marker, at: form.elements.time.valueAsNumber, text: form.elements.text.value.trim() };
      this.#change(this.markers.map((other) => (other === marker ? made : other)));
      this.#focus(made);
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.#leave(marker));
    row.append(form);
    return row;
  }

  #leave(marker) {
    this.edited = null;
    this.#draw();
    this.#focus(marker);
  }

  #focus(marker) {
    this.parts["marks-list"].children[this.markers.indexOf(marker) - this.first]?.querySelector("button")?.focus();
  }
}

function button(className, words, heard, onClick) {
  const made = Object.assign(document.createElement("button"), { type: "button", className, textContent: words });
  if (heard) made.setAttribute("aria-label", heard);
  made.addEventListener("click", onClick);
  return made;
}

function field(name, title, settings) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { name, autocomplete: "off", ...settings });
  label.className = `mm-field-${name}`;
  label.append(`${title} `, input);
  return label;
}
