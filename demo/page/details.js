// What a curious viewer may want to know of the machinery; folded away until asked for.

import { write } from "./markup.js";
import { DETAILS } from "./words.js";

export class Details {
  constructor(list) {
    this.cells = {};
    for (const [name, words] of Object.entries(DETAILS.rows)) {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      this.cells[name] = document.createElement("dd");
      term.textContent = words;
      this.cells[name].textContent = "–";
      row.append(term, this.cells[name]);
      row.hidden = name === "further"; // most read one face
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
    this.cells.drift.textContent = exact ? DETAILS.exact : DETAILS.notCompared;
  }

  showResult({ modelMs, counters, restsOn, temperature, unsureBelow }) {
    const sureFrom = unsureBelow > 0 && unsureBelow < 1 ? unsureBelow : null;
    write(this.cells.basis, DETAILS.basis(restsOn, temperature, sureFrom));
    write(this.cells.time, `${modelMs.toFixed(0)} ms`);
    write(this.cells.lost, DETAILS.lost(counters.frames_replaced, counters.index_gaps));
  }

  // Of a face that is read beside the chosen one.
  showFurther({ modelMs }) {
    this.cells.further.parentElement.hidden = false;
    write(this.cells.further, `${modelMs.toFixed(0)} ms`);
  }

  showDrift({ checks, last, largest }) {
    this.cells.drift.textContent = DETAILS.drift(last, largest, checks);
  }
}
