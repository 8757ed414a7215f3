// The further files of a recording (Parquet, report, and what other programs read), which the server makes of its tables. No
// picture and no sound go there, and it keeps nothing.

import { RECORDING } from "./words.js";
import { zip } from "./zip.js";

const ADDRESS = new URL("../recordings/files", import.meta.url);
const PATIENCE = 60_000; // ms
const REMEMBERED = "mmadfer-formats";

// What may be asked for beside Parquet and report: name -> the command's option.
export const FORMATS = ["elan", "boris", "textgrid"];

// The command that makes them later, where the server did not.
export const commandFor = (name, formats) => ["mmadfer recording", name, ...formats.map((format) => `--${format}`)].join(" ");

// tables: [{ name, blob }]. Gives { files: [{ name, blob }], missing: why some or all are not there }.
export async function furtherFiles(tables, formats) {
  try {
    const address = new URL(ADDRESS);
    address.searchParams.set("formats", formats.join());
    const answer = await fetch(address, { method: "POST", body: await zip(tables), signal: AbortSignal.timeout(PATIENCE) });
    const told = await answer.json();
    if (!answer.ok) return { files: [], missing: told.error };
    const files = Object.entries(told.files).map(([name, text]) => ({ name, blob: new Blob([bytes(text)]) }));
    return { files, missing: told.missing.join("; ") };
  } catch {
    return { files: [], missing: RECORDING.unreachable };
  }
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

// What was asked for last time in this browser.
export function remembered() {
  try {
    return FORMATS.filter((name) => localStorage.getItem(REMEMBERED)?.split(",").includes(name));
  } catch {
    return []; // a browser that keeps nothing
  }
}

export function remember(formats) {
  try {
    localStorage.setItem(REMEMBERED, formats.join());
  } catch {
    // nor does it matter
  }
}
