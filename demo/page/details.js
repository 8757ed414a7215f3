// What a curious viewer may want to know of the machinery; folded away until asked for.

import { write } from "./markup.js";
import { percent, RESTS_ON } from "./words.js";

const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
const points = (value) => `${(100 * value).toFixed(2)} %`;

export class Details {
  constructor(list) {
    this.cells = {};
    const rows = { engine: "Model", basis: "The answer rests on", time: "Time per answer" };
    Object.assign(rows, { drift: "Quick against exact", lost: "Lost on the way" });
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

  showResult({ modelMs, counters, restsOn, temperature, unsureBelow }) {
    const sure = unsureBelow > 0 && unsureBelow < 1 ? `, sure from ${percent(unsureBelow)} on` : "";
    const basis = RESTS_ON[restsOn] ?? "nothing: no face, and nobody is heard";
    write(this.cells.basis, `${basis} (temperature ${temperature.toFixed(2)}${sure})`);
    write(this.cells.time, `${modelMs.toFixed(0)} ms`);
    const { frames_replaced: frames, index_gaps: gaps } = counters;
    write(this.cells.lost, `${count(frames, "frame")} skipped for newer ones, ${count(gaps, "gap")} in the sound`);
  }

  showDrift({ checks, last, largest }) {
    const most = `${points(largest)} in ${count(checks, "check")}`;
    this.cells.drift.textContent = `within ${points(last)} of each class when last compared; at most ${most}`;
  }
}
