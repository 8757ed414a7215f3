// Every state of the page in words, those of files and recordings in words_tabs.js. Nothing else in the page writes sentences.

import { decimal, say, sayMany, whole } from "./language.js";

export const PHASES = {
  opening: [say("One moment"), say("Asking the server what it runs.")],
  idle: [
    say("Ready when you are"),
    say("Looks at your face and listens to your voice. A camera or a microphone alone will do."),
  ],
  connecting: [say("Connecting"), say("Opening a line to the server.")],
  loading: [say("The model is loading"), say("This goes on by itself as soon as it is ready.")],
  asking: [
    say("Waiting for your permission"),
    say("Please allow the camera and the microphone in the browser's question."),
  ],
  refused: [
    say("Camera and microphone were refused"),
    say("Allow them for this page (the icon beside the address), then press Start again."),
  ],
  devices: [
    say("No camera and no microphone found"),
    say("Plug one in: the page notices and goes on by itself."),
  ],
  busy: [
    say("Camera and microphone cannot be opened"),
    say("Another program may be using them. Close it, then press Start again."),
  ],
  full: [say("Server full"), say("You get the next free place: the page asks again every few seconds.")],
  failed: [
    say("The model could not be loaded"),
    say("Look at the terminal in which the server was started."),
  ],
  unreachable: [say("Server not reachable"), say("Trying again …")],
  retrying: [
    say("Connection lost, trying again"),
    say(
      "The page goes on by itself within seconds once the server is back. Your camera stays on meanwhile; Stop turns it off.",
    ),
  ],
  unwelcome: [say("The server did not take this page"), ""],
  blocked: [
    say("The live line does not open"),
    say(
      "The page has come, but something between it and the server passes no WebSockets on: a proxy, a firewall or a browser "
        + "extension. A proxy must pass the upgrade on. For nginx: {settings}",
      {
        settings:
          '`proxy_http_version 1.1;` `proxy_set_header Upgrade $http_upgrade;` `proxy_set_header Connection "upgrade";`',
      },
    ),
  ],
  insecure: [
    say("This address cannot use your camera"),
    say(
      "Browsers give camera and microphone only to https pages and to localhost. Open the page on the machine itself, "
        + "start the server with --share, or put https in front of it.",
    ),
  ],
  waiting: [say("Waiting for the picture"), ""],
  live: ["", ""],
  stopped: [say("Stopped"), say("Camera and microphone are off.")],
};

// What the button in the curtain says.
export const START = { first: say("Start"), again: say("Start again"), now: say("Try now") };

// What stands where no answer is shown.
export const NO_ANSWER = {
  coming: say("The first answer is on its way."),
  otherFace: say("Another face: the first answer is on its way."),
  ended: say("Nothing is being read."),
};

export const LIVE = say("Live");

export const windowMark = (seconds) => say("the model hears the last {count} s", { count: seconds });

// The classes of the published weights; others stand as their weights have them.
const CLASSES = {
  happiness: say("happiness"),
  sadness: say("sadness"),
  neutral: say("neutral"),
  anger: say("anger"),
  surprise: say("surprise"),
  disgust: say("disgust"),
  fear: say("fear"),
  contempt: say("contempt"),
  anxiety: say("anxiety"),
  helplessness: say("helplessness"),
  disappointment: say("disappointment"),
};
export const labelOf = (name) => (Object.hasOwn(CLASSES, name) ? CLASSES[name] : name);

const STATES = {
  "no face": ["warn", say("No face in view")],
  "no sound": ["info", say("No sound: reading the face alone")],
  silence: ["info", say("Silence: too quiet to hear anybody. Is the microphone muted, or far away?")],
  "no voice": ["info", say("No voice: nobody is heard speaking")],
  "unfamiliar voice": ["info", say("Unfamiliar voice: these weights know none like it, so it counts little")],
  "voice of another face": ["info", say("The voice is another face's: the framed one is read by itself")],
  "sound of another channel": ["info", say("The voice comes on another channel than the first: that one is used")],
  "gap in the sound": ["info", say("A piece of the sound was lost")],
};

// From the surest on. An answer from one half alone is called a step less sure than one from a face and a voice.
const CERTAINTY = [
  [0.85, say("Very sure")],
  [0.65, say("Fairly sure")],
  [0.45, say("Leaning this way")],
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
      const values = { filled: decimal(filled, 0), all: decimal(facts.windowSeconds, 0) };
      found.push(["info", say("Filling the window: {filled} of {all} s", values)]);
    } else if (facts.others && ["face lost", "no face"].includes(state)) {
      continue; // told with the others
    } else if (state === "face lost") {
      const lost = say("Face lost {count} s ago", { count: decimal(facts.faceLost, 0) });
      found.push(["warn", lost, false, STATES["no face"][1]]);
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
  if (facts.disagree) found.push(["info", say("Face and voice disagree")]);
  if (facts.channel && !facts.microphone) found.push(["info", otherChannel(facts.channel)]);
  if (facts.pace) found.push(["info", paceWords(facts.pace)]);
  if (facts.full) {
    found.push(["warn", say("The table of results is full: save it, then load the page anew to go on")]);
  }
  if (facts.hidden) found.push(["info", say("This tab is in the background: browsers slow its video down")]);
  return found.length || !facts.states ? found : [["good", say("Face and voice are coming in")]];
}

export const FACES = {
  choose: (number) => say("Read face {number} instead", { number }),
  name: (number) => say("Face {number}", { number }),
  captioned: (number, words) => say("{number}: {words}", { number, words }),
  noAnswer: say("no answer"),
  news: {
    chosen: ({ number }) => say("Face {number} is read from now on; its window begins anew", { number }),
    taken: ({ number }) =>
      say("The face that was read has gone: the one in view (face {number}) is read from now on", { number }),
    gone: () => say("That face is not in view any more: nothing has changed"),
  },
};

// Where there are others beside the face that is read. others: how many; unread: whether that is not in view itself.
function facesOf({ faces, others, offers, unread }) {
  if (offers && others > 1) return ["warn", say("The face that was read has gone: click another to read it")];
  if (offers) return ["warn", say("The face that was read has gone: click the other to read it")];
  if (unread) {
    const words = sayMany("Face lost: the other one is not read", "Face lost: the {count} others are not read", others);
    return ["warn", words];
  }
  return ["info", sayMany("{count} face: reading the framed one", "{count} faces: reading the framed one", faces), true];
}

// What a screen reader says of them: no news in numbers, which would be read out anew every second, but where a line says so
// (its third place), or says what is heard instead (its fourth).
export function heardOf(lines, facts) {
  const news = lines.filter(([tone, words, said]) => said || tone !== "info" || !/\d/.test(words));
  return news.map(([, words, , heard]) => heard ?? words).join(say(". ")) || facts.phase;
}

// After a change of how answers are made. exactMs: time that one took which was computed whole, ms.
const paceWords = ({ exact, exactMs }) =>
  exact
    ? say("A whole answer takes {time} ms here: from now on every one is computed whole", { time: decimal(exactMs, 0) })
    : say("Whole answers have come late for seconds ({time} ms): from now on only what is new is computed", {
        time: decimal(exactMs, 0),
      });

const otherChannel = (channel) =>
  say("The voice comes on channel {number} of your microphone: that one is used", { number: channel + 1 });

// The large word and the line below it, for an answer that may not be shown as one.
export function withoutLabel(states) {
  const [none, nothing] = [say("No reading"), say("Nothing to read")];
  if (states.includes("untrained weights")) return [none, say("These weights are untrained; the bars are noise.")];
  if (states.includes("no face") && states.includes("no voice")) {
    return [nothing, say("No face is in view and nobody is heard speaking.")];
  }
  if (states.includes("no face") && (states.includes("no sound") || states.includes("silence"))) {
    return [nothing, say("No face is in view and nothing is heard.")];
  }
  if (states.includes("no face")) {
    return [say("No face"), say("The last seconds show no face, and these weights need one.")];
  }
  if (states.includes("no sound")) {
    return [say("No sound"), say("The last seconds hold no sound, and these weights need it.")];
  }
  return [none, say("Something that these weights need is missing.")];
}

// The large word and the line below it for an answer of a window that is not full yet.
export const firstGuess = (label, windowSeconds) => [
  say("First guess"),
  say("Most like {label} so far; a reading is made of {count} s.", { label: labelOf(label), count: decimal(windowSeconds, 0) }),
];

// The large word and the line below it for an answer that its weights do not call unsure.
export function sureOf(ranked, restsOn) {
  const [first, second] = ranked.map(({ name, value }) => ({ name: labelOf(name), value }));
  if (first.value < MIXED) {
    const line = say("{first} or {second}.", { first: capital(first.name), second: second.name });
    return { word: say("Mixed"), line, mixed: true };
  }
  const step = CERTAINTY.findIndex(([least]) => first.value >= least) + (restsOn === "both" ? 0 : 1);
  const words = CERTAINTY[Math.min(step, CERTAINTY.length - 1)][1];
  const some = second && second.value >= 0.2;
  const line = some ? say("{certainty}, with some {label}.", { certainty: words, label: second.name }) : say("{certainty}.", { certainty: words });
  return { word: capital(first.name), line, mixed: false };
}

const HALF_ALONE = { face: say("face alone"), voice: say("voice alone"), "unfamiliar voice": say("unfamiliar voice") };

// What stands above the answer. A picture has no window.
export function basisOf(restsOn, windowSeconds) {
  const span = windowSeconds ? say("last {count} s", { count: decimal(windowSeconds, 0) }) : "";
  return [say("Reading"), HALF_ALONE[restsOn], span].filter(Boolean).join(" · ");
}

export const RESTS_ON = {
  both: say("a face and a voice"),
  face: say("a face alone"),
  voice: say("a voice alone"),
  "unfamiliar voice": say("an unfamiliar voice alone"),
};

// The same for an answer that its weights call unsure, and what a screen reader says instead of the word. below: what a sure
// answer reaches; error: at most that share of held-out answers which did was wrong, 0 where none is stated.
export function unsureOf({ name, value }, { below, error, restsOn }) {
  const label = labelOf(name);
  const word = say("Unsure — most like {label} ({share})", { label, share: percent(value) });
  const heard = say("Unsure, most like {label}", { label });
  const basis = RESTS_ON[restsOn] ?? say("this");
  if (below === undefined) return { word, heard, line: say("Its weights call this answer unsure.") }; // a table does not say more
  if (below >= 1) return { word, heard, line: say("These weights are never sure of an answer from {basis}.", { basis }) };
  const least = percent(below) === percent(value) ? say("{number} %", { number: decimal(100 * below, 1) }) : percent(below);
  const asked = say("A sure answer from {basis} reaches {share}.", { basis, share: least });
  const reason = say("Of those to held-out clips, at most {share} were wrong.", { share: percent(error) });
  return { word, heard, line: error ? say("{one} {two}", { one: asked, two: reason }) : asked };
}

export const HALVES = { face: say("Face alone"), voice: say("Voice alone") };

export function halfOf(name, top, unsure) {
  const values = { label: labelOf(name), share: percent(top) };
  return unsure ? say("unsure, {label} {share}", values) : say("{label} {share}", values);
}

// What stands at the face box: { text, named: whether it is one class, whose colour it has }; null for nothing.
export function caption({ label, unsure, states }, top) {
  if (label === null) return null;
  if (states.includes("window filling")) return { text: say("First guess"), named: false };
  const share = percent(top);
  if (unsure) return { text: say("Unsure: {label} {share}", { label: labelOf(label), share }), named: true };
  if (top < MIXED) return { text: say("Mixed"), named: false };
  return { text: say("{label} {share}", { label: capital(labelOf(label)), share }), named: true };
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const percent = (value) => say("{number} %", { number: Math.round(100 * value) });
export const seconds = (value) => (value < 1 ? `${Math.round(1000 * value)} ms` : `${decimal(value, 1)} s`);
export const perSecond = (value, digits) => `${decimal(value, digits)} / s`;

export const DEVICE_WORDS = {
  cameraMissing: say("No camera: reading the voice alone"),
  cameraGone: say("The camera has gone: plug it in again and it goes on"),
  cameraBusy: say("The camera cannot be opened: another program may be using it"),
  cameraRefused: say("The camera was refused: reading the voice alone"),
  microphoneRefused: say("The microphone was refused: reading the face alone"),
  microphoneMissing: say("No microphone: reading the face alone"),
  microphoneGone: say("The microphone has gone: plug it in again and it goes on"),
  microphoneBusy: say("The microphone cannot be opened: another program may be using it"),
  microphoneSleeping: say("The browser holds the sound back: click anywhere on the page"),
  cameraChosenGone: say("The chosen camera has gone: in 5 s another one is used, if there is one"),
  microphoneChosenGone: say("The chosen microphone has gone: in 5 s another one is used, if there is one"),
  cameraStandard: say("The chosen camera is not there: the browser's default is used"),
  microphoneStandard: say("The chosen microphone is not there: the browser's default is used"),
  cameraKept: say("That camera cannot be opened: the one before stays"),
  microphoneKept: say("That microphone cannot be opened: the one before stays"),
};

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

// Where picture and sound go, before anybody presses Start. host: of the page's address.
export const privacy = (source, host) =>
  ({
    browser: LOCAL.includes(host)
      ? say("Picture and sound go to this machine and are gone seconds later: nothing is kept.")
      : say("Picture and sound go to {host} and are gone seconds later: nothing is kept.", { host }),
    local: say(
      "Shown here: the camera and the microphone of the machine that runs the server. Nothing is kept unless somebody records.",
    ),
    clip: say("Shown here: a clip that the server plays over and over, as if it came from a camera."),
  })[source];

// The line where the weights' own banner stands otherwise.
export const ABOUT = say("Answers say what a face and a voice express, not what somebody feels.");

export const TIMELINE = { now: say("now") };

const SPANS = { 60: say("Last minute"), 300: say("Last 5 minutes") };
export const listed = (ranked) => ranked.map(({ name, value }) => say("{label} {share}", { label: labelOf(name), share: percent(value) })).join(say(", "));

// Below the timeline, and its words for a screen reader. summary: of summary.js.
export const summaryOf = (span, summary) => summaryWords(SPANS[span] ?? say("The whole run"), summary);

export function summaryWords(title, { shares, changes, longest, missing }) {
  const most = shares.filter(({ share }) => share >= 0.05).map(({ name, share }) => ({ name, value: share }));
  const gone = missing >= 1 ? say("no answer for {length}", { length: lengthOf(missing) }) : "";
  if (!most.length && !gone) return say("No answers yet");
  const classes = [listed(most), gone].filter(Boolean).join(say(", "));
  const told = [say("{title}: {words}", { title, words: classes })];
  if (longest) {
    told.push(sayMany("{count} change", "{count} changes", changes));
    told.push(say("longest: {label} {length}", { label: labelOf(longest.name), length: lengthOf(longest.seconds) }));
  }
  return told.join(say("; "));
}

// 75 -> "1:15 min"
const lengthOf = (seconds) =>
  seconds < 90 ? say("{count} s", { count: decimal(seconds, 0) }) : say("{clock} min", { clock: minutesOf(seconds) });

// 75 -> "1:15 min ago"
export const agoOf = (seconds) => say("{length} ago", { length: lengthOf(seconds) });

// What the pointer rests on. ranked: the first classes there, none where there was no answer.
export const momentOf = (ago, ranked) => say("{title}: {words}", { title: agoOf(ago), words: listed(ranked) || say("no answer") });

export const BASELINE = {
  take: say("Take 10 s as neutral"),
  cancel: say("Cancel"),
  undo: say("Undo the baseline"),
  left: (seconds) => say("Please look neutral: {count} s", { count: seconds }),
  taken: say("Beside each value: points above or below your own 10 s."),
  lost: say("Given up: the face or the answer was lost. Try again."),
  stopped: say("Given up: the run has ended."),
};

// 0.31 and 0.08 -> "+23"
export function shiftOf(value, baseline) {
  const points = Math.round(100 * (value - baseline));
  return points > 0 ? `+${points}` : points < 0 ? `−${-points}` : "±0";
}

const WITHOUT = {
  picture: say("The recording has no picture: none came when it began"),
  sound: say("The recording has no sound: none came when it began"),
};

export const RECORDING = {
  begin: say("Record"),
  end: (clock) => say("{clock} · End", { clock }),
  making: say("Making the report and the other files of the recording …"),
  saved: (name) => say("Saved as {name}.", { name }),
  savedWithout: (name, reason, command) =>
    say("Saved as {name}, without some files ({reason}). To add them later: {command}", { name, reason, command }),
  unreachable: say("the server cannot be reached"),
  kept: (about) =>
    say("A recording of {clock} from {date} was not saved.", {
      clock: clockOf(about.seconds),
      date: new Date(about.startedUtc).toLocaleString(),
    }),
  onServer: (hours) =>
    sayMany(
      "The server keeps it until somebody saves it, at most {count} hour. It is one for all pages: closing a page does not end it.",
      "The server keeps it until somebody saves it, at most {count} hours. It is one for all pages: closing a page does not end it.",
      hours,
    ),
  began: (name) => (name ? say("Being recorded: {name}", { name }) : say("This is being recorded")),
  writing: say("Writing …"),
  without: (tracks) =>
    tracks.length > 1 ? say("The recording has no picture and no sound: none came when it began") : WITHOUT[tracks[0]],
  keptOnServer: (about, hours) => {
    const values = { clock: clockOf(about.seconds), date: new Date(about.startedUtc).toLocaleString() };
    const from = about.recovered
      ? say("A recording of {clock} from {date} was cut off when the server ended.", values)
      : say("A recording of {clock} from {date} was not saved.", values);
    const until = sayMany("The server deletes it after {count} hour.", "The server deletes it after {count} hours.", hours);
    return say("{one} {two}", { one: from, two: until });
  },
  dataOnly: say("This browser records no picture or sound: the recording holds answers and markers alone"),
  full: say("The browser's storage is full: the recording has ended, and what came before is kept"),
  nothingKept: say("This browser keeps nothing (a private window?): it cannot record"),
  tooLarge: say("The recording is larger than 4 GB, more than a zip can hold"),
  failed: (error) =>
    say("The recording could not be written any further ({reason}): what came before is kept", { reason: error.message }),
};

// 75.4 -> "01:15"
export function clockOf(seconds) {
  const whole = Math.floor(seconds);
  return [Math.floor(whole / 60), whole % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

export const SETTINGS = {
  standard: say("The browser's default"),
  browserLanguage: say("As the browser prefers"),
  languageLater: say("Holds once the page is loaded anew."),
  nameless: (number) => say("Number {number}", { number }),
  gone: say("The chosen one (not there)"),
  namesLater: say("Their names are known once the browser has been allowed to use them."),
  locked: say("While a recording runs, camera and microphone stay as they are."),
  level: (decibels) => (decibels <= -60 ? say("nothing is heard") : `${decimal(decibels, 0)} dB`.replace("-", "−")),
  noLevel: say("The level shows once a microphone is on"),
  smoothing: (value, asServer) =>
    asServer ? say("{count} s (as the server)", { count: decimal(value, 1) }) : say("{count} s", { count: decimal(value, 1) }),
  rate: (value) => (value ? say("{count} a second at most", { count: whole(value) }) : say("As many as the server gives")),
  upload: (value) => (value ? say("{count} px wide at most", { count: value }) : say("As the camera gives it")),
  source: {
    local: say(
      "The server's own camera and microphone: it chooses them (`--camera`, `--microphone`) and how answers are smoothed "
        + "(`--smoothing`), for all viewers alike.",
    ),
    clip: say(
      "A clip that the server plays: it chooses the file (`--source`) and how answers are smoothed (`--smoothing`), for all "
        + "viewers alike.",
    ),
  },
};

export const DETAILS = {
  rows: {
    engine: say("Model"),
    basis: say("The answer rests on"),
    time: say("Time per answer"),
    further: say("Time for another face"),
    drift: say("Quick against exact"),
    lost: say("Lost on the way"),
  },
  exact: say("every answer is computed whole"),
  notCompared: say("not compared yet"),
  nothing: say("nothing: no face, and nobody is heard"),
  // sureFrom: least probability of a sure answer; null where the weights state none.
  basis: (restsOn, temperature, sureFrom) => {
    const values = { basis: RESTS_ON[restsOn] ?? DETAILS.nothing, temperature: decimal(temperature, 2) };
    if (sureFrom === null) return say("{basis} (temperature {temperature})", values);
    return say("{basis} (temperature {temperature}, sure from {share} on)", { ...values, share: percent(sureFrom) });
  },
  lost: (frames, gaps) =>
    [
      sayMany("{count} frame skipped for a newer one", "{count} frames skipped for newer ones", frames),
      sayMany("{count} gap in the sound", "{count} gaps in the sound", gaps),
    ].join(say(", ")),
  drift: (last, largest, checks) => {
    const points = (value) => say("{number} %", { number: decimal(100 * value, 2) });
    return sayMany(
      "within {last} of each class when last compared; at most {largest} in {count} check",
      "within {last} of each class when last compared; at most {largest} in {count} checks",
      checks,
      { last: points(last), largest: points(largest) },
    );
  },
};

// 75.43 -> "1:15"
export const minutesOf = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// 75.43 -> "1:15.4"
export function tenthsOf(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}
