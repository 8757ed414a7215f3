// A recording that was saved: read from its zip in this browser, and written into a new zip with other markers. Nothing of it
// goes to the server.

import { csvLine } from "./results.js";
import { FORMAT, MARKER_HEAD } from "./recording.js";
import { unzip, ZipError } from "./unzip.js";
import { DAMAGED, OPENED } from "./words_tabs.js";
import { zip } from "./zip.js";

const TOLD_ELSEWHERE = /\.(eaf|textgrid|boris|html)$/i; // files that tell the markers in another form
export const MOST_MARKERS = 100_000;

// What is wrong with a file that was to be opened, in words.
export class RecordingError extends Error {}

export class OpenedRecording {
  // Throws `RecordingError`.
  static async open(file) {
    try {
      const files = await unzip(file);
      const about = await metadata(file.name, files);
      const [answers, markers] = await Promise.all(["answers.csv", "markers.csv"].map((name) => table(files, name)));
      const media = about.media && files[about.media.file];
      const blob = media ? await media.blob(about.media.type.split(";")[0]) : null;
      return new OpenedRecording(file.name, { files, about, answers, markers, blob });
    } catch (error) {
      if (error instanceof ZipError) throw new RecordingError(error.none ? OPENED.noZip(file.name) : OPENED.damaged(file.name, error.message));
      if (error instanceof DOMException) throw new RecordingError(OPENED.damaged(file.name, DAMAGED.gone));
      throw error;
    }
  }

  constructor(name, { files, about, answers, markers, blob }) {
    this.name = name;
    this.files = files;
    this.about = about;
    this.blob = blob;
    this.kind = about.media?.picture === false ? "sound" : "video";
    this.labels = about.labels;
    this.answers = answersOf(answers, about);
    this.markerHead = markers.head.length ? markers.head : MARKER_HEAD;
    this.markers = markersOf(markers);
  }

  get seconds() {
    return Math.max(this.about.seconds, this.answers.at(-1)?.at ?? 0);
  }

  // markers: as of `this.markers`. Gives the new zip, its name and metadata, and the names of the files that were left out of it.
  async withMarkers(markers) {
    const { about, files } = this;
    const edit = { atUtc: new Date().toISOString(), markersBefore: about.markers, markers: markers.length };
    const edited = { ...about, markers: markers.length, edits: [...(about.edits ?? []), edit] };
    const names = Object.keys(files).filter((name) => !["markers.csv", "metadata.json"].includes(name));
    const left = names.filter((name) => TOLD_ELSEWHERE.test(name));
    const kept = names.filter((name) => !left.includes(name));
    const parts = await Promise.all(kept.map(async (name) => ({ name, blob: await files[name].blob(), crc: files[name].crc })));
    const rows = markers.map((marker) => csvLine(this.markerHead.map((column) => String(cellOf(marker, column, about)))));
    parts.push({ name: "markers.csv", blob: new Blob([[csvLine(this.markerHead), ...rows, ""].join("\n")]) });
    parts.push({ name: "metadata.json", blob: new Blob([JSON.stringify(edited, null, 2)]) });
    const base = this.name.replace(/(-marked-\d+)?(\(\d+\)| \(\d+\))?\.zip$/i, "");
    return { blob: await zip(parts), name: `${base}-marked-${edited.edits.length}.zip`, about: edited, left };
  }
}

async function metadata(name, files) {
  if (!files["metadata.json"]) throw new RecordingError(OPENED.noRecording(name));
  let about;
  try {
    about = JSON.parse(await (await files["metadata.json"].blob()).text());
  } catch (error) {
    if (error instanceof ZipError) throw error;
    throw new ZipError(DAMAGED.about);
  }
  if (about?.format !== FORMAT.format) throw new RecordingError(OPENED.noRecording(name));
  if (!(about.version <= FORMAT.version)) throw new RecordingError(OPENED.newer(name, String(about.version), FORMAT.version));
  const labels = Array.isArray(about.labels) && about.labels.length > 1 && about.labels.every((label) => typeof label === "string");
  const media = about.media === null || (typeof about.media?.file === "string" && typeof about.media.type === "string");
  if (!labels || !media || !Number.isFinite(about.seconds)) throw new ZipError(DAMAGED.aboutLacks);
  return about;
}

async function table(files, name) {
  if (!files[name]) throw new ZipError(DAMAGED.missing(name));
  const [head = [], ...rows] = csvRows(await (await files[name].blob()).text());
  const last = rows.at(-1);
  if (last && last.length < head.length) rows.pop(); // cut off where a program fell over
  return { head, rows };
}

function answersOf({ head, rows }, { labels, segments = [] }) {
  const at = Object.fromEntries(head.map((name, i) => [name, i]));
  const columns = labels.map((label) => at[`smoothed_${label}`] ?? at[label]);
  if (at.time_s === undefined || columns.includes(undefined)) throw new ZipError(DAMAGED.columns);
  const text = (row, name) => row[at[name]] ?? "";
  const answers = rows.map((row) => {
    const values = columns.map((column) => Number(row[column]));
    const seconds = Number(text(row, "time_s"));
    const label = text(row, "label") || null;
    const states = text(row, "states").split("; ").filter(Boolean);
    const shown = { label, probabilities: values, states, restsOn: text(row, "rests_on") || null, unsure: text(row, "unsure") === "1" };
    return { at: seconds, values, trusted: label !== null, part: partOf(segments, seconds), box: null, shown };
  });
  const right = answers.filter(({ at: seconds, values }) => Number.isFinite(seconds) && values.every(Number.isFinite));
  return right.sort((a, b) => a.at - b.at);
}

// The line to the server was there from `from` to `to`; nothing joins two such stretches.
function partOf(segments, seconds) {
  let part = 0;
  while (part + 1 < segments.length && segments[part + 1].from <= seconds) part += 1;
  return part;
}

function markersOf({ head, rows }) {
  const found = rows.slice(0, MOST_MARKERS).map((row) => {
    const cells = Object.fromEntries(head.map((name, i) => [name, row[i] ?? ""]));
    return { at: Number(cells.time_s), key: cells.key ?? "", text: cells.text ?? "", cells };
  });
  return found.filter(({ at }) => Number.isFinite(at)).sort((a, b) => a.at - b.at);
}

// cells: as the marker was read, where it was; what was not changed is written as it was.
function cellOf({ at, key, text, cells = {} }, column, { startedUtc }) {
  const same = cells.time_s !== undefined && Number(cells.time_s) === at;
  if (column === "time_s") return same ? cells.time_s : at.toFixed(3);
  if (column === "time_utc") return same ? cells.time_utc : new Date(Date.parse(startedUtc) + 1000 * at).toISOString();
  return { key, text }[column] ?? cells[column] ?? "";
}

// The cells of a table, by rows; quoted ones may hold commas, quotes and line ends.
export function csvRows(text) {
  const rows = [];
  let row = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  while (cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (!found) throw new ZipError(DAMAGED.table);
    row.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] !== ",") {
      rows.push(row);
      row = [];
    }
  }
  if (row.length) rows.push([...row, ""]);
  return rows;
}
