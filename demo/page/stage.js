// The video with its face box. The picture shown is the very frame the box was found in, so the box never lags behind.

import { fit, oncePerRepaint } from "./canvas.js";

const STALE = 600; // ms without a looked-at frame, after which the plain video is shown
const GREY = "#c3c9d4";

export class Stage {
  constructor({ stage, video, overlay }, mirrored) {
    this.stage = stage;
    this.video = video;
    this.canvas = overlay;
    this.mirrored = mirrored;
    this.box = null;
    this.picture = null;
    this.caption = null; // { text, color }
    this.draw = oncePerRepaint(() => this.#draw());
    new ResizeObserver(this.draw).observe(stage);
    video.addEventListener("resize", () => this.#shape(video.videoWidth, video.videoHeight));
  }

  // A frame that the server has looked at; box: [x, y, width, height, tilt] as shares of the frame, or null.
  show(picture, box) {
    if (picture) {
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
    this.draw();
  }

  setCaption(text, color) {
    this.caption = text ? { text, color } : null;
    this.draw();
  }

  #shape(width, height) {
    if (width && height) this.stage.style.setProperty("--aspect", `${width} / ${height}`);
  }

  #draw() {
    const { context, width, height, scale } = fit(this.canvas);
    context.clearRect(0, 0, width, height);
    this.canvas.dataset.face = this.box ? "yes" : "no";
    // Two pictures on top of each other cost twice; the hidden video goes on giving frames.
    this.video.classList.toggle("mm-covered", Boolean(this.picture));
    if (!this.picture) return;
    const frame = contained(this.picture, width, height);
    context.save();
    if (this.mirrored) {
      context.translate(width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(this.picture, frame.x, frame.y, frame.width, frame.height);
    context.restore();
    if (this.box) this.#drawBox(context, frame, width, scale);
  }

  #drawBox(context, frame, width, scale) {
    const [x, y, w, h, tilt] = this.box;
    const centreX = frame.x + (x + w / 2) * frame.width;
    const centreY = frame.y + (y + h / 2) * frame.height;
    const boxWidth = w * frame.width;
    const boxHeight = h * frame.height;
    const color = this.caption?.color ?? GREY;
    context.save();
    context.translate(this.mirrored ? width - centreX : centreX, centreY);
    context.rotate(((this.mirrored ? -1 : 1) * tilt * Math.PI) / 180);
    context.beginPath();
    context.roundRect(-boxWidth / 2, -boxHeight / 2, boxWidth, boxHeight, 14 * scale);
    context.lineWidth = 5 * scale;
    context.strokeStyle = "rgb(10 12 18 / 35%)";
    context.stroke();
    context.lineWidth = 2.5 * scale;
    context.strokeStyle = color;
    context.stroke();
    context.restore();
    if (this.caption) {
      const left = (this.mirrored ? width - centreX : centreX) - boxWidth / 2;
      this.#drawCaption(context, left, frame.y + y * frame.height, width, scale, color);
    }
  }

  #drawCaption(context, left, top, width, scale, color) {
    context.font = `600 ${14 * scale}px system-ui, sans-serif`;
    const textWidth = context.measureText(this.caption.text).width;
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
    context.textBaseline = "middle";
    context.fillText(this.caption.text, x + 20 * scale - 0.5, y + boxHeight / 2 + scale);
  }
}

// The rectangle that a picture fills inside `width` x `height` without being cut.
function contained(picture, width, height) {
  const scale = Math.min(width / picture.width, height / picture.height);
  const size = { width: picture.width * scale, height: picture.height * scale };
  return { x: (width - size.width) / 2, y: (height - size.height) / 2, ...size };
}
