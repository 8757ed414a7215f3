// The File tab: files are dropped or chosen, sent and scored one after the other, and looked at with their answers.

import { ClipView } from "./clip_view.js";
import { withCode } from "./markup.js";
import { download } from "./results.js";
import { Refused, Upload } from "./upload.js";
import { FILES } from "./words_tabs.js";

const MOST_QUEUED = 50;
const HELD = 1024; // bytes whose reading shows that a file can still be read

export class FileTab {
  constructor(parts, tabs) {
    this.parts = parts;
    this.tabs = tabs;
    this.items = []; // { file, state, words, answers, lines, about, ... }
    this.view = new ClipView(parts["clip-template"], parts["panel-file"], parts["file-stage"], {
      onUnplayable: () => this.#unplayable(),
    });
    tabs.drops.file = (files, folders) => this.add(files, folders);
    for (const name of ["file-choose", "file-more"]) parts[name].addEventListener("click", () => parts["file-input"].click());
    parts["file-input"].addEventListener("change", () => {
      this.add([...parts["file-input"].files]);
      parts["file-input"].value = "";
    });
    parts["file-save"].addEventListener("click", () => this.#save([this.shown]));
    parts["file-save-all"].addEventListener("click", () => this.#save(this.items.filter(({ lines }) => lines.length)));
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("pagehide", ({ persisted }) => {
      if (!persisted) for (const { upload, state } of this.items) if (state === "busy") upload?.cancel(); // nobody waits any more
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.items.some(({ state, lines, saved }) => state === "busy" || (lines.length && !saved))) event.preventDefault();
    });
  }

  setModel({ files }) {
    this.mostBytes = files.mostBytes;
  }

  add(files, folders = 0) {
    const place = MOST_QUEUED - this.items.filter(({ state }) => ["queued", "busy"].includes(state)).length;
    const taken = files.filter((file) => file.type || file.size || folders === 0).slice(0, Math.max(0, place));
    for (const file of taken) this.#append(file);
    const left = files.length - taken.length - folders;
    const refused = [folders ? FILES.folder : "", left > 0 ? FILES.tooMany(MOST_QUEUED, left) : ""].filter(Boolean).join(" ");
    this.#say(refused, refused);
    this.#next();
  }

  #append(file) {
    const item = { file, state: "queued", words: FILES.queued, answers: [], lines: [], about: null, url: "" };
    this.items.push(item);
    this.#makeRow(item);
    this.#write(item);
    if (!this.shown || !this.chosen) this.#show(item);
  }

  async #next() {
    if (this.running) return;
    const item = this.items.find(({ state }) => state === "queued");
    if (!item) return;
    this.running = true;
    await this.#score(item);
    this.running = false;
    this.#next();
  }

  async #score(item) {
    item.state = "busy";
    if (!this.chosen) this.#show(item);
    try {
      await this.#check(item.file);
      item.upload = new Upload(new URL("../files", import.meta.url), item.file, {
        onState: (state) => this.#progress(item, state),
        onRows: (rows, about) => this.#take(item, rows, about),
      });
      const { about, notes, deleted } = await item.upload.run();
      item.about = about;
      this.#end(item, "done", FILES.done(item.answers.length, deleted), [...FILES.missing(about), ...notes]);
    } catch (error) {
      if (item.state === "cancelled") return;
      const words = error instanceof Refused ? error.message : FILES.unreadable(item.file.name);
      this.#end(item, "failed", words, []);
    }
  }

  // Throws `Refused` for a file that need not be sent to know that it cannot be scored.
  async #check(file) {
    if (!file.size) throw new Refused({ message: FILES.empty(file.name) });
    if (file.size > (this.mostBytes ?? Infinity)) throw new Refused({ message: FILES.tooLarge(file, this.mostBytes) });
    await file.slice(0, HELD).arrayBuffer(); // fails where it was moved or deleted meanwhile
  }

  #progress(item, state) {
    if (state.name === "again") Object.assign(item, { answers: [], lines: [], remark: FILES.again });
    else item.words = FILES[state.name](state);
    item.share = state.size ? (0.5 * state.received) / state.size : state.length ? 0.5 + (0.5 * state.done) / state.length : item.share;
    this.#write(item);
  }

  #take(item, rows, about) {
    item.about = about;
    for (const row of rows) {
      item.lines.push(row.line);
      item.answers.push({ at: row.time, values: row.probabilities, trusted: row.label !== null, part: 0, box: row.box, shown: row });
    }
    if (item !== this.shown) return;
    if (this.view.clip.labels.join() !== about.labels.join()) {
      Object.assign(this.view.clip, about);
      this.view.setLabels(about.labels);
    }
    this.view.setAnswers(item.answers, about.length);
    this.parts["file-save"].disabled = false;
  }

  #end(item, state, words, notes) {
    Object.assign(item, { state, words, notes, remark: "" });
    this.#write(item);
    if (item === this.shown) this.#show(item);
    this.#say(`${item.file.name}: ${words}`);
  }

  async #cancel(item) {
    const was = item.state;
    item.state = "cancelled";
    item.words = was === "queued" ? FILES.cancelled : FILES.cancelling;
    this.#write(item);
    if (was === "queued") return;
    const certain = (await item.upload?.cancel()) ?? true;
    item.words = certain ? FILES.cancelledDeleted : FILES.cancelledLater;
    this.#write(item);
    this.#say(`${item.file.name}: ${item.words}`);
  }

  #remove(item) {
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    const next = this.items[Math.min(at, this.items.length - 1)];
    item.row.remove();
    if (item === this.shown) this.#show(next ?? null);
    (next?.title ?? this.parts["file-choose"]).focus();
    this.#buttons();
  }

  #show(item) {
    const same = item && item === this.shown;
    this.shown = item;
    for (const { row, title } of this.items) {
      const here = row === item?.row;
      row.classList.toggle("mm-here", here);
      title.setAttribute("aria-pressed", here);
    }
    this.parts["file-curtain"].hidden = Boolean(item);
    if (!item) this.view.show(null);
    else if (!same || !this.view.clip) {
      this.view.show({ name: item.file.name, kind: kindOf(item), blob: item.file, labels: [], windowSeconds: 3, unsureError: 0, ...item.about });
      if (item.about) this.view.setAnswers(item.answers, item.about.length);
    }
    this.#buttons();
  }

  #unplayable() {
    if (this.shown) this.#note(this.shown, FILES.unplayable);
  }

  #note(item, words) {
    item.unplayable = words;
    this.#write(item);
  }

  #makeRow(item) {
    const make = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
    item.row = make("li", "mm-file");
    item.title = make("button", "mm-link", item.file.name);
    item.bar = make("progress", "mm-progress");
    item.told = make("span", "mm-file-words");
    item.action = make("button", "mm-button mm-quiet");
    item.title.type = item.action.type = "button";
    item.bar.setAttribute("aria-label", item.file.name);
    item.title.addEventListener("click", () => {
      this.chosen = true;
      this.#show(item);
    });
    item.action.addEventListener("click", () => (["queued", "busy"].includes(item.state) ? this.#cancel(item) : this.#remove(item)));
    item.row.append(item.title, item.action, item.bar, item.told);
    this.parts["file-queue"].append(item.row);
  }

  #write(item) {
    const busy = ["queued", "busy"].includes(item.state);
    const words = [item.remark, item.words, ...(item.notes ?? []), item.unplayable].filter(Boolean).join(" ");
    if (item.written !== words) item.told.replaceChildren(...withCode(words));
    item.written = words;
    item.row.dataset.state = item.state;
    item.bar.hidden = item.state !== "busy";
    if (item.share === undefined) item.bar.removeAttribute("value");
    else item.bar.value = item.share;
    item.action.textContent = busy ? FILES.cancel : FILES.remove;
    item.action.setAttribute("aria-label", `${item.action.textContent}: ${item.file.name}`);
    this.#buttons();
  }

  #buttons() {
    const scored = this.items.filter(({ lines }) => lines.length);
    this.parts["file-more"].hidden = !this.items.length;
    this.parts["file-save"].disabled = !this.shown?.lines.length;
    this.parts["file-save-all"].hidden = scored.length < 2;
  }

  // One table, or one for each set of classes: a server may have come back with other weights.
  #save(items) {
    const tables = groups(items, ({ about }) => about.head);
    let count = 0;
    for (const [head, of] of tables) {
      const base = items.length === 1 ? items[0].file.name.replace(/\.[^.]*$/, "") : "emotions";
      const table = [head, ...of.flatMap(({ lines }) => lines), ""].join("\n");
      download(new Blob([table], { type: "text/csv" }), `${base}${count ? `-${count + 1}` : ""}.csv`);
      count += 1;
    }
    for (const item of items) item.saved = item.state !== "busy";
  }

  #key(event) {
    if (this.tabs.shown !== "file" || event.target.closest?.("input, textarea, select, button, a, dialog, video, [role=tab]")) return;
    this.view.key(event);
  }

  // For screen readers: an end, once. `told`: what was not taken, for everybody.
  #say(words, told = "") {
    this.parts["file-heard"].textContent = words;
    this.parts["file-words"].textContent = told;
  }
}

// Until the server has said what it is.
function kindOf({ file, about }) {
  if (about?.kind) return about.kind;
  if (file.type.startsWith("image/") || /\.(heic|heif|avif)$/i.test(file.name)) return "picture";
  return file.type.startsWith("audio/") ? "sound" : "video";
}

function groups(items, keyOf) {
  const found = new Map();
  for (const item of items) found.set(keyOf(item), [...(found.get(keyOf(item)) ?? []), item]);
  return found;
}
