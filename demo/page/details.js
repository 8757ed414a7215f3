// What a curious viewer may want to know of the machinery; folded away until asked for.

const points = (value) => `${(100 * value).toFixed(2)} %`;

export class Details {
  constructor(list) {
    this.cells = {};
    const rows = { engine: "Model", time: "Time per answer", drift: "Quick against exact", lost: "Lost on the way" };
    for (const [name, words] of Object.entries(rows)) {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      this.cells[name] = document.createElement("dd");
      term.textContent = words;
      this.cells[name].textContent = "–";
      row.append(term, this.cells[name]);
      list.append(row);
    }
  }

  setModel({ description, exact }) {
    this.cells.engine.textContent = description;
    this.setPace(exact);
  }

  // Whether every answer is computed whole from now on, or quickly, from what is new in it.
  setPace(exact) {
    if (exact === this.exact) return;
    this.exact = exact;
    this.cells.drift.textContent = exact ? "every answer is computed whole" : "not compared yet";
  }

  showResult({ modelMs, counters }) {
    this.cells.time.textContent = `${modelMs.toFixed(0)} ms`;
    const { frames_replaced: frames, index_gaps: gaps } = counters;
    this.cells.lost.textContent = `${frames} frames overtaken by newer ones, ${gaps} gaps in the sound`;
  }

  showDrift({ checks, last, largest }) {
    const times = checks === 1 ? "1 check" : `${checks} checks`;
    this.cells.drift.textContent = `probabilities off by ${points(last)} at most; ${points(largest)} in ${times}`;
  }
}
