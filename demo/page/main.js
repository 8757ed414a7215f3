// The live panel: puts connection, devices and views together. `mount` is called by the gr.HTML that holds the panel.

import { Baseline } from "./baseline.js";
import { calm } from "./calm.js";
import { Connection, KIND } from "./connection.js";
import { colorOf } from "./colors.js";
import { Details } from "./details.js";
import { Devices } from "./devices.js";
import { Faces } from "./faces.js";
import { FileTab } from "./files.js";
import { FrameSender } from "./frames.js";
import { Halves } from "./halves.js";
import { language, translate } from "./language.js";
import { loadStyle, notice, withCode, write } from "./markup.js";
import { ReadFaces } from "./read_faces.js";
import { Reading } from "./reading.js";
import { RecorderControls } from "./recorder_controls.js";
import { RecordingTab } from "./recording_tab.js";
import { Results } from "./results.js";
import { ServerRecorder } from "./server_recorder.js";
import { Settings } from "./settings.js";
import { SettingsSheet } from "./settings_sheet.js";
import { SoundSender } from "./sound.js";
import { Spectrogram } from "./spectrogram.js";
import { Stage } from "./stage.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import {
  ABOUT, caption, DEVICE_WORDS, FACES, heardOf, LIVE, NO_ANSWER, notices, perSecond, PHASES, privacy, seconds, START, windowMark,
} from "./words.js";

const ASK_AGAIN = 1000; // ms between two questions to a server that is still loading its model
const NUMBERED = 64; // frames whose numbers are kept: more than come until an answer does
const TROUBLE_SHOWN = 6000; // ms
const PACE_SHOWN = 8000; // ms
const LEVEL_EVERY = 100; // ms
const ENDS = { refused: "unwelcome", blocked: "blocked" }; // how a connection ends that does not come back by itself
const RUNNING = ["connecting", "loading", "asking", "full", "devices", "unreachable", "retrying", "waiting", "live"];

export async function mount(element) {
  const root = element.querySelector(".mm-live");
  if (root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  translate(root);
  await loadStyle(new URL("live.css", import.meta.url));
  root.hidden = false;
  calm();
  await new Live(root).open();
}

class Live {
  constructor(root) {
    this.root = root;
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.facts = { states: null, liveFor: 0, phase: "", faceLost: 0, camera: "", microphone: "", filled: 0, windowSeconds: 3 };
    Object.assign(this.facts, { hidden: false, trouble: "", channel: 0 });
    this.phase = "opening";
    this.numbered = []; // { time, sequence } of the newest frames that the server has looked at
    this.tabs = new Tabs(root, this.parts);
    this.files = new FileTab(this.parts, this.tabs);
    this.opened = new RecordingTab(this.parts, this.tabs);
    this.reading = new Reading(this.parts);
    this.halves = new Halves(this.parts.halves, () => this.note({ disagree: false }));
    this.baseline = new Baseline(this.parts, (mean) => {
      this.reading.setBaseline(mean);
      this.recorder?.setBaseline(mean);
    });
    this.faces = new Faces({
      layer: this.parts.faces,
      choose: (number) => this.connection.sendText({ type: "choose", number }),
      changed: (facts) => this.facesChanged(facts),
      shown: () => this.tabs.shown === "live" && this.phase === "live",
      fallback: () => (this.parts.stop.hidden ? this.parts["settings-open"] : this.parts.stop),
    });
    this.readFaces = new ReadFaces(this.parts["read-faces"]);
    this.timeline = new Timeline(this.parts);
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
    this.settings = new Settings((changed) => this.settingsChanged(changed));
    this.sheet = new SettingsSheet(this.parts, this.settings, {
      model: () => this.model,
      locked: () => Boolean(this.recorder?.recording),
      meter: (onLevel) => this.showLevel(onLevel),
    });
    const say = (words) => this.showTrouble(words);
    this.devices = new Devices(() => this.devicesChanged(), () => this.capture(), () => this.settings.values, say);
    this.frames = new FrameSender(this.parts.video, this.connection);
    this.frames.width = this.settings.values.upload;
    this.sound = new SoundSender(this.connection, (channel) => this.note({ channel }));
  }

  async open() {
    this.parts.start.addEventListener("click", () => (this.phase === "retrying" ? this.connection.retry() : this.start()));
    this.parts.stop.addEventListener("click", () => this.stop());
    this.parts["help-open"].addEventListener("click", () => this.parts.help.showModal());
    document.addEventListener("keydown", (event) => {
      const writing = event.target.closest?.("input, textarea, dialog");
      if (event.key === "?" && !writing) this.parts.help.showModal();
    });
    this.parts.told.addEventListener("change", () => this.allowStart());
    document.addEventListener("visibilitychange", () => this.note({ hidden: document.hidden }));
    document.addEventListener("click", () => this.sound.wake());
    const info = await this.ask();
    this.source = info.source;
    this.mustTell = info.share && this.source === "browser"; // a public link: whoever is in view has to know
    this.parts["told-row"].hidden = !this.mustTell;
    this.stage = new Stage(this.parts, this.settings.values.mirror ?? this.source === "browser");
    this.serverSmoothing = info.smoothing;
    this.sheet.setServer(info);
    this.recorder = this.makeRecorder();
    this.parts.privacy.textContent = privacy(this.source, location.hostname);
    this.parts.limits.href = new URL(`../about/?lang=${language}`, import.meta.url);
    if (this.source !== "browser") this.start();
    else this.enter(this.devices.secure ? "idle" : "insecure");
    this.learn(info);
  }

  // What records: this browser its own source, the server its.
  makeRecorder() {
    const shared = {
      flag: (text, at) => this.timeline.flag(text, at),
      say: (words, tone) => this.showTrouble(words, tone),
      shown: () => this.tabs.shown === "live",
    };
    if (this.source !== "browser") {
      const send = (message) => this.connection.sendText(message);
      return new ServerRecorder(this.parts, { ...shared, send, note: (facts) => this.note(facts) });
    }
    return new RecorderControls(this.parts, {
      ...shared,
      changed: (recording) => this.tabs.setLive(this.phase === "live", recording),
      tracks: () => [this.devices.camera, this.devices.microphone].filter(Boolean),
      model: () => this.model,
      settings: () => this.inForce(this.settings.values),
      told: () => (this.mustTell ? this.parts.told.checked : null),
    });
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
    this.recorder.setModel(info);
    this.model = info;
    this.files.setModel(info);
    this.facts.windowSeconds = info.windowSeconds;
    this.parts.device.textContent = info.title;
    this.parts.about.textContent = ABOUT;
    this.parts.about.hidden = !info.trained || info.starter;
    this.parts.untrained.hidden = info.trained;
    this.parts.starter.hidden = !info.starter;
    this.parts.card.href = new URL("../card/", import.meta.url);
    this.parts.rate.textContent = `${info.sampleRate / 1000} kHz`;
    this.parts["window-mark"].textContent = windowMark(info.windowSeconds);
    if (info.labels.join() !== this.reading.labels.join()) this.baseline.forget();
    this.reading.setLabels(info.labels);
    this.halves.setLabels(info.labels);
    this.timeline.setLabels(info.labels);
    this.readFaces.setLabels(info.labels);
    this.results.setModel(info);
    this.details.setModel(info);
    this.sheet.show();
    this.spectrogram.setShape(info.melBins, info.columnsPerSecond, info.windowSeconds);
  }

  start() {
    if (this.source === "browser" && !this.devices.secure) return this.enter("insecure");
    if (this.mustTell && !this.parts.told.checked) return;
    this.enter("connecting");
    this.connection.open();
  }

  stop() {
    this.recorder.end(); // while the tracks still run
    this.connection.close();
    this.frames.stop();
    this.sound.stop();
    this.devices.release();
    this.parts.video.srcObject = null;
    this.quiet();
    this.enter("stopped");
  }

  welcomed(info) {
    this.setModel(info);
    if (this.source === "browser") {
      this.sendWishes();
      return this.capture();
    }
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
    this.goLive();
    this.devicesChanged();
  }

  // What the server does for this viewer alone.
  sendWishes() {
    const { smoothing, rate } = this.settings.values;
    this.connection.sendText({ type: "settings", smoothing, interval: rate ? 1 / rate : 0 });
  }

  async settingsChanged(changed) {
    this.sheet.show();
    if ("mirror" in changed) this.stage.setMirrored(this.inForce(changed).mirror);
    if ("upload" in changed) this.frames.width = changed.upload;
    if ("smoothing" in changed || "rate" in changed) this.sendWishes();
    for (const name of ["camera", "microphone"]) {
      if (name in changed && RUNNING.includes(this.phase)) await this.devices.choose(name);
    }
    this.recorder?.setSettings(this.inForce(changed));
  }

  // Settings as a recording keeps them: what holds, and devices by the names that they have here.
  inForce(values) {
    const told = { ...values };
    if ("smoothing" in told) told.smoothing ??= this.serverSmoothing;
    if ("mirror" in told) told.mirror ??= this.source === "browser";
    for (const name of ["camera", "microphone"]) if (name in told) told[name] = this.devices[name]?.label ?? "";
    return told;
  }

  // Tells `onLevel`, until it is null, how loud the microphone is, as often as can be read.
  showLevel(onLevel) {
    let due = 0;
    this.sound.onLevel = onLevel && ((level) => {
      const now = performance.now();
      if (now < due) return;
      due = now + LEVEL_EVERY;
      onLevel(level);
    });
    onLevel?.(null);
  }

  goLive() {
    if (this.phase === "live") return;
    this.liveSince = performance.now();
    this.timeline.interrupt();
    this.recorder.resume();
    this.reading.clear(NO_ANSWER.coming);
    this.enter("live");
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
    if (message.type === "further") this.showFurther(message);
    if (message.type === "drift") this.showDrift(message);
    if (message.type === "pace") this.showPace(message);
    if (message.type === "face" && this.phase === "live") this.showNews(message);
    if (message.type === "halves" && this.phase === "live") this.showHalves(message);
    if (message.type === "source") this.note({ camera: message.camera ?? "", microphone: message.microphone ?? "" });
    if (message.type === "states") {
      const liveFor = (performance.now() - this.liveSince) / 1000;
      this.note({ states: message.states, faceLost: message.faceLost, filled: message.filled, liveFor });
    }
    if (message.type === "marker") this.recorder.markFrom(message);
    if (message.type === "markers") this.note({ markers: message.missing });
    if (message.type.startsWith("record")) this.recorder.received(message);
    if (message.type === "trouble") this.showTrouble(message.message);
  }

  showTrouble(words, tone = "warn") {
    this.note({ trouble: words, tone });
    clearTimeout(this.troubleTimer);
    this.troubleTimer = setTimeout(() => this.note({ trouble: "" }), TROUBLE_SHOWN);
  }

  showHalves(message) {
    this.halves.show(message);
    this.note({ disagree: message.disagree });
  }

  showDrift(drift) {
    this.details.showDrift(drift);
    this.results.drift = drift.last;
    this.recorder.setDrift(drift);
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
      if (this.phase === "waiting") this.goLive(); // a clip with sound alone
    } else if (kind === KIND.PREVIEW) {
      this.showPreview(payload);
    }
  }

  facesChanged(facts) {
    this.parts.faces.hidden = !facts.others;
    this.note(facts);
  }

  // Another face is read, or one that was chosen cannot be. What was said of the one before is no word about this one.
  showNews(message) {
    this.showTrouble(FACES.news[message.news](message), "info");
    if (message.news === "gone") return;
    this.timeline.interrupt();
    this.halves.clear();
    this.baseline.forget();
    this.note({ disagree: false });
    this.stage.setCaption(null);
    this.reading.clear(NO_ANSWER.otherFace);
  }

  showFrame(message) {
    const { sequence, box, fps, time } = message;
    write(this.parts.fps, fps ? perSecond(fps, 0) : "–");
    this.newest = { time, at: performance.now() / 1000 };
    this.numbered = [...this.numbered.slice(-NUMBERED), { time, sequence }];
    if (this.source === "browser") this.showFaces(this.frames.acknowledge(sequence), message);
    else this.previewed = message; // its picture is the next binary message
  }

  // picture: of the frame that `message` is about, or null where it is no longer there.
  showFaces(picture, message) {
    const { box, others = [] } = message;
    const marked = others.map(([number, ...sides]) => ({ box: sides, caption: this.readFaces.captionOf(number) }));
    this.stage.show(picture, box, marked);
    this.readFaces.chosen(message.number);
    this.faces.show(message, (sides) => this.stage.place(sides));
  }

  async showPreview(jpeg) {
    const message = this.previewed;
    const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    if (this.phase === "waiting") this.goLive();
    if (this.phase === "live") this.showFaces(picture, message);
  }

  showResult(result) {
    if (this.phase !== "live") return; // it was on its way when the run ended
    this.reading.show(result, this.model);
    this.details.showResult(result);
    const age = this.age(result.time);
    write(this.parts.latency, result.clip ? "–" : seconds(age)); // a clip comes from no camera
    write(this.parts.answers, result.resultRate ? perSecond(result.resultRate, 1) : "–");
    this.root.dataset.results = result.counters.results;
    const top = Math.max(...result.probabilities);
    const words = caption(result, top);
    const index = this.model.labels.indexOf(result.label);
    this.stage.setCaption(words?.text, words?.named ? colorOf(result.label, index, true) : null); // on a dark picture
    const now = performance.now() / 1000;
    this.timeline.push(now - age, result.probabilities, result.label !== null);
    result.frame = this.numbered.findLast(({ time }) => time <= result.time + 1e-6)?.sequence;
    this.results.push(now - age, result);
    this.recorder.push(now - age, result);
    this.baseline.push(now - age, result, this.facts.faceLost);
    if (this.results.full) this.note({ full: true });
  }

  // An answer about a face that is read beside the chosen one.
  showFurther(answer) {
    if (this.phase !== "live") return;
    const at = performance.now() / 1000 - this.age(answer.time);
    this.readFaces.push(at, answer);
    this.details.showFurther(answer);
    this.results.push(at, answer);
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
    this.recorder.interrupt();
    this.quiet();
    this.enter("retrying", reason === "error" ? words : undefined);
  }

  quiet() {
    for (const name of ["fps", "latency", "answers"]) this.parts[name].textContent = "–";
    this.stage?.setCaption(null);
    this.stage?.clear();
    this.faces.clear();
    this.readFaces.clear();
    this.spectrogram.clear();
    this.numbered = [];
    this.results.interrupt();
    this.halves.clear();
    this.reading.clear(NO_ANSWER.ended);
    this.note({ states: null, trouble: "", disagree: false });
  }

  note(changed) {
    Object.assign(this.facts, changed);
    const lines = notices(this.phase === "live" ? this.facts : { trouble: this.facts.trouble, tone: this.facts.tone });
    this.say(heardOf(lines, this.facts));
    const text = JSON.stringify(lines);
    if (text === this.shownNotices) return;
    this.shownNotices = text;
    this.parts.notices.replaceChildren(...lines.map(notice));
  }

  // For screen readers: what has changed, once.
  say(words) {
    write(this.parts.heard, words);
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
    const again = phase === "retrying";
    this.show({
      start: again || !(running || (this.source !== "browser" && !ended)),
      stop: running && this.source === "browser",
    });
    this.recorder?.allow(phase === "live");
    this.baseline.allow(phase === "live" && this.model?.trained);
    this.parts.start.textContent = again ? START.now : ended ? START.again : START.first;
    this.allowStart();
    this.note({ phase: phase === "live" ? LIVE : title });
  }

  allowStart() {
    const untold = this.mustTell && !this.parts.told.checked;
    this.parts.start.disabled = untold || ["opening", "insecure", "failed"].includes(this.phase);
  }

  // Start and Stop take turns; the focus goes from the one that goes to the one that comes, and is never lost.
  show(shown) {
    const held = ["start", "stop"].find((name) => this.parts[name] === document.activeElement);
    for (const [name, there] of Object.entries(shown)) this.parts[name].hidden = !there;
    if (!held || shown[held]) return;
    const other = held === "start" ? "stop" : "start";
    if (shown[other]) this.parts[other].focus({ preventScroll: true });
  }
}
