// The viewer's camera and microphone: asking for them, and noticing when they go or come.

import { DEVICE_WORDS } from "./words.js";

const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };

export class Devices {
  // onChange(): what is there has changed. onReturn(): a device was plugged in while one is missing.
  constructor(onChange, onReturn) {
    this.onChange = onChange;
    this.onReturn = onReturn;
    this.camera = null;
    this.microphone = null;
    this.problems = { camera: "", microphone: "" };
    this.watching = () => this.#devicesChanged();
  }

  get secure() {
    return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get complete() {
    return Boolean(this.camera && this.microphone);
  }

  // Returns "live", "refused", "devices" (none there) or "busy". Keeps what it already has.
  async acquire() {
    const there = await this.#present();
    const want = { video: there.camera && !this.camera, audio: there.microphone && !this.microphone };
    if (!there.camera && !this.camera) this.problems.camera ||= DEVICE_WORDS.cameraMissing;
    if (!there.microphone && !this.microphone) this.problems.microphone ||= DEVICE_WORDS.microphoneMissing;
    navigator.mediaDevices.removeEventListener("devicechange", this.watching);
    navigator.mediaDevices.addEventListener("devicechange", this.watching);
    let failure = "devices";
    if (want.video || want.audio) failure = await this.#ask(want);
    return this.camera || this.microphone ? "live" : failure;
  }

  release() {
    navigator.mediaDevices?.removeEventListener("devicechange", this.watching);
    for (const track of [this.camera, this.microphone]) {
      if (track) {
        track.onended = null;
        track.stop();
      }
    }
    this.camera = null;
    this.microphone = null;
    this.problems = { camera: "", microphone: "" };
  }

  async #ask(want) {
    // Both in one question first. Where that fails for one device, each is tried alone, so that the other still works.
    const tries = want.video && want.audio ? [want, { video: true }, { audio: true }] : [want];
    let failure = "devices";
    for (const attempt of tries) {
      try {
        const constraints = { video: attempt.video ? PICTURE : false, audio: attempt.audio ? SOUND : false };
        this.#take(await navigator.mediaDevices.getUserMedia(constraints));
        if (attempt === want) break;
      } catch (error) {
        if (error.name === "NotAllowedError" || error.name === "SecurityError") return "refused";
        failure = error.name === "NotReadableError" || error.name === "AbortError" ? "busy" : "devices";
        if (attempt !== want || tries.length === 1) this.#blame(attempt, failure);
      }
    }
    return failure;
  }

  #blame(attempt, failure) {
    const suffix = failure === "busy" ? "Busy" : "Missing";
    if (attempt.video) this.problems.camera = DEVICE_WORDS[`camera${suffix}`];
    if (attempt.audio) this.problems.microphone = DEVICE_WORDS[`microphone${suffix}`];
  }

  #take(stream) {
    for (const track of stream.getTracks()) {
      const name = track.kind === "video" ? "camera" : "microphone";
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
