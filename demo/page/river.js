// The river: one band per class, as wide as its probability, with flags and with hatching where there was no answer. The live
// timeline and the timelines of files and recordings are drawn here.

import { colorOf } from "./colors.js";
import { LONGEST_STEP } from "./summary.js";
import { capital, labelOf } from "./words.js";

const NAMED_FROM = 20; // px of a band's width from which on its name stands in it
const HATCH = 7; // px between two lines over a gap
const LONGEST_FLAG = 16; // characters of a flag

// surface: as `fit` gives it. answers: [{ at (s), values, trusted, part }] by time; nothing is drawn from one part to the next.
// from, to: s at the left and the right edge. Gives what was drawn, and where a time lies.
export function drawRiver(surface, { labels, answers, from, to, dark }) {
  const { context, width, height, scale } = surface;
  context.clearRect(0, 0, width, height);
  const x = ({ at }) => (width * (at - from)) / (to - from);
  const shown = thinned(answers.filter(({ at }) => at >= from - LONGEST_STEP && at <= to), width);
  const stretches = runs(shown);
  stretches.slice(1).forEach((run, i) => hatch(context, x(stretches[i].at(-1)), x(run[0]), height, scale, dark));
  for (const run of stretches) {
    context.globalAlpha = run[0].trusted ? 0.92 : 0.22;
    drawRun(context, labels, height, run, x, dark);
  }
  context.globalAlpha = 1;
  return { shown, x };
}

// flags: [{ at (s), text }] by time; x: of `drawRiver`. One line for each px, and words where there is room for them: of
// thousands the picture is as quick as of ten.
export function drawFlags({ context, width, height, scale }, flags, x, dark) {
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "top";
  let [line, free] = [-Infinity, -Infinity];
  for (const flag of flags) {
    const left = x(flag);
    if (left < 0 || left > width || left - line < 1) continue;
    line = left;
    context.fillStyle = dark ? "#fff" : "#171a21";
    context.fillRect(left - scale, 0, 2 * scale, height);
    if (left < free) continue;
    const words = flag.text.length > LONGEST_FLAG ? `${flag.text.slice(0, LONGEST_FLAG - 1)}…` : flag.text;
    const long = context.measureText(words).width + 8 * scale;
    free = left + long;
    context.fillRect(left, 0, long, 16 * scale);
    context.fillStyle = dark ? "#171a21" : "#fff";
    context.fillText(words, left + 4 * scale, 2.5 * scale);
  }
}

// The names of the wide bands, left of `right` (px), where `values` are: colours alone do not tell everybody.
export function nameBands({ context, height, scale }, labels, values, right) {
  context.font = `600 ${12 * scale}px system-ui, sans-serif`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  let upper = 0;
  labels.forEach((name, k) => {
    const size = values[k] * height;
    if (size >= NAMED_FROM * scale) {
      const y = upper + size / 2;
      const words = capital(labelOf(name));
      const width = context.measureText(words).width;
      context.fillStyle = "rgb(13 16 24 / 72%)";
      context.beginPath();
      context.roundRect(right - width - 14 * scale, y - 9 * scale, width + 10 * scale, 18 * scale, 9 * scale);
      context.fill();
      context.fillStyle = "#fff";
      context.fillText(words, right - 9 * scale, y + 0.5 * scale);
    }
    upper += size;
  });
}

// A line from top to bottom at `left` (px).
export function drawCursor({ context, height, scale }, left, dark) {
  context.fillStyle = dark ? "#fff" : "#171a21";
  context.fillRect(left, 0, scale, height);
}

// The answer nearest to `at` (s) among `answers`, which are by time; undefined where there are none.
export function nearest(answers, at) {
  let [low, high] = [0, answers.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (answers[middle].at < at) low = middle + 1;
    else high = middle;
  }
  const before = answers[low - 1];
  return before && at - before.at < answers[low].at - at ? before : answers[low];
}

// The classes by their value, largest first.
export const ranked = (labels, values) => labels.map((name, k) => ({ name, value: values[k] })).sort((a, b) => b.value - a.value);

function drawRun(context, labels, height, run, x, dark) {
  let upper = run.map(() => 0);
  labels.forEach((name, k) => {
    const lower = run.map((answer, i) => upper[i] + answer.values[k]);
    context.beginPath();
    run.forEach((answer, i) => context.lineTo(x(answer), upper[i] * height));
    for (let i = run.length - 1; i >= 0; i -= 1) context.lineTo(x(run[i]), lower[i] * height);
    context.closePath();
    context.fillStyle = colorOf(name, k, dark);
    context.fill();
    upper = lower;
  });
}

// At most two answers for each px; whole runs keep their ends.
function thinned(answers, width) {
  const step = Math.ceil(answers.length / (2 * width));
  if (step <= 1) return answers;
  return answers.filter((answer, i) => {
    const [before, after] = [answers[i - 1], answers[i + 1]];
    const edge = before?.part !== answer.part || after?.part !== answer.part;
    return edge || before.trusted !== answer.trusted || after.trusted !== answer.trusted || i % step === 0;
  });
}

// Lines over the time between two stretches, in which there was no answer.
function hatch(context, left, right, height, scale, dark) {
  if (right - left < 3 * scale) return;
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.strokeStyle = dark ? "rgb(255 255 255 / 16%)" : "rgb(23 26 33 / 16%)";
  context.lineWidth = scale;
  context.beginPath();
  for (let x = left - height; x < right; x += HATCH * scale) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}

// Stretches of answers that belong together: no pause between them, and all shown or all dimmed.
function runs(answers) {
  const found = [];
  answers.forEach((answer, i) => {
    const before = answers[i - 1];
    const run = found[found.length - 1];
    if (!before || answer.part !== before.part || answer.at - before.at > LONGEST_STEP) {
      found.push([answer]);
    } else {
      run.push(answer); // where trust changes, this answer ends one stretch and begins the next
      if (answer.trusted !== before.trusted) found.push([answer]);
    }
  });
  return found.filter((run) => run.length > 1);
}
