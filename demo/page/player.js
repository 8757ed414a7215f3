// A clip to look at and listen to: a video, a sound or a picture, with the face box of the answer that is shown.

import { fit, oncePerRepaint } from "./canvas.js";
import { drawBox } from "./stage.js";

const ENDLESS = 1e9; // s; browsers find the end of a recording that does not tell its length by going there
const FOUND_IN = 4000; // ms

export class Player {
  // onTime(seconds): where it is now; onUnplayable(): the browser cannot show it.
  constructor(stage, { onTime, onUnplayable }) {
    this.stage = stage;
    this.onTime = onTime;
    this.media = Object.assign(document.createElement("video"), { controls: true, playsInline: true, preload: "auto" });
    this.picture = document.createElement("img");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.canvas.className = "mm-clip-box";
    this.media.dataset.clip = "media";
    this.media.hidden = this.picture.hidden = true;
    stage.prepend(this.media, this.picture, this.canvas);
    this.draw = oncePerRepaint(() => this.#draw());
    new ResizeObserver(this.draw).observe(stage);
    for (const name of ["timeupdate", "seeked", "seeking"]) this.media.addEventListener(name, () => this.#tell());
    this.media.addEventListener("play", () => this.#follow());
    this.media.addEventListener("loadeddata", () => this.#shape());
    this.picture.addEventListener("load", () => this.#shape());
    for (const element of [this.media, this.picture]) {
      element.addEventListener("error", () => element.getAttribute("src") && onUnplayable());
    }
  }

  // kind: "video", "sound" or "picture". name: of the clip.
  open(blob, kind, name) {
    this.close();
    this.kind = kind;
    this.url = URL.createObjectURL(blob);
    const element = kind === "picture" ? this.picture : this.media;
    element.src = this.url;
    element.hidden = false;
    if (kind === "picture") element.alt = name;
    else element.setAttribute("aria-label", name);
    this.stage.dataset.kind = kind;
    if (kind !== "picture") this.#findEnd();
  }

  close() {
    this.box = null;
    this.caption = null;
    this.waits = null;
    this.media.pause();
    for (const element of [this.media, this.picture]) {
      element.removeAttribute("src");
      element.hidden = true;
    }
    this.media.load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    delete this.stage.dataset.kind;
    this.draw();
  }

  get time() {
    return this.waits ?? (this.media.hidden ? 0 : this.media.currentTime);
  }

  get playable() {
    return !this.media.hidden && !this.media.error;
  }

  seek(seconds) {
    if (!this.playable) return;
    if (this.finding) this.waits = seconds;
    else this.media.currentTime = seconds;
  }

  toggle() {
    if (!this.playable) return;
    if (this.media.paused) this.media.play().catch(() => {}); // an unplayable one has been told
    else this.media.pause();
  }

  // box: [x, y, width, height, tilt] as shares of the picture, or null; caption: { text, color } or null.
  show(box, caption) {
    this.box = box;
    this.caption = caption;
    this.canvas.dataset.face = box ? "yes" : "no";
    this.draw();
  }

  // What a browser has recorded tells no length, and can only be sought in once its end was seen.
  #findEnd() {
    const { media } = this;
    media.addEventListener(
      "loadedmetadata",
      () => {
        if (Number.isFinite(media.duration)) return;
        this.finding = true;
        this.waits ??= 0;
        const found = () => {
          if (!this.finding) return;
          this.finding = false;
          media.removeEventListener("durationchange", found);
          clearTimeout(timer);
          media.currentTime = this.waits ?? 0;
          this.waits = null;
        };
        const timer = setTimeout(found, FOUND_IN);
        media.addEventListener("durationchange", found);
        media.currentTime = ENDLESS;
      },
      { once: true },
    );
  }

  #tell() {
    if (!this.finding) this.onTime(this.time);
  }

  #follow() {
    this.#tell();
    if (!this.media.paused && !this.media.ended) requestAnimationFrame(() => this.#follow());
  }

  #shape() {
    const { width, height } = this.#size();
    if (width && height) this.stage.style.setProperty("--aspect", `${width} / ${height}`);
    else this.stage.style.removeProperty("--aspect");
    this.draw();
  }

  #size() {
    const { media, picture } = this;
    if (this.kind === "picture") return { width: picture.naturalWidth, height: picture.naturalHeight };
    return { width: media.videoWidth, height: media.videoHeight };
  }

  #draw() {
    const surface = fit(this.canvas);
    const { context, width, height, scale } = surface;
    context.clearRect(0, 0, width, height);
    const size = this.#size();
    if (!this.box || !size.width) return;
    const shrink = Math.min(width / size.width, height / size.height);
    const frame = { width: size.width * shrink, height: size.height * shrink };
    frame.x = (width - frame.width) / 2;
    frame.y = (height - frame.height) / 2;
    drawBox(context, { box: this.box, caption: this.caption, frame, width, scale, mirrored: false });
  }
}
