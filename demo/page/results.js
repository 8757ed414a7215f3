// Every answer since the page was opened, for a spreadsheet.

const MOST = 200_000; // rows; more than five hours at ten answers a second

export class Results {
  constructor(button) {
    this.button = button;
    this.rows = [];
    button.addEventListener("click", () => this.save());
  }

  setModel({ labels, description, trained }) {
    this.labels = labels;
    this.weights = trained ? description : `UNTRAINED, the numbers mean nothing: ${description}`;
  }

  push({ time, label, probabilities, states }) {
    if (this.rows.length >= MOST) return;
    const clock = new Date(performance.timeOrigin + 1000 * time).toISOString();
    const values = probabilities.map((value) => value.toFixed(5));
    this.rows.push([clock, label ?? "", states.join("; "), ...values, this.weights]);
    this.button.disabled = false;
  }

  csv() {
    const head = ["time", "label", "states", ...this.labels, "weights"];
    const quote = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    return [head, ...this.rows].map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    link.download = `emotions-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
