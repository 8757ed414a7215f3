// One WebSocket that comes back by itself, with longer and longer pauses while nobody answers.

export const KIND = { VIDEO: 1, SOUND: 2, MEL: 3, PREVIEW: 4 };
const HEADER_BYTES = 24;
const VERSION = 1;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
// After these words from the server the pause is fixed (ms): it is there, just not for us yet.
const PAUSES = { loading: 1000, full: 5000 };
const STEADY = 3000; // ms a connection must last before pauses start small again

export class Connection {
  // handlers: onWelcome(info), onMessage(object), onBinary({kind, time, index, payload}), onLost({reason, pause})
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.socket = null;
    this.wanted = false;
    this.attempts = 0;
  }

  open() {
    this.wanted = true;
    this.attempts = 0;
    this.#connect();
  }

  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.welcomed = false;
    if (socket) socket.close(1000);
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

  #connect() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.welcomed = false;
    let reason = "lost";
    socket.onopen = () => {
      const hello = { type: "hello", version: VERSION, timeOrigin: performance.timeOrigin / 1000 };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      if (typeof event.data !== "string") return this.handlers.onBinary(unpack(event.data));
      const message = JSON.parse(event.data);
      if (["full", "loading", "failed", "error"].includes(message.type)) {
        reason = message.type;
        this.words = message.message;
      } else if (message.type === "welcome") {
        this.welcomed = true;
        this.since = performance.now();
        this.handlers.onWelcome(message);
      } else {
        this.handlers.onMessage(message);
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket || !this.wanted) return;
      if (this.welcomed && performance.now() - this.since > STEADY) this.attempts = 0;
      this.welcomed = false;
      this.socket = null;
      const pause = PAUSES[reason] ?? Math.min(FIRST_PAUSE * 2 ** this.attempts, LONGEST_PAUSE) * (0.8 + 0.4 * Math.random());
      this.attempts += 1;
      this.timer = setTimeout(() => this.#connect(), pause);
      this.handlers.onLost({ reason, words: this.words, pause });
    };
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
