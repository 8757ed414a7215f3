// The voice as a moving picture: each column that the server sends is drawn once, then only shifted.

import { fit, oncePerRepaint } from "./canvas.js";
import { spectrogramColors } from "./colors.js";

const SPAN = 6; // s

export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.colors = spectrogramColors();
    this.draw = oncePerRepaint(() => this.#draw());
    this.columns = 0;
    new ResizeObserver(this.draw).observe(canvas);
  }

  // bins: values in a column; columnsPerSecond: columns of one second of sound; heard: s that the model hears.
  setShape(bins, columnsPerSecond, heard) {
    this.heard = heard;
    if (this.sheet?.height === bins && this.sheet.width === SPAN * columnsPerSecond) return;
    this.sheet = document.createElement("canvas");
    this.sheet.width = SPAN * columnsPerSecond;
    this.sheet.height = bins;
    this.bins = bins;
    this.clear();
  }

  // columns: one byte a value, column after column, lowest pitch first.
  push(columns) {
    const count = Math.min(Math.floor(columns.length / this.bins), this.sheet.width);
    if (!count) return;
    const first = columns.length / this.bins - count;
    const image = new ImageData(count, this.bins);
    const pixels = new Uint32Array(image.data.buffer);
    for (let x = 0; x < count; x += 1) {
      for (let bin = 0; bin < this.bins; bin += 1) {
        pixels[(this.bins - 1 - bin) * count + x] = this.colors[columns[(first + x) * this.bins + bin]];
      }
    }
    const context = this.sheet.getContext("2d", { alpha: false });
    context.drawImage(this.sheet, -count, 0);
    context.putImageData(image, this.sheet.width - count, 0);
    this.columns += count;
    this.canvas.dataset.columns = this.columns;
    this.draw();
  }

  clear() {
    if (!this.sheet) return;
    const context = this.sheet.getContext("2d", { alpha: false });
    context.fillStyle = "rgb(17 14 32)";
    context.fillRect(0, 0, this.sheet.width, this.sheet.height);
    this.draw();
  }

  #draw() {
    if (!this.sheet) return;
    const { context, width, height, scale } = fit(this.canvas);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.sheet, 0, 0, width, height);
    if (!this.heard) return;
    const left = Math.round(width * (1 - this.heard / SPAN));
    context.fillStyle = "rgb(255 255 255 / 45%)";
    for (let y = 0; y < height; y += 8 * scale) context.fillRect(left, y, scale, 4 * scale);
  }
}
