// One WebSocket that comes back by itself, with longer and longer pauses while nobody answers. Where the server refuses the
// page, or something on the way passes no WebSockets on, it does not: trying again cannot help before somebody acts.

export const KIND = { VIDEO: 1, SOUND: 2, MEL: 3, PREVIEW: 4 };
const HEADER_BYTES = 24;
const VERSION = 1;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 2000; // so that a server that is back is found within 3 s
// After these words from the server the pause is fixed (ms): it is there, just not for us yet.
const PAUSES = { loading: 1000, full: 5000 };
const STEADY = 3000; // ms a connection must last before pauses start small again
const HANDSHAKE = 10_000; // ms after which an opening line counts as failed: some proxies never answer
const BLOCKED = 3; // handshakes that failed in a row while the server answers ordinary requests

export class Connection {
  // handlers: onWelcome(info), onMessage(object), onBinary({kind, time, index, payload}), onLost({reason, words}), and
  // onEnded({reason, words}) where it will not come back by itself: "refused" or "blocked".
  constructor(url, handlers) {
    this.url = url;
    this.vouched = false; // the browser has to vouch for this page: the server cannot know it as its own
    this.handlers = handlers;
    this.socket = null;
    this.wanted = false;
    this.attempts = 0;
  }

  open() {
    this.wanted = true;
    this.attempts = 0;
    this.unopened = 0;
    this.#connect();
  }

  close() {
    this.wanted = false;
    this.round = null;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.welcomed = false;
    if (socket) socket.close(1000);
  }

  // Tries again at once where it waits for its next try.
  retry() {
    if (!this.wanted || this.socket) return;
    clearTimeout(this.timer);
    this.#connect();
  }

  get ready() {
    return this.welcomed && this.socket?.readyState === WebSocket.OPEN;
  }

  get buffered() {
    return this.socket ? this.socket.bufferedAmount : 0;
  }

  sendText(values) {
    if (this.ready) this.socket.send(JSON.stringify(values));
  }

  // `time` in s on the page's clock; `payload` an ArrayBuffer.
  sendBinary(kind, time, index, payload) {
    if (!this.ready) return;
    const message = new Uint8Array(HEADER_BYTES + payload.byteLength);
    const header = new DataView(message.buffer);
    header.setUint8(0, kind);
    header.setFloat64(8, time, true);
    header.setFloat64(16, index, true);
    message.set(new Uint8Array(payload), HEADER_BYTES);
    this.socket.send(message);
  }

  async #connect(given = null) {
    this.welcomed = false;
    const round = (this.round = {}); // until the next attempt, or `close`
    const ticket = given ?? (this.vouched ? await this.#ticket() : null);
    if (this.round !== round || !this.wanted) return;
    const url = new URL(this.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (ticket) url.searchParams.set("ticket", ticket);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const loss = { reason: "lost", opened: false, ticket };
    const impatience = setTimeout(() => socket.close(), HANDSHAKE);
    socket.onopen = () => {
      clearTimeout(impatience);
      loss.opened = true;
      const hello = { type: "hello", version: VERSION, timeOrigin: performance.timeOrigin / 1000 };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.#take(event.data, loss);
    };
    socket.onclose = () => {
      clearTimeout(impatience);
      if (this.socket !== socket || !this.wanted) return;
      this.socket = null;
      this.#lose(loss);
    };
  }

  #take(data, loss) {
    if (typeof data !== "string") return this.handlers.onBinary(unpack(data));
    const message = JSON.parse(data);
    if (["full", "loading", "failed", "error", "refused"].includes(message.type)) {
      loss.reason = message.type;
      loss.words = message.message;
      loss.foreign = message.reason === "origin";
    } else if (message.type === "welcome") {
      this.welcomed = true;
      this.since = performance.now();
      this.handlers.onWelcome(message);
    } else {
      this.handlers.onMessage(message);
    }
  }

  async #lose(loss) {
    if (this.welcomed && performance.now() - this.since > STEADY) this.attempts = 0;
    this.welcomed = false;
    const round = this.round;
    if (loss.reason === "refused") {
      const ticket = loss.foreign && !loss.ticket ? await this.#ticket() : null;
      if (this.round !== round || !this.wanted) return;
      this.vouched = Boolean(ticket);
      return ticket ? this.#connect(ticket) : this.#end(loss);
    }
    this.handlers.onLost(loss);
    this.unopened = !loss.opened && (await this.#answers()) ? this.unopened + 1 : 0;
    if (this.round !== round || !this.wanted) return;
    if (this.unopened >= BLOCKED) return this.#end({ reason: "blocked" });
    const longer = Math.min(FIRST_PAUSE * 2 ** this.attempts, LONGEST_PAUSE) * (0.8 + 0.4 * Math.random());
    this.attempts += 1;
    this.timer = setTimeout(() => this.#connect(), PAUSES[loss.reason] ?? longer);
  }

  #end(loss) {
    this.wanted = false;
    this.handlers.onEnded(loss);
  }

  // What the server gives to a page for which the browser vouches (no page can write that itself); null where it does not.
  async #ticket() {
    return (await asked(new URL("ticket", this.url), { method: "POST" }))?.ticket ?? null;
  }

  // Whether ordinary requests reach the server.
  async #answers() {
    return Boolean((await asked(new URL("info", this.url), {}))?.model);
  }
}

// What an ordinary request brings, or null where it brings nothing that can be read.
async function asked(url, options) {
  try {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(HANDSHAKE), ...options });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function unpack(buffer) {
  const header = new DataView(buffer);
  return {
    kind: header.getUint8(0),
    time: header.getFloat64(8, true),
    index: header.getFloat64(16, true),
    payload: new Uint8Array(buffer, HEADER_BYTES),
  };
}
