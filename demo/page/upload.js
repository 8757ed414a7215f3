// One file on its way to the server and its answers on their way back. A lost line is waited out and a server that was
// started anew gets the file again: it ends with all answers, with words that say why not, or where it is cancelled.

import { FILES } from "./words_tabs.js";

const PAUSE = 300; // ms between two questions how it stands
const LONGEST_PAUSE = 2000; // ms between two tries while nobody answers
const TRY_AGAIN = 3000; // ms until a server that is full or loading is asked again
const AGAIN = [502, 503, 504]; // what stands before a server says so while it is not there

// Why the server does not take the file, or cannot read it.
export class Refused extends Error {
  constructor({ reason, message }) {
    super(message);
    this.reason = reason;
  }
}

export class Upload {
  // endpoint: address of the files; onState(state): { name, received, size, done, length, ahead }; onRows(rows, about).
  constructor(endpoint, file, { onState, onRows }) {
    this.endpoint = endpoint;
    this.file = file;
    this.onState = onState;
    this.onRows = onRows;
    this.stop = new AbortController();
  }

  // Gives what the server says at the end. Throws `Refused`, or an AbortError where it was cancelled.
  async run() {
    for (;;) {
      try {
        await this.#begin();
        await this.#send();
        return await this.#follow();
      } catch (error) {
        if (!(error instanceof Refused) || error.reason !== "gone") throw error;
        this.onState({ name: "again" }); // the server was started anew, or slept: all of it once more
      }
    }
  }

  // Ends it, and has the server delete what it has. Gives whether that is certain.
  async cancel() {
    this.stop.abort();
    return this.#delete();
  }

  async #begin() {
    const body = JSON.stringify({ name: this.file.name, size: this.file.size });
    for (;;) {
      try {
        const { number, piece } = await this.#ask("", { method: "POST", body });
        Object.assign(this, { number, piece });
        return;
      } catch (error) {
        if (!(error instanceof Refused) || !["full", "loading"].includes(error.reason)) throw error;
        this.onState({ name: error.reason });
        await this.#pause(TRY_AGAIN);
      }
    }
  }

  async #send() {
    const { size } = this.file;
    for (let received = 0; received < size; ) {
      this.onState({ name: "sending", received, size });
      const body = await this.file.slice(received, received + this.piece).arrayBuffer();
      ({ received } = await this.#ask(`/${this.number}?from=${received}`, { method: "PUT", body }));
    }
  }

  async #follow() {
    for (let after = 0; ; ) {
      const answer = await this.#ask(`/${this.number}?after=${after}`, {});
      after = answer.next;
      if (answer.rows.length) this.onRows(answer.rows, answer.about);
      if (["done", "failed"].includes(answer.state)) {
        answer.deleted = (await this.#delete()) || answer.deleted;
        if (answer.state === "failed") throw new Refused({ reason: "failed", message: answer.words });
        return answer;
      }
      const { done, length } = answer.about;
      this.onState({ name: answer.state, ahead: answer.ahead, done, length });
      if (answer.rows.length < 500) await this.#pause(PAUSE);
    }
  }

  async #delete() {
    if (!this.number) return true;
    try {
      const { status } = await fetch(`${this.endpoint}/${this.number}`, { method: "DELETE", keepalive: true });
      return status === 200 || status === 404;
    } catch {
      return false;
    }
  }

  // The server's answer, however long the line is lost before it comes. A piece that came twice changes nothing there.
  async #ask(path, options) {
    for (let pause = 500; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        const answer = await fetch(this.endpoint + path, { cache: "no-store", signal: this.stop.signal, ...options });
        const told = await answer.json().catch(() => null);
        if (answer.ok && told) return told;
        if (told?.reason) throw new Refused(told);
        if (!AGAIN.includes(answer.status)) throw new Refused({ reason: "bad", message: FILES.unexpected(answer.status) });
      } catch (error) {
        if (error instanceof Refused || error.name === "AbortError") throw error;
      }
      this.onState({ name: "lost" });
      await this.#pause(pause);
    }
  }

  #pause(ms) {
    const { signal } = this.stop;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          reject(signal.reason);
        },
        { once: true },
      );
      if (signal.aborted) reject(signal.reason);
    });
  }
}
