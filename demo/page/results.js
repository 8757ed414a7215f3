// Answers as tables for a spreadsheet: the columns are the server's (mmadfer/outputs/schema.py), and are filled here by name.
// `Results` keeps every answer since the page was opened.

const MOST = 200_000; // rows; more than five hours at ten answers a second
const BOX = ["face_x", "face_y", "face_width", "face_height"];

export class Results {
  constructor(button) {
    this.button = button;
    this.tables = []; // { head, lines }: another one where a server comes back with other classes
    this.count = 0;
    this.segment = 1;
    button.addEventListener("click", () => this.save());
    window.addEventListener("beforeunload", (event) => {
      if (this.unsaved) event.preventDefault(); // the browser asks: what is here is nowhere else
    });
  }

  get full() {
    return this.count >= MOST;
  }

  // The run was stopped, or the line lost: what comes from now on is another stretch.
  interrupt() {
    if (this.inSegment) this.segment += 1;
    this.inSegment = false;
    this.drift = undefined;
  }

  setModel(model) {
    this.model = model;
    this.head = csvLine(model.columns.map(({ name }) => name));
  }

  // `at`: end of the window on the page's clock, s.
  push(at, result) {
    if (this.full) return;
    this.first ??= at;
    if (this.tables.at(-1)?.head !== this.head) this.tables.push({ head: this.head, lines: [] });
    const { segment, drift } = this;
    this.tables.at(-1).lines.push(csvRow(this.model, result, { file: "live", at, zero: this.first, segment, drift }));
    this.inSegment = true;
    this.count += 1;
    this.unsaved = true;
    this.button.disabled = false;
  }

  // One file, or one for each set of classes.
  save() {
    this.unsaved = false;
    const now = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    this.tables.forEach(({ head, lines }, i) => {
      const table = new Blob([[head, ...lines, ""].join("\n")], { type: "text/csv" });
      download(table, `emotions-${now}${i ? `-${i + 1}` : ""}.csv`);
    });
  }
}

// One answer. at and zero: end of its window, and the table's first moment, on the page's clock, s; segment: number of the
// stretch with a line to the server; drift: of the newest comparison of a quick answer with an exact one.
export function csvRow(model, result, { file, at, zero, segment, drift }) {
  const { label, states, face, hasAudio, speech, modelMs, rawProbabilities, probabilities } = result;
  const { labels, weights, description } = model;
  const values = {
    file: result.clip?.[0] ?? file, // of a clip that the server plays, and how far into it
    time_s: result.clip?.[1] ?? at - zero,
    label,
    ...Object.fromEntries(labels.map((name, i) => [name, rawProbabilities[i]])),
    ...Object.fromEntries(BOX.map((name, i) => [name, face?.[i]])),
    face_number: result.faceNumber,
    face_count: result.faceCount,
    has_audio: hasAudio,
    speech,
    states,
    rests_on: result.restsOn,
    temperature: result.temperature,
    unsure: label === null ? null : result.unsure,
    latency_ms: modelMs,
    weights,
    time_utc: new Date(performance.timeOrigin + 1000 * at).toISOString(),
    engine: description,
    ...Object.fromEntries(labels.map((name, i) => [`smoothed_${name}`, probabilities[i]])),
    smoothing_s: result.smoothing,
    ...Object.fromEntries(labels.map((name, i) => [`face_alone_${name}`, result.faceAlone?.[i]])),
    ...Object.fromEntries(labels.map((name, i) => [`voice_alone_${name}`, result.voiceAlone?.[i]])),
    alone_age_s: result.aloneAge,
    segment,
    frame: result.frame,
    drift,
  };
  return csvLine(model.columns.map(({ name, decimals }) => text(values[name], decimals)));
}

export function csvLine(cells) {
  return cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",");
}

// Hands `blob` to the browser to save as `name`.
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a large file takes its time
}

function text(value, decimals) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join("; ");
  if (typeof value === "boolean") return value ? "1" : "0";
  return decimals === null ? String(value) : value.toFixed(decimals);
}
