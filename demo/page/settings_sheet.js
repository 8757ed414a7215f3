// The sheet of settings: what this viewer may choose, and what the server has chosen.

import { chooseLanguage, chosenLanguage, LANGUAGES } from "./language.js";
import { withCode } from "./markup.js";
import { MAX_SMOOTHING, RATES, UPLOADS } from "./settings.js";
import { SETTINGS } from "./words.js";

const QUIETEST = -60; // dB of full scale at which the meter is empty
const DEVICES = { camera: "videoinput", microphone: "audioinput" };

export class SettingsSheet {
  // settings: of this viewer. live: { model(), locked(), meter(onLevel or null) }: what the server runs, whether devices have
  // to stay as they are, and whom to tell how loud the microphone is.
  constructor(parts, settings, live) {
    this.parts = parts;
    this.sheet = parts.settings;
    this.settings = settings;
    this.live = live;
    this.server = { source: "browser", smoothing: 0 };
    this.fields = Object.fromEntries([...this.sheet.querySelectorAll("[data-setting]")].map((field) => [field.dataset.setting, field]));
    fill(this.fields.upload, UPLOADS.map((value) => [value, SETTINGS.upload(value)]));
    fill(this.fields.rate, RATES.map((value) => [value, SETTINGS.rate(value)]));
    this.fields.smoothing.max = MAX_SMOOTHING;
    fill(parts["settings-language"], [["", SETTINGS.browserLanguage], ...Object.entries(LANGUAGES)]);
    parts["settings-language"].value = chosenLanguage();
    this.#listen();
  }

  // info: of /live/info: source, smoothing.
  setServer(info) {
    this.server = info;
    for (const part of this.sheet.querySelectorAll("[data-for=browser]")) part.hidden = info.source !== "browser";
    this.parts["settings-source"].hidden = info.source === "browser";
    this.parts["settings-source"].replaceChildren(...withCode(SETTINGS.source[info.source] ?? ""));
    this.parts["settings-open"].hidden = false;
    this.show();
  }

  open() {
    if (this.sheet.open || this.parts["settings-open"].hidden) return;
    this.sheet.showModal();
    this.show();
    this.live.meter((level) => this.#level(level));
  }

  // Puts what is chosen into the fields; `devices`: anew, too, for one may have come or gone.
  show() {
    const { values } = this.settings;
    const smoothing = values.smoothing ?? Math.min(this.server.smoothing, MAX_SMOOTHING);
    this.fields.smoothing.value = smoothing;
    this.parts["settings-smoothing"].textContent = SETTINGS.smoothing(values.smoothing ?? this.server.smoothing, values.smoothing === null);
    this.fields.smoothing.setAttribute("aria-valuetext", this.parts["settings-smoothing"].textContent);
    this.fields.mirror.checked = values.mirror ?? this.server.source === "browser";
    this.fields.upload.value = values.upload;
    this.fields.rate.value = values.rate;
    const model = this.live.model();
    this.parts["settings-weights"].textContent = model?.title ?? "–";
    this.parts["settings-engine"].textContent = model?.description ?? "–";
    if (this.sheet.open) this.#showDevices();
  }

  async #showDevices() {
    if (this.server.source !== "browser") return;
    const list = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const locked = this.live.locked();
    let named = false;
    for (const [name, kind] of Object.entries(DEVICES)) {
      const chosen = this.settings.values[name];
      // Chromium lists the default once more under a name of its own; without permission nothing has a name.
      const found = list.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
      const choices = found.map(({ deviceId, label }, i) => [deviceId, label || SETTINGS.nameless(i + 1)]);
      if (chosen && !found.some(({ deviceId }) => deviceId === chosen)) choices.push([chosen, SETTINGS.gone]);
      fill(this.fields[name], [["", SETTINGS.standard], ...choices]);
      this.fields[name].value = chosen;
      this.fields[name].disabled = locked;
      named ||= found.some(({ label }) => label);
    }
    this.parts["settings-devices"].textContent = locked ? SETTINGS.locked : named ? "" : SETTINGS.namesLater;
  }

  // level: root mean square of a block of sound, 0 to 1; null where none comes.
  #level(level) {
    const decibels = level ? Math.max(QUIETEST, 20 * Math.log10(level)) : QUIETEST;
    this.parts["settings-level"].value = decibels;
    this.parts["settings-level-words"].textContent = level === null ? SETTINGS.noLevel : SETTINGS.level(decibels);
  }

  #listen() {
    const { fields, settings, parts } = this;
    const take = (name, read) =>
      fields[name].addEventListener(name === "smoothing" ? "input" : "change", () => {
        settings.set(name, read(fields[name]));
        this.show();
      });
    for (const name of Object.keys(DEVICES)) take(name, (field) => field.value);
    for (const name of ["smoothing", "upload", "rate"]) take(name, (field) => Number(field.value));
    take("mirror", (field) => field.checked);
    parts["settings-language"].addEventListener("change", ({ target }) => {
      chooseLanguage(target.value);
      parts["settings-language-later"].textContent = SETTINGS.languageLater;
    });
    parts["settings-open"].addEventListener("click", () => this.open());
    parts["settings-reset"].addEventListener("click", () => {
      settings.reset();
      this.show();
    });
    this.sheet.addEventListener("close", () => this.live.meter(null));
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.sheet.open && this.#showDevices());
    document.addEventListener("keydown", (event) => {
      const writing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
      if (writing || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
      if (event.key.toLowerCase() === "s") this.open();
    });
  }
}

function fill(select, choices) {
  const options = choices.map(([value, words]) => Object.assign(document.createElement("option"), { value, textContent: words }));
  select.replaceChildren(...options);
}
