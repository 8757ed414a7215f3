// A recording: picture and sound as the browser has them, every answer, every marker, in one zip at the end. It is written
// to the browser's own database as it goes, and leaves the machine only when somebody saves it.

import { furtherFiles } from "./further.js";
import { csvLine, csvRow, download } from "./results.js";
import { KINDS, Vault } from "./vault.js";
import { zip } from "./zip.js";

const EVERY = 1000; // ms between two writes: what a crash may cost
export const FORMAT = { format: "mmadfer-recording", version: 1 };
const TYPES = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const SOUND_TYPES = ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"];
export const MARKER_HEAD = ["time_s", "time_utc", "key", "text"];
export const MOST_TEXT = 500; // characters of a marker

export class Recording {
  // onTrouble(error): it can no longer be written; what was written is kept.
  constructor(onTrouble) {
    this.onTrouble = onTrouble;
    this.running = false;
  }

  // asked: { name, video, told, toldBeforeStart, settings, formats }; tracks: those of camera and microphone that are there;
  // model: what the server runs.
  async start(asked, tracks, model) {
    this.vault = await Vault.open();
    for (const { id, about } of await this.vault.list()) if (about.saved) await this.vault.remove(id);
    const wanted = tracks.filter((track) => asked.video || track.kind === "audio");
    const picture = wanted.some((track) => track.kind === "video");
    this.model = model;
    this.rows = [];
    this.marks = [];
    this.counted = null;
    this.recorder = await this.#recorder(wanted, picture);
    this.about = {
      ...FORMAT,
      name: asked.name,
      told: asked.told,
      toldBeforeStart: asked.toldBeforeStart,
      formats: asked.formats,
      startedUtc: new Date(performance.timeOrigin + this.zero).toISOString(),
      seconds: 0,
      media: this.recorder
        ? { file: mediaName(this.recorder.mimeType, picture), type: this.recorder.mimeType, picture, settings: settings(wanted) }
        : null,
      weights: model.weights,
      trained: model.trained,
      engine: model.description,
      labels: model.labels,
      windowSeconds: model.windowSeconds,
      ...model.about,
      columns: model.columns.map(({ name }) => name),
      clock: { wallMinusPageMs: { start: wallMinusPage() } },
      losses: { framesReplaced: 0, soundGaps: 0, linesLost: 0 },
      drift: null,
      segments: [{ from: 0 }],
      settings: [{ from: 0, ...asked.settings }],
      baselines: [],
      answers: 0,
      markers: 0,
      facesRead: [], // their numbers, in the order in which they were read
      saved: false,
    };
    this.id = await this.vault.begin(this.about);
    this.running = true;
    if (this.early) await this.#write("video", this.early);
    this.timer = setInterval(() => this.#flush(), EVERY);
  }

  get seconds() {
    return (performance.now() - this.zero) / 1000;
  }

  // `at`: end of the window on the page's clock, s.
  push(at, result) {
    if (!this.running || 1000 * at < this.zero) return;
    const { media, segments, drift } = this.about;
    const place = { file: media?.file ?? "none", at, zero: this.zero / 1000, segment: segments.length, drift: drift?.last };
    this.rows.push(csvRow(this.model, result, place));
    this.#count(result.counters);
    const { facesRead } = this.about;
    if (result.faceNumber && !facesRead.includes(result.faceNumber)) facesRead.push(result.faceNumber);
    this.about.answers += 1;
  }

  // age: how long ago it was, s; what was before the recording is none of its markers.
  mark(key, text = "", age = 0) {
    const time = this.seconds - age;
    if (!this.running || time < 0) return;
    this.marks.push(csvLine([time.toFixed(3), new Date(Date.now() - 1000 * age).toISOString(), key, text.slice(0, MOST_TEXT)]));
    this.about.markers += 1;
  }

  // mean: what each class had in the viewer's own neutral seconds, or null.
  setBaseline(mean) {
    this.about.baselines.push({ from: round(Math.max(0, this.seconds)), mean });
  }

  // changed: of the viewer's settings, by name.
  setSettings(changed) {
    if (this.running) this.about.settings.push({ from: round(this.seconds), ...changed });
  }

  // How far quick answers were from exact ones when last compared: { checks, last, largest }.
  setDrift({ checks, last, largest }) {
    if (this.running) this.about.drift = { checks, last, largest };
  }

  // What the server's session has lost; a new session counts from 0 again.
  #count({ frames_replaced: frames, index_gaps: gaps, results }) {
    const before = this.counted && results >= this.counted.results ? this.counted : { frames: 0, gaps: 0 };
    if (this.counted || this.about.segments.length > 1) {
      this.about.losses.framesReplaced += frames - before.frames;
      this.about.losses.soundGaps += gaps - before.gaps;
    }
    this.counted = { frames, gaps, results };
  }

  // The line was lost, or is there again with this model.
  interrupt() {
    const last = this.about?.segments.at(-1);
    if (!this.running || !last || last.to !== undefined) return;
    last.to = round(this.seconds);
    this.about.losses.linesLost += 1;
    this.about.drift = null;
  }

  resume() {
    if (this.running && this.about.segments.at(-1).to !== undefined) this.about.segments.push({ from: round(this.seconds) });
  }

  // Ends it and gives its number in the vault.
  async stop() {
    if (!this.running) return null;
    this.length = round(this.seconds);
    const last = this.about.segments.at(-1);
    last.to ??= this.length;
    this.about.clock.wallMinusPageMs.end = wallMinusPage();
    clearInterval(this.timer);
    if (this.recorder && this.recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => this.recorder.addEventListener("stop", resolve, { once: true }));
      this.recorder.stop();
      await stopped;
    }
    await this.writing;
    await this.#flush();
    this.running = false;
    return this.id;
  }

  async #recorder(tracks, picture) {
    const type = globalThis.MediaRecorder && (picture ? TYPES : SOUND_TYPES).find((t) => MediaRecorder.isTypeSupported(t));
    this.zero = performance.now();
    if (!tracks.length || !type) return null;
    const recorder = new MediaRecorder(new MediaStream(tracks), { mimeType: type });
    recorder.addEventListener("dataavailable", ({ data }) => {
      if (!data.size) return;
      if (this.running) this.#write("video", data);
      else this.early = data;
    });
    const begun = new Promise((resolve) => recorder.addEventListener("start", resolve, { once: true }));
    this.zero = performance.now(); // what it records begins here; its word that it has begun comes 70 ms and more later
    recorder.start(EVERY);
    await begun;
    return recorder;
  }

  async #flush() {
    const [rows, marks] = [this.rows.splice(0), this.marks.splice(0)];
    if (rows.length) await this.#write("answers", rows.join("\n"));
    if (marks.length) await this.#write("markers", marks.join("\n"));
    this.about.seconds = this.length ?? round(this.seconds);
    await this.#attempt(() => this.vault.describe(this.id, this.about));
  }

  // One write after the other: pieces stay in order.
  #write(kind, data) {
    this.writing = Promise.resolve(this.writing).then(() => this.#attempt(() => this.vault.append(this.id, kind, data)));
    return this.writing;
  }

  async #attempt(write) {
    try {
      await write();
    } catch (error) {
      if (!this.failed) this.onTrouble(error);
      this.failed = true;
    }
  }
}

// Recordings that nobody has saved: of a page that was closed, or a browser that fell over.
export async function unsaved() {
  try {
    return (await (await Vault.open()).list()).filter(({ about }) => !about.saved);
  } catch {
    return []; // a browser that keeps nothing
  }
}

// Makes the zip of recording `id` and hands it to the browser to save; gives its name, and why further files are not in it.
export async function save(id) {
  const vault = await Vault.open();
  const { about } = (await vault.list()).find((recording) => recording.id === id);
  const [media, answers, markers] = await Promise.all(KINDS.map((kind) => vault.pieces(id, kind)));
  const table = (head, lines) => new Blob([[head, ...lines, ""].join("\n")], { type: "text/csv" });
  const tables = [
    { name: "answers.csv", blob: table(csvLine(about.columns), answers) },
    { name: "markers.csv", blob: table(csvLine(MARKER_HEAD), markers) },
    { name: "metadata.json", blob: new Blob([JSON.stringify(about, null, 2)]) },
  ];
  const video = media.length ? [{ name: about.media.file, blob: new Blob(media, { type: about.media.type }) }] : [];
  const { files: further, missing } = await furtherFiles(tables, about.formats ?? []);
  const name = `session-${plain(about.name)}${about.startedUtc.slice(0, 19).replaceAll(":", "-")}.zip`;
  download(await zip([...video, ...tables, ...further]), name);
  await vault.describe(id, { ...about, saved: true });
  return { name, missing, formats: about.formats ?? [] };
}

export async function discard(id) {
  await (await Vault.open()).remove(id);
}

const plain = (name) => (name ? `${name.replaceAll(/[^\p{L}\p{N}_-]+/gu, "-").slice(0, 60)}-` : "");
const mediaName = (type, picture) => `${picture ? "video" : "sound"}.${type.includes("mp4") ? "mp4" : "webm"}`;
// ms; it changes where somebody sets the clock, and where the machine sleeps.
const wallMinusPage = () => Math.round(Date.now() - performance.timeOrigin - performance.now());
const round = (seconds) => Math.round(1000 * seconds) / 1000;
const settings = (tracks) =>
  Object.fromEntries(
    tracks.map((track) => {
      const { width, height, frameRate, sampleRate, channelCount } = track.getSettings();
      return [track.kind, { width, height, frameRate, sampleRate, channelCount }];
    }),
  );
