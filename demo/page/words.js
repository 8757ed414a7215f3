// Every state of the page in words. Nothing else in the page writes sentences.

export const PHASES = {
  opening: ["One moment", "Asking the server what it runs."],
  idle: ["Ready when you are", "Looks at your face and listens to your voice. A camera or a microphone alone will do."],
  connecting: ["Connecting", "Opening a line to the server."],
  loading: ["The model is loading", "This goes on by itself as soon as it is ready."],
  asking: ["Waiting for your permission", "Please allow the camera and the microphone in the browser's question."],
  refused: [
    "Camera and microphone were refused",
    "Allow them for this page (the icon beside the address), then press Start again.",
  ],
  devices: ["No camera and no microphone found", "Plug one in: the page notices and goes on by itself."],
  busy: [
    "Camera and microphone cannot be opened",
    "Another program may be using them. Close it, then press Start again.",
  ],
  full: ["Server full", "You get the next free place: the page asks again every few seconds."],
  failed: ["The model could not be loaded", "Look at the terminal in which the server was started."],
  unreachable: ["Server not reachable", "Trying again …"],
  retrying: [
    "Connection lost, trying again",
    "The page goes on by itself within seconds once the server is back. Your camera stays on meanwhile; Stop turns it off.",
  ],
  unwelcome: ["The server did not take this page", ""],
  blocked: [
    "The live line does not open",
    "The page has come, but something between it and the server passes no WebSockets on: a proxy, a firewall or a browser "
      + "extension. A proxy must pass the upgrade on. For nginx: `proxy_http_version 1.1;` "
      + '`proxy_set_header Upgrade $http_upgrade;` `proxy_set_header Connection "upgrade";`',
  ],
  insecure: [
    "This address cannot use your camera",
    "Browsers give camera and microphone only to https pages and to localhost. Open the page on the machine itself, "
      + "start the server with --share, or put https in front of it.",
  ],
  waiting: ["Waiting for the picture", ""],
  live: ["", ""],
  stopped: ["Stopped", "Camera and microphone are off."],
};

const STATES = {
  "no face": ["warn", "No face in view"],
  "no sound": ["info", "No sound: reading the face alone"],
  silence: ["info", "Silence: too quiet to hear anybody. Is the microphone muted, or far away?"],
  "no voice": ["info", "No voice: nobody is heard speaking"],
  "unfamiliar voice": ["info", "Unfamiliar voice: these weights know none like it, so it counts little"],
  "sound of another channel": ["info", "The voice comes on another channel than the first: that one is used"],
  "gap in the sound": ["info", "A piece of the sound was lost"],
};

// From the surest on. An answer from one half alone is called a step less sure than one from a face and a voice.
const CERTAINTY = [
  [0.85, "Very sure"],
  [0.65, "Fairly sure"],
  [0.45, "Leaning this way"],
];
const MIXED = 0.45; // below it no single word is true

const SOUND_IN_TIME = 2; // s after Start from which on missing sound is told: a microphone takes a moment
const SOUND_STATES = ["no sound", "silence", "no voice"];

// The short lines under the video. `facts`: trouble and its tone, states (null before the first), faceLost, filled, windowSeconds, liveFor (s),
// camera, microphone, hidden, trouble, pace, and channel: the one of the viewer's microphone that is sent, from 0.
export function notices(facts) {
  const found = [];
  if (facts.trouble) found.push([facts.tone ?? "warn", facts.trouble, true]);
  if (facts.camera) found.push(["warn", facts.camera]);
  if (facts.microphone) found.push(["warn", facts.microphone]);
  for (const state of facts.states ?? []) {
    if (state === "window filling") {
      const filled = Math.min(facts.filled, facts.windowSeconds);
      found.push(["info", `Filling the window: ${filled.toFixed(0)} of ${facts.windowSeconds.toFixed(0)} s`]);
    } else if (facts.others && ["face lost", "no face"].includes(state)) {
      continue; // told with the others
    } else if (state === "face lost") {
      found.push(["warn", `Face lost ${facts.faceLost.toFixed(0)} s ago`]);
    } else if (state === "no face" && facts.camera) {
      continue;
    } else if (state === "no sound" && facts.microphone) {
      continue;
    } else if (SOUND_STATES.includes(state) && facts.liveFor < SOUND_IN_TIME) {
      continue;
    } else if (state === "sound of another channel" && facts.states.includes("no voice")) {
      continue;
    } else if (STATES[state]) {
      found.push(STATES[state]);
    }
  }
  if (facts.others) found.push(facesOf(facts));
  if (facts.withoutTrack?.length) found.push(["warn", RECORDING.without(facts.withoutTrack)]);
  if (facts.markers) found.push(["info", facts.markers]);
  if (facts.disagree) found.push(["info", "Face and voice disagree"]);
  if (facts.channel && !facts.microphone) found.push(["info", otherChannel(facts.channel)]);
  if (facts.pace) found.push(["info", paceWords(facts.pace)]);
  if (facts.full) found.push(["warn", "The table of results is full: save it, then load the page anew to go on"]);
  if (facts.hidden) found.push(["info", "This tab is in the background: browsers slow its video down"]);
  return found.length || !facts.states ? found : [["good", "Face and voice are coming in"]];
}

export const FACES = {
  choose: (number) => `Read face ${number} instead`,
  news: {
    chosen: ({ number }) => `Face ${number} is read from now on; its window begins anew`,
    taken: ({ number }) => `The face that was read has gone: the one in view (face ${number}) is read from now on`,
    gone: () => "That face is not in view any more: nothing has changed",
  },
};

// Where there are others beside the face that is read. others: how many; unread: whether that is not in view itself.
function facesOf({ faces, others, offers, unread }) {
  if (offers) return ["warn", `The face that was read has gone: click ${others > 1 ? "another" : "the other"} to read it`];
  if (unread) return ["warn", `Face lost: the ${others > 1 ? `${others} others are` : "other one is"} not read`];
  return ["info", `${faces} faces: reading the framed one`, true];
}

// What a screen reader says of them: no news in numbers, which would be read out anew every second, but where a line says so
// (its third place).
export function heardOf(lines, facts) {
  const news = lines.filter(([tone, words, said]) => said || tone !== "info" || !/\d/.test(words));
  const spoken = news.map(([, words]) => (words.startsWith("Face lost") ? STATES["no face"][1] : words));
  return spoken.join(". ") || facts.phase;
}

// After a change of how answers are made. exactMs: time that one took which was computed whole, ms.
const paceWords = ({ exact, exactMs }) =>
  exact
    ? `A whole answer takes ${exactMs.toFixed(0)} ms here: from now on every one is computed whole`
    : `Whole answers have come late for seconds (${exactMs.toFixed(0)} ms): from now on only what is new is computed`;

const otherChannel = (channel) => `The voice comes on channel ${channel + 1} of your microphone: that one is used`;

// The large word and the line below it, for an answer that may not be shown as one.
export function withoutLabel(states) {
  if (states.includes("untrained weights")) return ["No reading", "These weights are untrained; the bars are noise."];
  if (states.includes("no face") && states.includes("no voice")) {
    return ["Nothing to read", "No face is in view and nobody is heard speaking."];
  }
  if (states.includes("no face") && (states.includes("no sound") || states.includes("silence"))) {
    return ["Nothing to read", "No face is in view and nothing is heard."];
  }
  if (states.includes("no face")) return ["No face", "The last seconds show no face, and these weights need one."];
  if (states.includes("no sound")) return ["No sound", "The last seconds hold no sound, and these weights need it."];
  return ["No reading", "Something that these weights need is missing."];
}

// The large word and the line below it for an answer of a window that is not full yet.
export const firstGuess = (label, windowSeconds) => [
  "First guess",
  `Most like ${label} so far; a reading is made of ${windowSeconds.toFixed(0)} s.`,
];

// The large word and the line below it for an answer that its weights do not call unsure.
export function sureOf(ranked, restsOn) {
  const [first, second] = ranked;
  if (first.value < MIXED) return { word: "Mixed", line: `${capital(first.name)} or ${second.name}.`, mixed: true };
  const step = CERTAINTY.findIndex(([least]) => first.value >= least) + (restsOn === "both" ? 0 : 1);
  const words = CERTAINTY[Math.min(step, CERTAINTY.length - 1)][1];
  const line = second && second.value >= 0.2 ? `${words}, with some ${second.name}.` : `${words}.`;
  return { word: capital(first.name), line, mixed: false };
}

// What stands above the answer.
export function basisOf(restsOn, windowSeconds) {
  const halves = { face: " · face alone", voice: " · voice alone", "unfamiliar voice": " · unfamiliar voice" };
  const half = halves[restsOn] ?? "";
  const span = windowSeconds ? ` · last ${windowSeconds.toFixed(0)} s` : ""; // a picture has none
  return `Reading${half}${span}`;
}

export const RESTS_ON = { both: "a face and a voice", face: "a face alone", voice: "a voice alone", "unfamiliar voice": "an unfamiliar voice alone" };

// The same for an answer that its weights call unsure, and what a screen reader says instead of the word. below: what a sure
// answer reaches; error: at most that share of held-out answers which did was wrong, 0 where none is stated.
export function unsureOf({ name, value }, { below, error, restsOn }) {
  const word = `Unsure — most like ${name} (${percent(value)})`;
  const heard = `Unsure, most like ${name}`;
  const from = RESTS_ON[restsOn] ?? "this";
  if (below === undefined) return { word, heard, line: "Its weights call this answer unsure." }; // a table does not say more
  if (below >= 1) return { word, heard, line: `These weights are never sure of an answer from ${from}.` };
  const least = percent(below) === percent(value) ? `${(100 * below).toFixed(1)} %` : percent(below);
  const asked = `A sure answer from ${from} reaches ${least}.`;
  const reason = `Of those to held-out clips, at most ${percent(error)} were wrong.`;
  return { word, heard, line: error ? `${asked} ${reason}` : asked };
}

export const HALVES = { face: "Face alone", voice: "Voice alone" };

export const halfOf = (label, top, unsure) => `${unsure ? "unsure, " : ""}${label} ${percent(top)}`;

// What stands at the face box: { text, named: whether it is one class, whose colour it has }; null for nothing.
export function caption({ label, unsure, states }, top) {
  if (label === null) return null;
  if (states.includes("window filling")) return { text: "First guess", named: false };
  if (unsure) return { text: `Unsure: ${label} ${percent(top)}`, named: true };
  return top < MIXED ? { text: "Mixed", named: false } : { text: `${capital(label)} ${percent(top)}`, named: true };
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const percent = (value) => `${Math.round(100 * value)} %`;
export const seconds = (value) => (value < 1 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(1)} s`);

export const DEVICE_WORDS = {
  cameraMissing: "No camera: reading the voice alone",
  cameraGone: "The camera has gone: plug it in again and it goes on",
  cameraBusy: "The camera cannot be opened: another program may be using it",
  cameraRefused: "The camera was refused: reading the voice alone",
  microphoneRefused: "The microphone was refused: reading the face alone",
  microphoneMissing: "No microphone: reading the face alone",
  microphoneGone: "The microphone has gone: plug it in again and it goes on",
  microphoneBusy: "The microphone cannot be opened: another program may be using it",
  microphoneSleeping: "The browser holds the sound back: click anywhere on the page",
  cameraChosenGone: "The chosen camera has gone: in 5 s another one is used, if there is one",
  microphoneChosenGone: "The chosen microphone has gone: in 5 s another one is used, if there is one",
  cameraStandard: "The chosen camera is not there: the browser's default is used",
  microphoneStandard: "The chosen microphone is not there: the browser's default is used",
  cameraKept: "That camera cannot be opened: the one before stays",
  microphoneKept: "That microphone cannot be opened: the one before stays",
};

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

// Where picture and sound go, before anybody presses Start. host: of the page's address.
export const privacy = (source, host) =>
  ({
    browser: `Picture and sound go to ${LOCAL.includes(host) ? "this machine" : host} and are gone seconds later: nothing is kept.`,
    local: "Shown here: the camera and the microphone of the machine that runs the server. Nothing is kept unless somebody records.",
    clip: "Shown here: a clip that the server plays over and over, as if it came from a camera.",
  })[source];

// The line where the weights' own banner stands otherwise.
export const ABOUT = "Answers say what a face and a voice express, not what somebody feels.";

export const TIMELINE = { now: "now" };

const spanOf = (seconds) => ({ 60: "Last minute", 300: "Last 5 minutes" })[seconds] ?? "The whole run";

// Below the timeline, and its words for a screen reader. summary: of summary.js.
export const summaryOf = (span, summary) => summaryWords(spanOf(span), summary);

function summaryWords(title, { shares, changes, longest, missing }) {
  const parts = shares.filter(({ share }) => share >= 0.05).map(({ name, share }) => `${name} ${percent(share)}`);
  const gone = missing >= 1 ? [`no answer for ${lengthOf(missing)}`] : [];
  if (!parts.length && !gone.length) return "No answers yet";
  const run = longest ? [`${changes} ${changes === 1 ? "change" : "changes"}`, `longest: ${longest.name} ${lengthOf(longest.seconds)}`] : [];
  return [`${title}: ${[...parts, ...gone].join(", ")}`, ...run].join("; ");
}

// 75 -> "1:15 min"
const lengthOf = (seconds) => (seconds < 90 ? `${seconds.toFixed(0)} s` : `${inMinutes(seconds)} min`);
const inMinutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// 75 -> "1:15 min ago"
export const agoOf = (seconds) => `${lengthOf(seconds)} ago`;

// What the pointer rests on. ranked: the first classes there, none where there was no answer.
export const momentOf = (ago, ranked) =>
  `${agoOf(ago)}: ${ranked.map(({ name, value }) => `${name} ${percent(value)}`).join(", ") || "no answer"}`;

export const BASELINE = {
  take: "Take 10 s as neutral",
  cancel: "Cancel",
  undo: "Undo the baseline",
  left: (seconds) => `Please look neutral: ${seconds} s`,
  taken: "Beside each value: points above or below your own 10 s.",
  lost: "Given up: the face or the answer was lost. Try again.",
  stopped: "Given up: the run has ended.",
};

// 0.31 and 0.08 -> "+23"
export function shiftOf(value, baseline) {
  const points = Math.round(100 * (value - baseline));
  return points > 0 ? `+${points}` : points < 0 ? `−${-points}` : "±0";
}

export const RECORDING = {
  end: (clock) => `${clock} · End`,
  making: "Making the report and the other files of the recording …",
  saved: (name) => `Saved as ${name}.`,
  savedWithout: (name, why, command) => `Saved as ${name}, without some files (${why}). To add them later: ${command}`,
  kept: (about) =>
    `A recording of ${clockOf(about.seconds)} from ${new Date(about.startedUtc).toLocaleString()} was not saved.`,
  onServer: (hours) =>
    `The server keeps it until somebody saves it, at most ${hours} hours. It is one for all pages: closing a page does not end it.`,
  began: (name) => (name ? `Being recorded: ${name}` : "This is being recorded"),
  writing: "Writing …",
  without: (tracks) => `The recording has no ${tracks.join(" and no ")}: none came when it began`,
  keptOnServer: (about, hours) => {
    const ended = about.recovered ? "was cut off when the server ended" : "was not saved";
    const from = new Date(about.startedUtc).toLocaleString();
    return `A recording of ${clockOf(about.seconds)} from ${from} ${ended}. The server deletes it after ${hours} hours.`;
  },
  dataOnly: "This browser records no picture or sound: the recording holds answers and markers alone",
  full: "The browser's storage is full: the recording has ended, and what came before is kept",
  nothingKept: "This browser keeps nothing (a private window?): it cannot record",
  tooLarge: "The recording is larger than 4 GB, more than a zip can hold",
  failed: (error) => `The recording could not be written any further (${error.message}): what came before is kept`,
};

// 75.4 -> "01:15"
export function clockOf(seconds) {
  const whole = Math.floor(seconds);
  return [Math.floor(whole / 60), whole % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

export const SETTINGS = {
  standard: "The browser's default",
  nameless: (number) => `Number ${number}`,
  gone: "The chosen one (not there)",
  namesLater: "Their names are known once the browser has been allowed to use them.",
  locked: "While a recording runs, camera and microphone stay as they are.",
  level: (decibels) => (decibels <= -60 ? "nothing is heard" : `${decibels.toFixed(0)} dB`.replace("-", "−")),
  noLevel: "The level shows once a microphone is on",
  smoothing: (value, asServer) => `${value.toFixed(1)} s${asServer ? " (as the server)" : ""}`,
  rate: (value) => (value ? `${value} a second at most` : "As many as the server gives"),
  upload: (value) => (value ? `${value} px wide at most` : "As the camera gives it"),
  source: {
    local: "The server's own camera and microphone: it chooses them (`--camera`, `--microphone`) and how answers are smoothed (`--smoothing`), for all viewers alike.",
    clip: "A clip that the server plays: it chooses the file (`--source`) and how answers are smoothed (`--smoothing`), for all viewers alike.",
  },
};

// --- tabs, files, recordings that are opened again

export const TABS = {
  running: "running",
  goesOn: "The live run goes on: camera and microphone stay on.",
  recordingGoesOn: "The live run goes on and is recorded: camera and microphone stay on.",
};

const megabytes = (bytes) => Math.ceil(bytes / 1e6);
const many = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

export const FILES = {
  queued: "Waits for its turn.",
  sending: ({ received, size }) => `Being sent: ${megabytes(received)} of ${megabytes(size)} MB.`,
  receiving: () => "Being sent.",
  waiting: ({ ahead }) => (ahead ? `Sent; ${many(ahead, "file")} before it.` : "Sent."),
  scoring: ({ done, length }) => (length ? `Being scored: ${minutesOf(done)} of ${minutesOf(length)}.` : "Being scored."),
  lost: () => "The server does not answer. It goes on by itself where it was; Cancel ends it.",
  again: "The server has lost the file (was it started anew?): it is sent again.",
  full: () => "The server holds as many files as it may: it goes on by itself.",
  loading: () => "The model is loading: it goes on by itself.",
  done: (answers, deleted) => `${many(answers, "answer")}. ${deleted ? "The server has deleted the file." : "The server deletes the file within minutes."}`,
  cancel: "Cancel",
  remove: "Remove",
  cancelling: "Cancelling …",
  cancelled: "Cancelled; nothing was sent.",
  cancelledDeleted: "Cancelled. The server has deleted what it had.",
  cancelledLater: "Cancelled. The server does not answer; it deletes what it has within minutes.",
  empty: (name) => `${name} is empty (0 bytes); record or copy it again.`,
  tooLarge: ({ name, size }, most) =>
    `${name} has ${megabytes(size)} MB; the page takes ${megabytes(most)} MB. Where the file lies, this scores it without a limit: `
    + "`mmadfer predict FILE --csv OUT.csv`",
  unreadable: (name) => `${name} can no longer be read: was it moved or deleted?`,
  unplayable: "This browser cannot play it; the answers are below all the same.",
  unexpected: (status) =>
    `The server's answer makes no sense (HTTP ${status}). A proxy before it must pass on all below /live/files, with bodies of 1 MB.`,
  folder: "Folders cannot be read here: drop the files in them.",
  tooMany: (most, left) => `The queue takes ${most} files; ${many(left, "file")} more were left out.`,
  // What a file lacks, once all of it was read.
  missing: ({ kind, hasSound, frames, faces }) => {
    const noFace = kind !== "sound" && !faces ? `No face in ${many(frames, "frame")}` : "";
    if (kind === "picture") return noFace ? ["No face in this picture: nothing to read."] : [];
    if (noFace && !hasSound) return [`${noFace}, and no sound track: nothing to read.`];
    if (noFace) return [`${noFace}: read from the voice alone.`];
    return hasSound ? [] : ["No sound track: read from the face alone."];
  },
};

export const CLIP = {
  noneYet: "No answers yet.",
  nothingHere: "No answer at this moment.",
};

export const clipMomentOf = (seconds, ranked) =>
  `${tenthsOf(seconds)}: ${ranked.map(({ name, value }) => `${name} ${percent(value)}`).join(", ") || "no answer"}`;

export const clipSummaryOf = (summary) => summaryWords("All of it", summary);

// 75.43 -> "1:15"
export const minutesOf = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// 75.43 -> "1:15.4"
export function tenthsOf(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

export const OPENED = {
  noZip: (name) => `${name} is no recording: a recording is a zip that this page has saved. Other files go to the tab File.`,
  noRecording: (name) => `${name} is a zip, but no recording: it holds no metadata.json that says so.`,
  newer: (name, version, known) =>
    `${name} has version ${version} of the form, and this page reads up to ${known}: open it with a newer mmadfer.`,
  damaged: (name, what) => `${name} is damaged (${what}): copy it again from where it was saved.`,
  noMedia: "It holds no picture and no sound: answers and markers alone.",
  unplayable: "This browser cannot play its video; answers and markers are here all the same.",
  about: ({ name, startedUtc, seconds, weights }) =>
    [name, new Date(startedUtc).toLocaleString(), minutesOf(seconds), weights].filter(Boolean).join(" · "),
  more: "One recording at a time is opened: the first of them was.",
  unsaved: "Markers were changed and not saved: save or discard them first.",
  saved: (name) => `Saved as ${name}.`,
  leftOut: (names) => `Left out, for they hold the markers as they were: ${names.join(", ")}.`,
  markers: (from, to, count) => (count ? `Markers ${from} to ${to} of ${count.toLocaleString("en")}` : "No markers"),
  full: (most) => `A recording may have ${most.toLocaleString("en")} markers.`,
  edit: "Edit",
  remove: "Remove",
  at: (seconds) => `Mark at ${tenthsOf(seconds)}`,
  compared: (a, b) => `Share of time of each class: ${a} against ${b}`,
  noLabels: "The two have other classes: their shares cannot be compared.",
};
