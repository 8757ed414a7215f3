// The video with its face box. The picture shown is the very frame the box was found in, so the box never lags behind.

import { fit, oncePerRepaint } from "./canvas.js";

const STALE = 600; // ms without a looked-at frame, after which the plain video is shown
const GREY = "#c3c9d4";

export class Stage {
  constructor({ stage, video, overlay }, mirrored) {
    this.stage = stage;
    this.video = video;
    this.canvas = overlay;
    this.setMirrored(mirrored);
    this.box = null;
    this.others = [];
    this.picture = null;
    this.caption = null; // { text, color }
    this.draw = oncePerRepaint(() => this.#draw());
    new ResizeObserver(this.draw).observe(stage);
    video.addEventListener("resize", () => this.#shape(video.videoWidth, video.videoHeight));
  }

  setMirrored(mirrored) {
    this.mirrored = mirrored;
    this.video.classList.toggle("mm-plain", !mirrored);
    this.draw?.();
  }

  // A frame that the server has looked at; box: [x, y, width, height, tilt] as shares of the frame, or null; others: [{ box,
  // caption }] of the other faces, caption: { text, color } where such a face is read, too, or null.
  show(picture, box, others = []) {
    if (picture) {
      this.others = others;
      this.#shape(picture.width, picture.height);
      this.picture = picture;
      this.box = box;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.clear(), STALE);
      this.draw();
    }
  }

  clear() {
    clearTimeout(this.timer);
    this.picture = null;
    this.box = null;
    this.others = [];
    this.draw();
  }

  // The rectangle of a box on the page: [left, top, width, height] as shares of the stage.
  place([x, y, w, h]) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const frame = contained(this.picture?.width ? this.picture : { width: 16, height: 9 }, width, height);
    const left = frame.x + (this.mirrored ? 1 - x - w : x) * frame.width;
    return [left / width, (frame.y + y * frame.height) / height, (w * frame.width) / width, (h * frame.height) / height];
  }

  // color: null: grey.
  setCaption(text, color) {
    if (text === this.caption?.text && color === this.caption?.color) return;
    this.caption = text ? { text, color } : null;
    this.draw();
  }

  #shape(width, height) {
    if (width && height) this.stage.style.setProperty("--aspect", `${width} / ${height}`);
  }

  #draw() {
    const { context, width, height, scale } = fit(this.canvas);
    context.clearRect(0, 0, width, height);
    const face = this.box ? "yes" : "no";
    if (this.canvas.dataset.face !== face) this.canvas.dataset.face = face;
    // Two pictures on top of each other cost twice; the hidden video goes on giving frames.
    this.video.classList.toggle("mm-covered", Boolean(this.picture));
    if (!this.picture?.width) return; // none, or one that was freed
    const frame = contained(this.picture, width, height);
    context.save();
    if (this.mirrored) {
      context.translate(width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(this.picture, frame.x, frame.y, frame.width, frame.height);
    context.restore();
    for (const { box, caption } of this.others) {
      const draw = caption ? drawBox : drawOther;
      draw(context, { box, caption, frame, width, scale, mirrored: this.mirrored });
    }
    if (this.box) drawBox(context, { box: this.box, caption: this.caption, frame, width, scale, mirrored: this.mirrored });
  }
}

// A face that is not read: a thin grey box.
function drawOther(context, { box, frame, width, scale, mirrored }) {
  outline(context, { box, frame, width, scale, mirrored }, [[3, "rgb(10 12 18 / 45%)"], [1.25, GREY]]);
}

// box: as of `show`; frame: the rectangle of the picture, px; width: of the whole canvas, px.
export function drawBox(context, { box, caption, frame, width, scale, mirrored }) {
  const color = caption?.color ?? GREY;
  const left = outline(context, { box, frame, width, scale, mirrored }, [[5, "rgb(10 12 18 / 35%)"], [2.5, color]]);
  if (caption) drawCaption(context, caption.text, left, frame.y + box[1] * frame.height, width, scale, color);
}

// Draws a box with each of `lines` ([width, colour]); returns its left edge, px.
function outline(context, { box, frame, width, scale, mirrored }, lines) {
  const [x, y, w, h, tilt] = box;
  const centreX = frame.x + (x + w / 2) * frame.width;
  const centreY = frame.y + (y + h / 2) * frame.height;
  const boxWidth = w * frame.width;
  const boxHeight = h * frame.height;
  context.save();
  context.translate(mirrored ? width - centreX : centreX, centreY);
  context.rotate(((mirrored ? -1 : 1) * tilt * Math.PI) / 180);
  context.beginPath();
  context.roundRect(-boxWidth / 2, -boxHeight / 2, boxWidth, boxHeight, 14 * scale);
  for (const [thick, color] of lines) {
    context.lineWidth = thick * scale;
    context.strokeStyle = color;
    context.stroke();
  }
  context.restore();
  return (mirrored ? width - centreX : centreX) - boxWidth / 2;
}

function drawCaption(context, text, left, top, width, scale, color) {
  context.font = `600 ${14 * scale}px system-ui, sans-serif`;
  const textWidth = context.measureText(text).width;
  const boxWidth = textWidth + 32 * scale;
  const boxHeight = 26 * scale;
  const x = Math.min(Math.max(left, 6 * scale), width - boxWidth - 6 * scale);
  const y = Math.max(top - boxHeight - 6 * scale, 6 * scale);
  context.beginPath();
  context.roundRect(x, y, boxWidth, boxHeight, boxHeight / 2);
  context.fillStyle = "rgb(13 16 24 / 82%)";
  context.fill();
  context.beginPath();
  context.arc(x + 12 * scale, y + boxHeight / 2, 4 * scale, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.fillStyle = "#fff";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + 20 * scale - 0.5, y + boxHeight / 2 + scale);
}

// The rectangle that a picture fills inside `width` x `height` without being cut.
function contained(picture, width, height) {
  const scale = Math.min(width / picture.width, height / picture.height);
  const size = { width: picture.width * scale, height: picture.height * scale };
  return { x: (width - size.width) / 2, y: (height - size.height) / 2, ...size };
}
