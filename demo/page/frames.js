// Camera frames to the server: at a steady rate, newest first, never a queue.

import { KIND } from "./connection.js";

const RATE = 15; // frames/s asked
const WIDTH = 640; // px at most
const QUALITY = 0.8;
const MOST_UNACKNOWLEDGED = 3;
const MOST_BUFFERED = 256 * 1024; // bytes; above it the line is too slow and frames would age on the way
const PICTURES = MOST_UNACKNOWLEDGED + 2;

export class FrameSender {
  // video: the element that plays the camera. onDropped(): a frame was not sent because the line is busy.
  constructor(video, connection) {
    this.video = video;
    this.connection = connection;
    this.pictures = Array.from({ length: PICTURES }, () => ({ canvas: document.createElement("canvas"), sequence: -1 }));
    this.sequence = 0;
    this.running = false;
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
    if (this.handle) this.video.cancelVideoFrameCallback?.(this.handle);
  }

  // The server has taken frame `sequence`; all before it have been replaced or taken. Returns its picture, if still held.
  acknowledge(sequence) {
    this.acknowledged = Math.max(this.acknowledged, sequence);
    return this.pictures.find((picture) => picture.sequence === sequence)?.canvas ?? null;
  }

  #next() {
    if (!this.running) return;
    this.handle = this.video.requestVideoFrameCallback((now, frame) => {
      this.#consider(now, frame);
      this.#next();
    });
  }

  #consider(now, frame) {
    // Half a camera frame early counts as on time: at 30 frames/s every second one is sent, not two of five.
    if (now < this.due - 12 || !this.connection.ready) return;
    const unacknowledged = this.sequence - 1 - this.acknowledged;
    if (unacknowledged >= MOST_UNACKNOWLEDGED || this.connection.buffered > MOST_BUFFERED) return;
    this.due = Math.max(this.due + 1000 / RATE, now);
    this.#send(captureTime(now, frame), frame.width, frame.height);
  }

  #send(time, width, height) {
    const sequence = this.sequence++;
    const picture = this.pictures[sequence % PICTURES];
    const scale = Math.min(1, WIDTH / width);
    picture.canvas.width = Math.round(width * scale);
    picture.canvas.height = Math.round(height * scale);
    picture.canvas.getContext("2d", { alpha: false }).drawImage(this.video, 0, 0, picture.canvas.width, picture.canvas.height);
    picture.sequence = sequence;
    picture.canvas.toBlob(
      async (blob) => {
        if (blob) this.connection.sendBinary(KIND.VIDEO, time / 1000, sequence, await blob.arrayBuffer());
      },
      "image/jpeg",
      QUALITY,
    );
  }
}

// When the camera took the frame, ms on the page's clock. Browsers that do not tell give the time it was shown.
function captureTime(now, frame) {
  const told = frame.captureTime;
  return told && told <= now && now - told < 1000 ? told : now;
}
