// The viewer's camera and microphone: asking for them, and noticing when they go or come.

import { DEVICE_WORDS } from "./words.js";

// As many channels as there are: the voice may be on any of them (recorder.worklet.js).
const CHANNELS = { channelCount: { ideal: 16 } };
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, ...CHANNELS };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };

const FAILURES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotReadableError: "busy",
  AbortError: "busy",
};

function drop(track) {
  if (!track) return;
  track.onended = null;
  track.stop();
}

export class Devices {
  // onChange(): what is there has changed. onReturn(): a device was plugged in while one is missing.
  constructor(onChange, onReturn) {
    this.onChange = onChange;
    this.onReturn = onReturn;
    this.camera = null;
    this.microphone = null;
    this.problems = { camera: "", microphone: "" };
    this.asking = null;
    this.round = 0; // counts `release`: what was asked for before it is no longer wanted
    this.watching = () => this.#devicesChanged();
  }

  get secure() {
    return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get complete() {
    return Boolean(this.camera && this.microphone);
  }

  // Gives "live", "refused", "devices" (none there), "busy", or "released" where `release` came meanwhile. Keeps what it
  // already has. One question at a time: who comes while it is open gets its answer; after `release` it waits for the
  // old question's end, and asks anew.
  acquire() {
    const round = this.round;
    if (this.asking?.round === round) return this.asking.answer;
    const before = this.asking?.answer ?? Promise.resolve();
    const asking = { round };
    asking.answer = before
      .catch(() => {})
      .then(() => this.#acquire(round))
      .finally(() => {
        if (this.asking === asking) this.asking = null;
      });
    this.asking = asking;
    return asking.answer;
  }

  async #acquire(round) {
    if (round !== this.round) return "released"; // before its turn came
    const there = await this.#present();
    if (round !== this.round) return "released";
    const want = { video: there.camera && !this.camera, audio: there.microphone && !this.microphone };
    if (!there.camera && !this.camera) this.problems.camera ||= DEVICE_WORDS.cameraMissing;
    if (!there.microphone && !this.microphone) this.problems.microphone ||= DEVICE_WORDS.microphoneMissing;
    navigator.mediaDevices.removeEventListener("devicechange", this.watching);
    navigator.mediaDevices.addEventListener("devicechange", this.watching);
    let failure = "devices";
    if (want.video || want.audio) failure = await this.#ask(want, round);
    if (round !== this.round) return "released";
    return this.camera || this.microphone ? "live" : failure;
  }

  release() {
    this.round += 1;
    navigator.mediaDevices?.removeEventListener("devicechange", this.watching);
    for (const track of [this.camera, this.microphone]) {
      drop(track);
    }
    this.camera = null;
    this.microphone = null;
    this.problems = { camera: "", microphone: "" };
  }

  async #ask(want, round) {
    // Both in one question first. Where that fails, be it for one device, each is tried alone: the other still works.
    const tries = want.video && want.audio ? [want, { video: true }, { audio: true }] : [want];
    let failure = "devices";
    for (const attempt of tries) {
      try {
        const constraints = { video: attempt.video ? PICTURE : false, audio: attempt.audio ? SOUND : false };
        const stream = await navigator.mediaDevices.getUserMedia(constraints);
        if (round !== this.round) {
          stream.getTracks().forEach(drop); // Stop was pressed during the question
          return "released";
        }
        this.#take(stream);
        if (attempt === want) break;
      } catch (error) {
        if (round !== this.round) return "released";
        failure = FAILURES[error.name] ?? "devices";
        if (attempt !== want || tries.length === 1) this.#blame(attempt, failure);
      }
    }
    return failure;
  }

  #blame(attempt, failure) {
    const suffix = { busy: "Busy", refused: "Refused", devices: "Missing" }[failure];
    if (attempt.video) this.problems.camera = DEVICE_WORDS[`camera${suffix}`];
    if (attempt.audio) this.problems.microphone = DEVICE_WORDS[`microphone${suffix}`];
  }

  #take(stream) {
    for (const track of stream.getTracks()) {
      const name = track.kind === "video" ? "camera" : "microphone";
      drop(this[name]);
      this[name] = track;
      this.problems[name] = "";
      track.onended = () => {
        this[name] = null;
        this.problems[name] = DEVICE_WORDS[`${name}Gone`];
        this.onChange();
      };
    }
  }

  async #present() {
    // Before permission the list holds one nameless entry for each kind that is there: enough to know what to ask for.
    const list = await navigator.mediaDevices.enumerateDevices();
    return {
      camera: list.some((device) => device.kind === "videoinput"),
      microphone: list.some((device) => device.kind === "audioinput"),
    };
  }

  #devicesChanged() {
    if (!this.complete) this.onReturn();
  }
}
