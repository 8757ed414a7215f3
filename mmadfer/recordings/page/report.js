"use strict";
// Player, reading, timelines and markers of one recording. The rivers are drawn once and kept; moving costs two copies.

const data = JSON.parse(document.getElementById("data").textContent);
const part = (id) => document.getElementById(id);
const { labels, colors, times, values, shown, states, markers } = data;
const SECONDS = Math.max(data.seconds, 0.001);
const MINUTE = 60; // s of the lower timeline
const HOLD = data.hold; // s that an answer stands where no other comes
const SHOWN = 200; // markers that the list shows at once
const NEAR = 6; // px from a flag within which a click means it
const dark = matchMedia("(prefers-color-scheme: dark)");

const clock = (s, digits = 1) => {
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  const rest = (s % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
};
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
const clamp = (s) => Math.min(SECONDS, Math.max(0, s));

// Number of elements of `sorted` that are at most `value`.
function upTo(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The answer that stands at `s`, or -1.
function answerAt(s) {
  const i = upTo(times, 1000 * s) - 1;
  return i >= 0 && s - times[i] / 1000 <= HOLD ? i : -1;
}

// --- the player: the file beside this page, one that is chosen, or a clock alone

class Player {
  constructor(onMove) {
    this.onMove = onMove;
    this.at = 0;
    this.media = part("media");
    this.running = false;
    if (!this.media) return;
    this.media.addEventListener("error", () => this.missing());
    this.media.addEventListener("loadedmetadata", () => this.loaded());
    this.media.addEventListener("seeked", () => this.#follow());
    this.media.addEventListener("play", () => this.#run(true));
    this.media.addEventListener("pause", () => this.#run(false));
    this.media.addEventListener("seeking", () => {
      if (this.ready && this.wanted === null) this.#moved(this.media.currentTime);
    });
    this.wanted = null;
    this.ready = false;
    this.media.src = data.media;
    part("file").addEventListener("change", ({ target }) => {
      if (target.files[0]) this.media.src = URL.createObjectURL(target.files[0]);
    });
  }

  missing() {
    this.ready = false;
    this.media.hidden = true;
    part("choose-words").textContent = `${data.media} is not beside this page, or cannot be played here.`;
    part("choose").hidden = false;
  }

  // What a browser records as it goes does not say how long it is; then it is found by going to the end once.
  loaded() {
    part("choose").hidden = true;
    this.media.hidden = false;
    if (Number.isFinite(this.media.duration)) return this.#begin();
    this.media.addEventListener("seeked", () => this.#begin(), { once: true });
    this.media.currentTime = 1e7;
  }

  #begin() {
    this.ready = true;
    this.wanted = null;
    this.go(this.at);
  }

  // One jump at a time; the newest place that was asked for comes next.
  go(s) {
    this.#moved(clamp(s));
    if (!this.ready) return;
    if (this.media.seeking) this.wanted = this.at;
    else this.media.currentTime = this.at;
  }

  #follow() {
    if (this.wanted === null || !this.ready) return;
    const to = this.wanted;
    this.wanted = null;
    this.media.currentTime = to;
  }

  toggle() {
    if (this.ready) return this.media.paused ? this.media.play() : this.media.pause();
    this.#run(!this.running);
  }

  #run(running) {
    this.running = running;
    part("play").textContent = running ? "Pause" : "Play";
    let before = performance.now();
    const tick = (now) => {
      if (!this.running) return;
      if (this.ready) this.#moved(this.media.currentTime);
      else this.#moved(clamp(this.at + (now - before) / 1000));
      before = now;
      if (!this.ready && this.at >= SECONDS) this.#run(false);
      else requestAnimationFrame(tick);
    };
    if (running) requestAnimationFrame(tick);
  }

  #moved(s) {
    this.at = clamp(s);
    this.onMove(this.at);
  }
}

// --- rivers

// Draws the answers from `from` to `to` (s) on a canvas of its own, `step` px a column.
function river(width, height, from, to, step) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const fills = colors.map(([light, onDark]) => (dark.matches ? onDark : light));
  const sums = new Float64Array(labels.length);
  let next = upTo(times, 1000 * from);
  for (let x = 0; x < width; x += step) {
    const end = from + ((x + step) / width) * (to - from);
    const first = next;
    while (next < times.length && times[next] < 1000 * end) next += 1;
    const held = next > first ? -1 : answerAt(end);
    if (next === first && held < 0) continue;
    const [low, high] = next > first ? [first, next] : [held, held + 1];
    let trusted = 0;
    sums.fill(0);
    for (let i = low; i < high; i += 1) {
      trusted += shown[i] >= 0 ? 1 : 0;
      for (let k = 0; k < labels.length; k += 1) sums[k] += values[k][i];
    }
    context.globalAlpha = trusted * 2 >= high - low ? 1 : 0.22;
    const all = sums.reduce((a, b) => a + b, 0) || 1;
    let upper = 0;
    for (let k = 0; k < labels.length; k += 1) {
      const size = (sums[k] / all) * height;
      context.fillStyle = fills[k];
      context.fillRect(x, upper, step, size);
      upper += size;
    }
  }
  context.globalAlpha = 1;
  hatch(context, width, height, from, to);
  flags(context, width, height, from, to);
  return canvas;
}

// Lines over the time without an answer.
function hatch(context, width, height, from, to) {
  const scale = devicePixelRatio;
  context.strokeStyle = dark.matches ? "rgb(255 255 255 / 22%)" : "rgb(23 26 33 / 22%)";
  context.lineWidth = scale;
  for (const [start, end] of data.gaps) {
    const left = (Math.max(start, from) - from) / (to - from) * width;
    const right = (Math.min(end, to) - from) / (to - from) * width;
    if (right - left < 3 * scale) continue;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, height);
    context.clip();
    context.beginPath();
    for (let x = left - height; x < right; x += 7 * scale) {
      context.moveTo(x, height);
      context.lineTo(x + height, 0);
    }
    context.stroke();
    context.restore();
  }
}

function flags(context, width, height, from, to) {
  const scale = devicePixelRatio;
  const ink = dark.matches ? "#ffffff" : "#171a21";
  const words = to - from <= MINUTE;
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  context.textBaseline = "top";
  let free = 0; // px: where words would not lie on those of the flag before
  let last = -Infinity; // px: of the newest line, so that thousands of them leave something of the river
  for (let i = upTo(markerTimes, from - 1e-9); i < markers.length && markerTimes[i] <= to; i += 1) {
    const x = ((markerTimes[i] - from) / (to - from)) * width;
    context.fillStyle = ink;
    const told = words && x >= free;
    if (!told && x - last < 4 * scale) continue;
    last = x;
    context.fillRect(Math.min(x, width - scale), 0, scale, told ? height : height / 6);
    if (!told) continue;
    const text = cut(wordsOf(markers[i]), 16);
    const size = context.measureText(text).width + 8 * scale;
    const left = Math.min(x, width - size);
    context.fillRect(left, 0, size, 16 * scale);
    context.fillStyle = dark.matches ? "#171a21" : "#ffffff";
    context.fillText(text, left + 4 * scale, 2.5 * scale);
    free = x + size + 2 * scale;
  }
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const wordsOf = ([, key, text]) => text || key || "marker";
const markerTimes = markers.map(([s]) => s);

// A canvas with a river that is kept while its stretch of time and its size are the same.
class Timeline {
  constructor(id, stretch, step, onPick) {
    this.canvas = part(id);
    this.stretch = stretch; // at -> [from, to], s
    this.step = step;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.pick(event, onPick);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.pick(event, onPick, false);
      else this.tell(event);
    });
    this.canvas.addEventListener("pointerleave", () => (part("hover").textContent = ""));
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
  }

  timeOf({ offsetX }) {
    const [from, to] = this.range;
    return from + (offsetX / this.canvas.clientWidth) * (to - from);
  }

  // A click on a flag means its marker; what is dragged goes where the pointer is.
  pick(event, onPick, snap = true) {
    const at = this.timeOf(event);
    const [from, to] = this.range;
    const near = ((to - from) * NEAR) / this.canvas.clientWidth;
    const i = nearest(at);
    onPick(snap && i >= 0 && Math.abs(markerTimes[i] - at) <= near ? markerTimes[i] : at);
  }

  tell(event) {
    const at = this.timeOf(event);
    const i = nearest(at);
    const [from, to] = this.range;
    const marked = i >= 0 && Math.abs(markerTimes[i] - at) <= ((to - from) * NEAR) / this.canvas.clientWidth;
    const answer = answerAt(at);
    const words = answer < 0 ? "no answer" : ranked(answer).slice(0, 2).map((k) => `${labels[k]} ${percent(values[k][answer])}`).join(", ");
    part("hover").textContent = `${clock(clamp(at))}: ${words}${marked ? ` · ${cut(wordsOf(markers[i]), 60)}` : ""}`;
  }

  redraw() {
    this.kept = null;
    this.draw(player.at);
  }

  draw(at) {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((px) => Math.round(px * devicePixelRatio));
    if (!width) return;
    this.range = this.stretch(at);
    const [from, to] = this.range;
    const key = `${width} ${height} ${from} ${dark.matches}`;
    if (this.kept?.key !== key) this.kept = { key, picture: river(width, height, from, to, this.step) };
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.kept.picture, 0, 0);
    const x = Math.min(width - 2, ((at - from) / (to - from)) * width);
    const scale = devicePixelRatio;
    context.fillStyle = dark.matches ? "#0f1218" : "#ffffff";
    context.fillRect(x - 2 * scale, 0, 4 * scale, height);
    context.fillStyle = dark.matches ? "#ffffff" : "#171a21";
    context.fillRect(x - scale, 0, 2 * scale, height);
  }
}

// The marker nearest to `s`, or -1.
function nearest(s) {
  const i = upTo(markerTimes, s);
  if (!markers.length) return -1;
  if (i === 0) return 0;
  return i < markers.length && markerTimes[i] - s < s - markerTimes[i - 1] ? i : i - 1;
}

// --- the reading

const percent = (value) => `${Math.round(value / 10)} %`;
const ranked = (i) => labels.map((_, k) => k).sort((a, b) => values[b][i] - values[a][i]);

function colored(element, k) {
  element.className = "fill";
  element.style.setProperty("--on-light", colors[k][0]);
  element.style.setProperty("--on-dark", colors[k][1]);
  return element;
}

const bars = labels.map((name, k) => {
  const row = document.createElement("li");
  const [title, track, value] = ["name", "track", "value"].map((kind) => {
    const made = document.createElement("span");
    made.className = kind;
    return made;
  });
  title.textContent = title.title = name;
  const fill = colored(document.createElement("span"), k);
  track.append(fill);
  row.append(title, track, value);
  part("bars").append(row);
  const item = document.createElement("li");
  item.append(colored(document.createElement("span"), k), name);
  part("legend").append(item);
  return { fill, value };
});

function showReading(i) {
  if (i === showReading.last) return;
  showReading.last = i;
  part("label").textContent = i < 0 ? "No answer" : shown[i] < 0 ? "No reading" : capital(labels[shown[i]]);
  const named = i < 0 ? [] : data.stateNames.filter((_, bit) => states[i] & (1 << bit));
  if (i >= 0 && data.unsure[i]) named.unshift("unsure");
  part("states").textContent = named.join(", ");
  bars.forEach(({ fill, value }, k) => {
    const now = i < 0 ? null : values[k][i];
    fill.style.transform = `scaleX(${(now ?? 0) / 1000})`;
    value.textContent = now === null ? "–" : percent(now);
  });
}

// --- the list of markers

const list = { most: SHOWN, words: "" };
function showMarkers() {
  const found = markers.filter((marker) => !list.words || wordsOf(marker).toLowerCase().includes(list.words));
  part("markers").replaceChildren(
    ...found.slice(0, list.most).map((marker) => {
      const row = document.createElement("li");
      const button = document.createElement("button");
      const time = document.createElement("time");
      const words = document.createElement("span");
      time.textContent = clock(marker[0]);
      words.textContent = wordsOf(marker);
      button.type = "button";
      button.append(time, words);
      button.addEventListener("click", () => player.go(marker[0]));
      row.append(button);
      return row;
    }),
  );
  const left = found.length - list.most;
  part("more").hidden = left <= 0;
  part("markers-words").textContent = !markers.length
    ? "None was set."
    : left > 0
      ? `${list.most} of ${found.length} are shown.`
      : found.length < markers.length ? `${found.length} of ${markers.length}.` : "";
}

// --- all together

const player = new Player((at) => show(at));
const whole = new Timeline("whole", () => [0, SECONDS], 1, (s) => player.go(s));
const page = (at) => Math.min(Math.floor(at / MINUTE) * MINUTE, Math.max(0, SECONDS - MINUTE));
const minute = new Timeline("minute", (at) => [page(at), page(at) + Math.min(MINUTE, SECONDS)], 2, (s) => player.go(s));

let asked = false;
function show() {
  if (asked) return; // at most once a repaint
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const { at } = player;
    whole.draw(at);
    minute.draw(at);
    const i = answerAt(at);
    showReading(i);
    part("clock").textContent = `${clock(at)} of ${clock(SECONDS)}`;
    part("minute-from").textContent = clock(page(at), 0);
    part("minute-to").textContent = clock(page(at) + Math.min(MINUTE, SECONDS), 0);
    whole.canvas.setAttribute("aria-valuenow", at.toFixed(1));
    whole.canvas.setAttribute("aria-valuetext", `${clock(at)}: ${part("label").textContent}`);
    document.documentElement.dataset.at = at.toFixed(3);
    document.documentElement.dataset.drawn = Number(document.documentElement.dataset.drawn ?? 0) + 1;
  });
}

const step = (s) => player.go(player.at + s);
const toMarker = (forwards) => {
  const i = forwards ? upTo(markerTimes, player.at + 0.001) : upTo(markerTimes, player.at - 0.001) - 1;
  if (markers[i]) player.go(markerTimes[i]);
};
const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: ({ shiftKey }) => step(shiftKey ? -1 : -5),
  ArrowRight: ({ shiftKey }) => step(shiftKey ? 1 : 5),
  Home: () => player.go(0),
  End: () => player.go(SECONDS),
  n: () => toMarker(true),
  p: () => toMarker(false),
};

document.addEventListener("keydown", (event) => {
  const button = event.key === " " && event.target.closest("button, summary, video, audio");
  if (button || event.target.closest("input, pre") || event.ctrlKey || event.altKey || event.metaKey) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act(event);
});
part("play").addEventListener("click", () => player.toggle());
part("before").addEventListener("click", () => toMarker(false));
part("after").addEventListener("click", () => toMarker(true));
part("more").addEventListener("click", () => {
  list.most += SHOWN;
  showMarkers();
});
part("filter").addEventListener("input", ({ target }) => {
  Object.assign(list, { words: target.value.trim().toLowerCase(), most: SHOWN });
  showMarkers();
});
dark.addEventListener("change", show);
for (const id of ["before", "after"]) part(id).disabled = !markers.length;
part("filter-row").hidden = markers.length < 10;
part("minute-row").hidden = SECONDS <= MINUTE;
part("whole-to").textContent = clock(SECONDS, 0);
whole.canvas.setAttribute("aria-valuemax", SECONDS.toFixed(1));
showMarkers();
show();
