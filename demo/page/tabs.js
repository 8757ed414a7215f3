// Live, File, Recording: three tabs of one page, each with an address of its own (#live, #file, #recording). What runs in one
// goes on while another is shown.

import { TABS } from "./words_tabs.js";

const NAMES = ["live", "file", "recording"];

export class Tabs {
  constructor(root, parts) {
    this.root = root;
    this.parts = parts;
    this.tabs = Object.fromEntries(NAMES.map((name) => [name, parts[`tab-${name}`]]));
    this.panels = Object.fromEntries(NAMES.map((name) => [name, parts[`panel-${name}`]]));
    this.drops = {}; // what takes dropped files, by tab
    for (const [name, tab] of Object.entries(this.tabs)) {
      tab.addEventListener("click", () => this.choose(name));
      tab.addEventListener("keydown", (event) => this.#key(event, name));
    }
    parts["goes-on-show"].addEventListener("click", () => {
      this.choose("live");
      this.tabs.live.focus();
    });
    for (const way of ["hashchange", "popstate"]) window.addEventListener(way, () => this.#show(this.#named()));
    this.#show(this.#named());
    this.#takeDrops();
  }

  get shown() {
    return this.root.dataset.tab;
  }

  choose(name) {
    // Gradio's page has a base address of its own, so that "#name" alone would be another page's.
    if (name !== this.shown) history.pushState(null, "", `${location.pathname}${location.search}#${name}`);
    this.#show(name);
  }

  // Whether camera and microphone run, and whether they are recorded: told in the other tabs, too.
  setLive(running, recording) {
    this.tabs.live.classList.toggle("mm-running", running);
    this.parts["tab-live-state"].textContent = running ? TABS.running : "";
    this.running = running;
    this.parts["goes-on-words"].textContent = recording ? TABS.recordingGoesOn : TABS.goesOn;
    this.#tell();
  }

  #named() {
    const name = location.hash.slice(1);
    return NAMES.includes(name) ? name : "live";
  }

  #show(name) {
    this.root.dataset.tab = name;
    for (const other of NAMES) {
      const here = other === name;
      this.tabs[other].setAttribute("aria-selected", here);
      this.tabs[other].tabIndex = here ? 0 : -1;
      this.panels[other].hidden = !here;
    }
    this.#tell();
  }

  #tell() {
    this.parts["goes-on"].hidden = !this.running || this.shown === "live";
  }

  #key(event, name) {
    const at = NAMES.indexOf(name);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: NAMES.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const other = NAMES[(next + NAMES.length) % NAMES.length];
    this.choose(other);
    this.tabs[other].focus();
  }

  // A file that is dropped anywhere on the page would take its place, and end a run: it goes to the tab instead.
  #takeDrops() {
    document.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.root.classList.add("mm-dragging");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.root.classList.remove("mm-dragging");
    });
    document.addEventListener("drop", (event) => {
      this.root.classList.remove("mm-dragging");
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      const folders = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
      this.drop([...event.dataTransfer.files], folders);
    });
  }

  // Recordings go to their tab, other files to theirs, wherever they were dropped.
  drop(files, folders = 0) {
    const zips = files.filter(({ name }) => /\.zip$/i.test(name));
    const others = files.filter((file) => !zips.includes(file));
    const name = others.length ? "file" : zips.length ? "recording" : this.shown === "recording" ? "recording" : "file";
    this.choose(name);
    if (zips.length) this.drops.recording(zips);
    if (others.length || folders) this.drops.file(others, folders);
  }
}
