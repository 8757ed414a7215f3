// The words of the tabs File and Recording, and of recordings that are opened again. As words.js: nothing else writes sentences.

import { say, sayMany, whole } from "./language.js";
import { listed, minutesOf, summaryWords, tenthsOf } from "./words.js";

export const TABS = {
  running: say("running"),
  goesOn: say("The live run goes on: camera and microphone stay on."),
  recordingGoesOn: say("The live run goes on and is recorded: camera and microphone stay on."),
};

const megabytes = (bytes) => whole(Math.ceil(bytes / 1e6));

export const FILES = {
  queued: say("Waits for its turn."),
  sending: ({ received, size }) => say("Being sent: {done} of {all} MB.", { done: megabytes(received), all: megabytes(size) }),
  receiving: () => say("Being sent."),
  waiting: ({ ahead }) => (ahead ? sayMany("Sent; {count} file before it.", "Sent; {count} files before it.", ahead) : say("Sent.")),
  scoring: ({ done, length }) =>
    length ? say("Being scored: {done} of {all}.", { done: minutesOf(done), all: minutesOf(length) }) : say("Being scored."),
  lost: () => say("The server does not answer. It goes on by itself where it was; Cancel ends it."),
  again: say("The server has lost the file (was it started anew?): it is sent again."),
  full: () => say("The server holds as many files as it may: it goes on by itself."),
  loading: () => say("The model is loading: it goes on by itself."),
  done: (answers, deleted) =>
    say("{one} {two}", {
      one: sayMany("{count} answer.", "{count} answers.", answers),
      two: deleted ? say("The server has deleted the file.") : say("The server deletes the file within minutes."),
    }),
  cancel: say("Cancel"),
  remove: say("Remove"),
  cancelling: say("Cancelling …"),
  cancelled: say("Cancelled; nothing was sent."),
  cancelledDeleted: say("Cancelled. The server has deleted what it had."),
  cancelledLater: say("Cancelled. The server does not answer; it deletes what it has within minutes."),
  empty: (name) => say("{name} is empty (0 bytes); record or copy it again.", { name }),
  tooLarge: ({ name, size }, most) =>
    say("{name} has {size} MB; the page takes {most} MB. Where the file lies, this scores it without a limit: {command}", {
      name,
      size: megabytes(size),
      most: megabytes(most),
      command: "`mmadfer predict FILE --csv OUT.csv`",
    }),
  unreadable: (name) => say("{name} can no longer be read: was it moved or deleted?", { name }),
  unplayable: say("This browser cannot play it; the answers are below all the same."),
  unexpected: (status) =>
    say(
      "The server's answer makes no sense (HTTP {status}). A proxy before it must pass on all below /live/files, with bodies of 1 MB.",
      { status },
    ),
  folder: say("Folders cannot be read here: drop the files in them."),
  tooMany: (most, left) =>
    sayMany(
      "The queue takes {most} files; {count} file more was left out.",
      "The queue takes {most} files; {count} files more were left out.",
      left,
      { most: whole(most) },
    ),
  // What a file lacks, once all of it was read.
  missing: ({ kind, hasSound, frames, faces }) => {
    const faceless = kind !== "sound" && !faces;
    if (kind === "picture") return faceless ? [say("No face in this picture: nothing to read.")] : [];
    if (faceless && !hasSound) {
      return [
        sayMany(
          "No face in {count} frame, and no sound track: nothing to read.",
          "No face in {count} frames, and no sound track: nothing to read.",
          frames,
        ),
      ];
    }
    if (faceless) {
      return [
        sayMany("No face in {count} frame: read from the voice alone.", "No face in {count} frames: read from the voice alone.", frames),
      ];
    }
    return hasSound ? [] : [say("No sound track: read from the face alone.")];
  },
};

export const CLIP = {
  noneYet: say("No answers yet."),
  nothingHere: say("No answer at this moment."),
};

export const clipMomentOf = (seconds, ranked) =>
  say("{title}: {words}", { title: tenthsOf(seconds), words: listed(ranked) || say("no answer") });

export const clipSummaryOf = (summary) => summaryWords(say("All of it"), summary);

// What is wrong with a zip that was to be opened as a recording.
export const DAMAGED = {
  gone: say("it can no longer be read"),
  noEnd: say("its end is missing"),
  wide: say("it is of a kind for more than 4 GB, which this page does not read"),
  list: say("its list of files is broken"),
  table: say("a table in it cannot be read"),
  columns: say("answers.csv lacks columns"),
  about: say("metadata.json cannot be read"),
  aboutLacks: say("metadata.json lacks what a recording has"),
  missing: (name) => say("{name} is missing", { name }),
  encrypted: (name) => say("{name} is encrypted", { name }),
  cutOff: (name) => say("{name} is cut off", { name }),
  elsewhere: (name) => say("{name} is not where the list says", { name }),
  packed: (name) => say("{name} is packed in a way that this page does not read", { name }),
  sum: (name) => say("the check sum of {name} does not fit", { name }),
  tooLarge: (name) => say("{name} is larger than this page unpacks", { name }),
  unpacking: (name) => say("{name} cannot be unpacked", { name }),
  longer: (name) => say("{name} is longer than it says", { name }),
};

export const OPENED = {
  noZip: (name) =>
    say("{name} is no recording: a recording is a zip that this page has saved. Other files go to the tab File.", { name }),
  noRecording: (name) => say("{name} is a zip, but no recording: it holds no metadata.json that says so.", { name }),
  newer: (name, version, known) =>
    say("{name} has version {version} of the form, and this page reads up to {known}: open it with a newer mmadfer.", {
      name,
      version,
      known,
    }),
  damaged: (name, reason) => say("{name} is damaged ({reason}): copy it again from where it was saved.", { name, reason }),
  noMedia: say("It holds no picture and no sound: answers and markers alone."),
  unplayable: say("This browser cannot play its video; answers and markers are here all the same."),
  about: ({ name, startedUtc, seconds, weights }) =>
    [name, new Date(startedUtc).toLocaleString(), minutesOf(seconds), weights].filter(Boolean).join(" · "),
  more: say("One recording at a time is opened: the first of them was."),
  unsaved: say("Markers were changed and not saved: save or discard them first."),
  saved: (name) => say("Saved as {name}.", { name }),
  leftOut: (names) => say("Left out, for they hold the markers as they were: {names}.", { names: names.join(say(", ")) }),
  markers: (from, to, count) =>
    count ? say("Markers {from} to {to} of {count}", { from, to, count: whole(count) }) : say("No markers"),
  full: (most) => say("A recording may have {most} markers.", { most: whole(most) }),
  edit: say("Edit"),
  remove: say("Remove"),
  cancel: say("Cancel"),
  set: say("Set"),
  seconds: say("Seconds"),
  text: say("Text"),
  at: (seconds) => say("Mark at {time}", { time: tenthsOf(seconds) }),
  compared: (a, b) => say("Share of time of each class: {a} against {b}", { a, b }),
  noLabels: say("The two have other classes: their shares cannot be compared."),
};
