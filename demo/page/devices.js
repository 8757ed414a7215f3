// The viewer's camera and microphone: asking for them, and noticing when they go or come.

import { DEVICE_WORDS } from "./words.js";

// As many channels as there are: the voice may be on any of them (recorder.worklet.js).
const CHANNELS = { channelCount: { ideal: 16 } };
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, ...CHANNELS };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30 }, facingMode: "user" };

const PATIENCE = 5000; // ms for which a chosen device that has gone may come back before another one is used

const FAILURES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotReadableError: "busy",
  AbortError: "busy",
  OverconstrainedError: "devices",
};

function drop(track) {
  if (!track) return;
  track.onended = null;
  track.stop();
}

export class Devices {
  // onChange(): what is there has changed. onReturn(): a device was plugged in while one is missing. chosen(): the viewer's
  // { camera, microphone }, "" for the browser's default. onNews(words): something was done that nobody has asked for.
  constructor(onChange, onReturn, chosen, onNews) {
    this.onChange = onChange;
    this.onReturn = onReturn;
    this.chosen = chosen;
    this.onNews = onNews;
    this.missed = {}; // by kind: the choice that is not there, for which another one is used
    this.timers = {}; // by kind: one runs while a chosen device that has gone may still come back
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
    const want = { video: this.#wants("camera", there.camera), audio: this.#wants("microphone", there.microphone) };
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
    Object.values(this.timers).forEach(clearTimeout);
    this.missed = {};
    this.timers = {};
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
        const stream = await this.#open(attempt);
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

  // Opens what `attempt` names; where a chosen device is not there, another one of its kind.
  async #open(attempt) {
    for (;;) {
      const constraints = {
        video: attempt.video ? this.#wanted("camera", PICTURE) : false,
        audio: attempt.audio ? this.#wanted("microphone", SOUND) : false,
      };
      try {
        return await navigator.mediaDevices.getUserMedia(constraints);
      } catch (error) {
        if (error.name !== "OverconstrainedError" || !(await this.#giveUpChoice(attempt))) throw error;
      }
    }
  }

  #wanted(name, usual) {
    const id = this.chosen()[name];
    return id && this.missed[name] !== id ? { ...usual, deviceId: { exact: id } } : usual;
  }

  // Notes which of the chosen devices are not there; gives whether there was one.
  async #giveUpChoice(attempt) {
    const ids = (await navigator.mediaDevices.enumerateDevices()).map(({ deviceId }) => deviceId);
    const asked = [attempt.video && "camera", attempt.audio && "microphone"].filter(Boolean);
    const open = asked.filter((name) => this.chosen()[name] && this.missed[name] !== this.chosen()[name]);
    const gone = open.filter((name) => !ids.includes(this.chosen()[name]));
    const given = gone.length ? gone : open; // a browser that lists no names yet: none of them can be told apart
    for (const name of given) this.missed[name] = this.chosen()[name];
    return given.length > 0;
  }

  // Whether one is to be asked for. While a chosen one may come back nothing else is taken in its place.
  #wants(name, there) {
    if (this[name] || !there) return false;
    return !this.timers[name] || this.ids.has(this.chosen()[name]);
  }

  // The viewer has chosen another `name` ("camera" or "microphone"). The one before stays until the new one is there, and where
  // that cannot be opened. Gives whether it was taken.
  async choose(name) {
    clearTimeout(this.timers[name]);
    delete this.timers[name];
    delete this.missed[name];
    if (!this[name]) {
      this.onReturn();
      return true;
    }
    const round = this.round;
    const id = this.chosen()[name];
    try {
      const stream = await this.#open({ video: name === "camera", audio: name === "microphone" });
      if (round !== this.round || id !== this.chosen()[name]) {
        stream.getTracks().forEach(drop);
        return true; // Stop was pressed, or another one chosen, meanwhile
      }
      this.#take(stream);
      this.onChange();
      return true;
    } catch {
      this.onNews(DEVICE_WORDS[`${name}Kept`]);
      return false;
    }
  }

  // A device that was in use has gone.
  #lose(name, track) {
    this[name] = null;
    const id = this.chosen()[name];
    const chosen = id && this.missed[name] !== id && track.getSettings().deviceId === id;
    this.problems[name] = DEVICE_WORDS[`${name}${chosen ? "ChosenGone" : "Gone"}`];
    if (chosen) this.timers[name] = setTimeout(() => this.#replace(name, id), PATIENCE);
    this.onChange();
  }

  // It has not come back.
  #replace(name, id) {
    delete this.timers[name];
    if (this[name]) return;
    this.missed[name] = id;
    this.problems[name] = DEVICE_WORDS[`${name}Gone`];
    this.onChange();
    this.onReturn();
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
      clearTimeout(this.timers[name]);
      delete this.timers[name];
      if (this.missed[name]) this.onNews(DEVICE_WORDS[`${name}Standard`]);
      track.onended = () => this.#lose(name, track);
    }
  }

  async #present() {
    // Before permission the list holds one nameless entry for each kind that is there: enough to know what to ask for.
    const list = await navigator.mediaDevices.enumerateDevices();
    this.ids = new Set(list.map(({ deviceId }) => deviceId));
    return {
      camera: list.some((device) => device.kind === "videoinput"),
      microphone: list.some((device) => device.kind === "audioinput"),
    };
  }

  #devicesChanged() {
    if (!this.complete) this.onReturn();
  }
}
