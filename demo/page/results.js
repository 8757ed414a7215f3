// Every answer since the page was opened, for a spreadsheet: the columns are the server's (mmadfer/outputs/schema.py), and
// are filled here by name.

const MOST = 200_000; // rows; more than five hours at ten answers a second
const BOX = ["face_x", "face_y", "face_width", "face_height"];

export class Results {
  constructor(button) {
    this.button = button;
    this.tables = []; // { head, lines }: another one where a server comes back with other classes
    this.count = 0;
    button.addEventListener("click", () => this.save());
  }

  setModel(model) {
    this.model = model;
    this.head = line(model.columns.map(({ name }) => name));
  }

  // `at`: end of the window on the page's clock, s.
  push(at, result) {
    if (this.count >= MOST) return;
    this.first ??= at;
    if (this.tables.at(-1)?.head !== this.head) this.tables.push({ head: this.head, lines: [] });
    const values = this.#values(at, result);
    this.tables.at(-1).lines.push(line(this.model.columns.map(({ name, decimals }) => text(values[name], decimals))));
    this.count += 1;
    this.button.disabled = false;
  }

  #values(at, { label, states, face, hasAudio, modelMs, rawProbabilities, probabilities }) {
    const { labels, weights, description } = this.model;
    return {
      file: "live",
      time_s: at - this.first,
      label,
      ...Object.fromEntries(labels.map((name, i) => [name, rawProbabilities[i]])),
      ...Object.fromEntries(BOX.map((name, i) => [name, face?.[i]])),
      has_audio: hasAudio,
      states,
      latency_ms: modelMs,
      weights,
      time_utc: new Date(performance.timeOrigin + 1000 * at).toISOString(),
      engine: description,
      ...Object.fromEntries(labels.map((name, i) => [`smoothed_${name}`, probabilities[i]])),
    };
  }

  // One file, or one for each set of classes.
  save() {
    const now = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    this.tables.forEach(({ head, lines }, i) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([[head, ...lines, ""].join("\n")], { type: "text/csv" }));
      link.download = `emotions-${now}${i ? `-${i + 1}` : ""}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
}

function text(value, decimals) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join("; ");
  if (typeof value === "boolean") return value ? "1" : "0";
  return decimals === null ? String(value) : value.toFixed(decimals);
}

function line(cells) {
  return cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",");
}
