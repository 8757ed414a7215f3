// Every state of the page in words. Nothing else in the page writes sentences.

export const PHASES = {
  opening: ["One moment", "Asking the server what it runs."],
  idle: ["Ready when you are", "Start asks for your camera and microphone. One of the two is enough to begin with."],
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
  retrying: ["Connection lost, trying again", "The page goes on by itself once the server is back."],
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
  "sound of another channel": ["info", "The voice comes on another channel than the first: that one is used"],
  "gap in the sound": ["info", "A piece of the sound was lost"],
};

const CERTAINTY = [
  [0.85, "Very sure"],
  [0.65, "Fairly sure"],
  [0.45, "Leaning this way"],
  [0, "Undecided"],
];

// The short lines under the video. `facts`: states, faceLost, filled, windowSeconds, camera, microphone, hidden, trouble,
// pace, and channel: the one of the viewer's microphone that is sent, from 0.
export function notices(facts) {
  const found = [];
  if (facts.trouble) found.push(["warn", facts.trouble]);
  if (facts.camera) found.push(["warn", facts.camera]);
  if (facts.microphone) found.push(["warn", facts.microphone]);
  for (const state of facts.states) {
    if (state === "window filling") {
      const filled = Math.min(facts.filled, facts.windowSeconds);
      found.push(["info", `Filling the window: ${filled.toFixed(0)} of ${facts.windowSeconds.toFixed(0)} s`]);
    } else if (state === "face lost") {
      found.push(["warn", `Face lost ${facts.faceLost.toFixed(0)} s ago`]);
    } else if (state === "no face" && facts.camera) {
      continue;
    } else if (state === "no sound" && facts.microphone) {
      continue;
    } else if (STATES[state]) {
      found.push(STATES[state]);
    }
  }
  if (facts.channel && !facts.microphone) found.push(["info", otherChannel(facts.channel)]);
  if (facts.pace) found.push(["info", paceWords(facts.pace)]);
  if (facts.hidden) found.push(["info", "This tab is in the background: browsers slow its video down"]);
  return found.length ? found : [["good", "Face and voice are coming in"]];
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
  if (states.includes("no face") && (states.includes("no sound") || states.includes("silence"))) {
    return ["Nothing to read", "No face is in view and nothing is heard."];
  }
  if (states.includes("no face")) return ["No face", "The last seconds show no face, and these weights need one."];
  if (states.includes("no sound")) return ["No sound", "The last seconds hold no sound, and these weights need it."];
  return ["No reading", "Something that these weights need is missing."];
}

export function certainty(ranked) {
  const [first, second] = ranked;
  const words = CERTAINTY.find(([least]) => first.value >= least)[1];
  if (!second || second.value < 0.2) return `${words}.`;
  const joint = first.value < 0.45 ? "between this and" : "with some";
  return `${words}, ${joint} ${second.name}.`;
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
};

export const PRIVACY = {
  browser: "Video and sound go to this server's memory, are looked at, and are gone a few seconds later. Nothing is stored.",
  local: "Shown here: the camera and the microphone of the machine that runs the server. Nothing is stored.",
  clip: "Shown here: a clip that the server plays over and over, as if it came from a camera.",
};
