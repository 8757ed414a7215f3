// What this viewer has chosen, kept in the browser. What is kept there may be of another version, or nonsense: each value is
// looked at, and what cannot be meant is as if it had not been chosen.

const KEY = "mmadfer.settings";

// null: as the server, or the source, has it.
export const DEFAULTS = { camera: "", microphone: "", smoothing: null, mirror: null, upload: 480, rate: 0 };
export const MAX_SMOOTHING = 3; // s, as the server takes it (demo/session/protocol.py)
export const UPLOADS = [320, 480, 640, 0]; // px wide at most; 0: as the camera gives it
export const RATES = [0, 5, 2, 1, 0.5]; // answers/s at most; 0: as many as the server gives

const MOST_TEXT = 500; // characters of a device's name in the browser
const isName = (value) => typeof value === "string" && value.length <= MOST_TEXT;
const FITS = {
  camera: isName,
  microphone: isName,
  smoothing: (value) => value === null || (Number.isFinite(value) && value >= 0 && value <= MAX_SMOOTHING),
  mirror: (value) => value === null || typeof value === "boolean",
  upload: (value) => UPLOADS.includes(value),
  rate: (value) => RATES.includes(value),
};

export class Settings {
  // onChange(changed): the values that are others now, by name.
  constructor(onChange) {
    this.onChange = onChange;
    this.values = { ...DEFAULTS, ...kept() };
  }

  set(name, value) {
    if (!FITS[name](value) || value === this.values[name]) return;
    this.#take({ [name]: value });
  }

  reset() {
    const changed = Object.entries(DEFAULTS).filter(([name, value]) => value !== this.values[name]);
    if (changed.length) this.#take(Object.fromEntries(changed));
  }

  #take(changed) {
    Object.assign(this.values, changed);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.values));
    } catch {
      // a browser that keeps nothing: they hold until the page is closed
    }
    this.onChange(changed);
  }
}

function kept() {
  try {
    const found = Object.entries(JSON.parse(localStorage.getItem(KEY)) ?? {});
    return Object.fromEntries(found.filter(([name, value]) => Object.hasOwn(FITS, name) && FITS[name](value)));
  } catch {
    return {};
  }
}
