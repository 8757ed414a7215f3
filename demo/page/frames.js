// Camera frames to the server: at a steady rate, newest first, never a queue.

import { KIND } from "./connection.js";

const RATE = 15; // frames/s asked
const BEST = 0.8; // JPEG quality, and how far it may sink for pictures that take many bytes
const LEAST = 0.45;
const BYTES = 140_000 / RATE; // of a frame: together 140 kB/s, which ordinary lines upwards bear
const MOST_UNACKNOWLEDGED = 3;
const MOST_BUFFERED = 256 * 1024; // bytes; above it the line is too slow and frames would age on the way
const PICTURES = MOST_UNACKNOWLEDGED + 2;
const EARLY = 12; // ms by which a camera's frame may come early: at 30 frames/s every second one is sent, not two of five
const LOOK_AHEAD = 14; // ms before that, from which on the video's next frame is waited for

export class FrameSender {
  // video: the element that plays the camera.
  constructor(video, connection) {
    this.video = video;
    this.connection = connection;
    this.width = 480; // px at most; 0: as the camera gives it
    this.pictures = new Map(); // sequence: what was sent, for as long as it may be shown
    this.sequence = 0;
    this.running = false;
    this.quality = BEST;
    this.encoder = makeEncoder((made) => this.#take(made), () => this.#miss());
  }

  start() {
    this.due = 0;
    this.acknowledged = this.sequence - 1;
    if (!this.running) {
      this.running = true;
      this.#next();
    }
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    if (this.handle) this.video.cancelVideoFrameCallback?.(this.handle);
  }

  // The server has taken frame `sequence`; all before it have been replaced or taken. Returns its picture, if still held.
  acknowledge(sequence) {
    this.acknowledged = Math.max(this.acknowledged, sequence);
    return this.pictures.get(sequence) ?? null;
  }

  // Waits for the frame that will be due: each one that is asked for costs the page a repaint.
  #next() {
    if (!this.running) return;
    this.timer = setTimeout(() => {
      this.handle = this.video.requestVideoFrameCallback((now, frame) => {
        this.#consider(now, frame);
        this.#next();
      });
    }, Math.max(0, this.due - EARLY - LOOK_AHEAD - performance.now()));
  }

  #consider(now, frame) {
    if (now < this.due - EARLY || !this.connection.ready) return;
    const unacknowledged = this.sequence - 1 - this.acknowledged;
    if (unacknowledged >= MOST_UNACKNOWLEDGED || this.connection.buffered > MOST_BUFFERED) return;
    const scale = this.width ? Math.min(1, this.width / frame.width) : 1;
    const size = { width: Math.round(frame.width * scale), height: Math.round(frame.height * scale) };
    try {
      this.encoder(this.video, { ...size, quality: this.quality, sequence: this.sequence, time: captureTime(now, frame) });
    } catch {
      return; // the camera has gone this very moment
    }
    this.due = Math.max(this.due + 1000 / RATE, now);
    this.sequence += 1;
  }

  // What was in the worker is lost: no word of it will come from the server.
  #miss() {
    this.acknowledged = this.sequence - 1;
  }

  // picture: the very pixels of the JPEG, to be shown with the box that the server finds in it.
  #take({ jpeg, picture, sequence, time }) {
    this.pictures.set(sequence, picture);
    this.pictures.get(sequence - PICTURES)?.close?.();
    this.pictures.delete(sequence - PICTURES);
    this.#weigh(jpeg.byteLength);
    this.connection.sendBinary(KIND.VIDEO, time / 1000, sequence, jpeg);
  }

  // Finds the quality at which frames have the bytes that they may: a little down or up with each.
  #weigh(bytes) {
    const step = bytes > BYTES ? -0.03 : bytes < 0.85 * BYTES ? 0.01 : 0;
    this.quality = Math.min(BEST, Math.max(LEAST, this.quality + step));
  }
}

// What makes a JPEG of what `video` shows now: (video, { width, height, quality, ...tags }); it hands on { jpeg, picture, ...tags }.
// In a worker where the browser can, else here.
function makeEncoder(onMade, onFailed) {
  if (!globalThis.VideoFrame || !globalThis.OffscreenCanvas?.prototype.convertToBlob) return encodeHere(onMade);
  const worker = new Worker(new URL("encoder.worker.js", import.meta.url));
  let encode = (video, wish) => {
    const frame = new VideoFrame(video);
    worker.postMessage({ ...wish, frame }, [frame]);
  };
  const fail = () => {
    encode = encodeHere(onMade);
    onFailed();
  };
  worker.onmessage = ({ data }) => (data.failed ? fail() : onMade(data));
  worker.onerror = fail;
  return (video, wish) => encode(video, wish);
}

function encodeHere(onMade) {
  return (video, { width, height, quality, ...tags }) => {
    const picture = Object.assign(document.createElement("canvas"), { width, height });
    picture.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
    picture.toBlob(async (blob) => blob && onMade({ ...tags, picture, jpeg: await blob.arrayBuffer() }), "image/jpeg", quality);
  };
}

// When the camera took the frame, ms on the page's clock. Browsers that do not tell give the time it was shown.
function captureTime(now, frame) {
  const told = frame.captureTime;
  return told && told <= now && now - told < 1000 ? told : now;
}
