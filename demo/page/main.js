// The live panel: puts connection, devices and views together. `mount` is called by the gr.HTML that holds the panel.

import { Connection, KIND } from "./connection.js";
import { colorOf } from "./colors.js";
import { Details } from "./details.js";
import { Devices } from "./devices.js";
import { FrameSender } from "./frames.js";
import { loadStyle, notice, withCode } from "./markup.js";
import { Reading } from "./reading.js";
import { Results } from "./results.js";
import { SoundSender } from "./sound.js";
import { Spectrogram } from "./spectrogram.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { capital, DEVICE_WORDS, notices, percent, PHASES, PRIVACY, seconds } from "./words.js";

const ASK_AGAIN = 1000; // ms between two questions to a server that is still loading its model
const TROUBLE_SHOWN = 6000; // ms
const PACE_SHOWN = 8000; // ms
const ENDS = { refused: "unwelcome", blocked: "blocked" }; // how a connection ends that does not come back by itself
const RUNNING = ["connecting", "loading", "asking", "full", "devices", "unreachable", "retrying", "waiting", "live"];

export async function mount(element) {
  const root = element.querySelector(".mm-live");
  if (root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  await loadStyle(new URL("live.css", import.meta.url));
  root.hidden = false;
  await new Live(root).open();
}

class Live {
  constructor(root) {
    this.root = root;
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.facts = { states: [], faceLost: 0, camera: "", microphone: "", filled: 0, windowSeconds: 3 };
    Object.assign(this.facts, { hidden: false, trouble: "", channel: 0 });
    this.phase = "opening";
    this.reading = new Reading(this.parts);
    this.timeline = new Timeline(this.parts.timeline);
    this.spectrogram = new Spectrogram(this.parts.spectrogram);
    this.results = new Results(this.parts.save);
    this.details = new Details(this.parts.details);
    this.connection = new Connection(new URL("../ws", import.meta.url), {
      onWelcome: (info) => this.welcomed(info),
      onMessage: (message) => this.received(message),
      onBinary: (message) => this.receivedBinary(message),
      onLost: (loss) => this.lost(loss),
      onEnded: ({ reason, words }) => {
        this.stop();
        this.enter(ENDS[reason], words);
      },
    });
    this.devices = new Devices(() => this.devicesChanged(), () => this.capture());
    this.frames = new FrameSender(this.parts.video, this.connection);
    this.sound = new SoundSender(this.connection, (channel) => this.note({ channel }));
  }

  async open() {
    this.parts.start.addEventListener("click", () => this.start());
    this.parts.stop.addEventListener("click", () => this.stop());
    document.addEventListener("visibilitychange", () => this.note({ hidden: document.hidden }));
    document.addEventListener("click", () => this.sound.wake());
    const info = await this.ask();
    this.source = info.source;
    this.stage = new Stage(this.parts, this.source === "browser");
    this.parts.privacy.textContent = PRIVACY[this.source];
    if (this.source !== "browser") this.start();
    else this.enter(this.devices.secure ? "idle" : "insecure");
    this.learn(info);
  }

  // What the server runs. Asked again and again while nobody answers.
  async ask() {
    for (;;) {
      try {
        const answer = await fetch(new URL("../info", import.meta.url), { cache: "no-store" });
        if (answer.ok) return await answer.json();
      } catch {
        this.enter("unreachable");
      }
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
    }
  }

  async learn(info) {
    while (info.model === "loading") {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
      info = await this.ask();
    }
    if (info.model === "failed") {
      this.parts.device.textContent = PHASES.failed[0];
      this.stop();
      this.enter("failed", info.error);
    } else {
      this.setModel(info);
    }
  }

  setModel(info) {
    this.model = info;
    this.facts.windowSeconds = info.windowSeconds;
    this.parts.device.textContent = info.description;
    this.parts.untrained.hidden = info.trained;
    this.parts.starter.hidden = !info.starter;
    this.parts.card.href = new URL("../card/", import.meta.url);
    this.parts.rate.textContent = `${info.sampleRate / 1000} kHz`;
    this.parts["window-mark"].textContent = `the model hears the last ${info.windowSeconds} s`;
    this.reading.setLabels(info.labels);
    this.timeline.setLabels(info.labels);
    this.results.setModel(info);
    this.details.setModel(info);
    this.spectrogram.setShape(info.melBins, info.columnsPerSecond, info.windowSeconds);
  }

  start() {
    if (this.source === "browser" && !this.devices.secure) return this.enter("insecure");
    this.enter("connecting");
    this.connection.open();
  }

  stop() {
    this.connection.close();
    this.frames.stop();
    this.sound.stop();
    this.devices.release();
    this.parts.video.srcObject = null;
    this.stage?.clear();
    this.quiet();
    this.enter("stopped");
  }

  welcomed(info) {
    this.setModel(info);
    if (this.source === "browser") return this.capture();
    this.enter("waiting");
  }

  // Opens what is there of camera and microphone, and streams it. Called again when a device comes or a connection returns.
  async capture() {
    if (!this.connection.ready) return;
    if (!this.devices.complete && this.phase !== "live") this.enter("asking");
    const outcome = await this.devices.acquire();
    if (outcome === "released") return;
    if (!RUNNING.includes(this.phase)) return this.devices.release(); // Stop was pressed meanwhile
    if (outcome !== "live") {
      if (outcome !== "devices") this.stop();
      return this.enter(outcome);
    }
    if (this.phase !== "live") this.reading.clear("The first answer is on its way.");
    this.enter("live");
    this.devicesChanged();
  }

  async devicesChanged() {
    const { camera, microphone, problems } = this.devices;
    this.note({ camera: problems.camera, microphone: problems.microphone });
    const video = this.parts.video;
    if (camera && video.srcObject?.getVideoTracks()[0] !== camera) {
      video.srcObject = new MediaStream([camera]);
      video.play().catch(() => {}); // interrupted by Stop, or by the next camera
    }
    if (camera) this.frames.start();
    else this.stage.clear();
    if (!microphone) return this.sound.stop();
    if (this.microphone === microphone && this.sound.context) return this.sound.announce();
    this.microphone = microphone;
    await this.sound.start(microphone, this.model.sampleRate);
    if (this.sound.sleeping) this.note({ microphone: DEVICE_WORDS.microphoneSleeping });
  }

  received(message) {
    if (message.type === "result") this.showResult(message);
    if (message.type === "frame") this.showFrame(message);
    if (message.type === "drift") this.details.showDrift(message);
    if (message.type === "pace") this.showPace(message);
    if (message.type === "source") this.note({ camera: message.camera ?? "", microphone: message.microphone ?? "" });
    if (message.type === "states") {
      this.note({ states: message.states, faceLost: message.faceLost, filled: message.filled });
    }
    if (message.type === "trouble") {
      this.note({ trouble: message.message });
      clearTimeout(this.troubleTimer);
      this.troubleTimer = setTimeout(() => this.note({ trouble: "" }), TROUBLE_SHOWN);
    }
  }

  showPace(pace) {
    this.details.setPace(pace.exact);
    this.note({ pace });
    clearTimeout(this.paceTimer);
    this.paceTimer = setTimeout(() => this.note({ pace: null }), PACE_SHOWN);
  }

  receivedBinary({ kind, payload }) {
    if (kind === KIND.MEL) {
      this.spectrogram.push(payload);
      if (this.phase === "waiting") this.enter("live"); // a clip with sound alone
    } else if (kind === KIND.PREVIEW) {
      this.showPreview(payload);
    }
  }

  showFrame({ sequence, box, fps, time }) {
    this.parts.fps.textContent = `${fps.toFixed(0)} / s`;
    this.newest = { time, at: performance.now() / 1000 };
    if (this.source === "browser") this.stage.show(this.frames.acknowledge(sequence), box);
    else this.previewBox = box; // its picture is the next binary message
  }

  async showPreview(jpeg) {
    const box = this.previewBox;
    const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    if (this.phase === "waiting") this.enter("live");
    if (this.phase === "live") this.stage.show(picture, box);
  }

  showResult(result) {
    this.reading.show(result);
    this.details.showResult(result);
    const age = this.age(result.time);
    this.parts.latency.textContent = seconds(age);
    this.parts.answers.textContent = result.resultRate ? `${result.resultRate.toFixed(1)} / s` : "–";
    this.root.dataset.results = result.counters.results;
    const top = Math.max(...result.probabilities);
    const color = result.label && colorOf(result.label, this.model.labels.indexOf(result.label));
    this.stage.setCaption(result.label && `${capital(result.label)} ${percent(top)}`, color);
    const now = performance.now() / 1000;
    this.timeline.push(now - age, result.probabilities, result.label !== null);
    this.results.push(now - age, result);
  }

  // Seconds since the moment that an answer is about. A source on the server's side has another clock than this page, so
  // there the newest frame's arrival stands for its capture.
  age(time) {
    const now = performance.now() / 1000;
    if (this.source === "browser") return Math.max(0, now - time);
    return this.newest ? Math.max(0, now - this.newest.at + this.newest.time - time) : 0;
  }

  lost({ reason, words }) {
    this.frames.stop();
    if (reason === "full" || reason === "loading") return this.enter(reason);
    if (reason === "failed") {
      this.stop();
      return this.enter("failed", words);
    }
    if (this.phase === "full") return; // still nobody's turn; the words stay
    this.quiet();
    this.enter("retrying", reason === "error" ? words : undefined);
  }

  quiet() {
    for (const name of ["fps", "latency", "answers"]) this.parts[name].textContent = "–";
    this.stage?.setCaption(null);
    this.stage?.clear();
    this.reading.clear("Nothing is being read.");
    this.note({ states: [], trouble: "" });
  }

  note(changed) {
    Object.assign(this.facts, changed);
    const lines = this.phase === "live" ? notices(this.facts) : [];
    const text = JSON.stringify(lines);
    if (text === this.shownNotices) return;
    this.shownNotices = text;
    this.parts.notices.replaceChildren(...lines.map(notice));
  }

  enter(phase, detail) {
    this.phase = phase;
    this.root.dataset.phase = phase;
    const [title, words] = PHASES[phase];
    this.parts["phase-title"].textContent = title;
    this.parts["phase-detail"].replaceChildren(...withCode(detail || words));
    this.parts.curtain.hidden = phase === "live";
    const running = RUNNING.includes(phase);
    const ended = Object.values(ENDS).includes(phase);
    this.parts.start.hidden = running || (this.source !== "browser" && !ended);
    this.parts.start.textContent = ended ? "Start again" : "Start";
    this.parts.stop.hidden = !running || this.source !== "browser";
    this.parts.start.disabled = ["opening", "insecure", "failed"].includes(phase);
    this.note({});
  }
}
