// Microphone sound to the server: nothing is left out while the line holds, and each block carries its capture time.

import { KIND } from "./connection.js";

// Sound that may wait on a slow line, bytes (some 45 s). Beyond it blocks are left out; the server sees the index jump.
const MOST_BUFFERED = 4 * 1024 * 1024;

export class SoundSender {
  // onChannel(channel): which of the microphone's channels is sent from now on, from 0.
  constructor(connection, onChannel) {
    this.connection = connection;
    this.onChannel = onChannel;
    this.context = null;
    this.onLevel = null; // told the root mean square of each block that is sent, 0 to 1, while somebody looks
  }

  // Opens the microphone's track at `sampleRate` (Hz, the weights' own) where the browser can resample, else at its own.
  async start(track, sampleRate) {
    this.stop();
    const stream = new MediaStream([track]);
    try {
      this.context = new AudioContext({ sampleRate, latencyHint: "interactive" });
      this.source = this.context.createMediaStreamSource(stream);
    } catch {
      // Firefox does not connect a microphone to a context of another rate; the server resamples then.
      this.context?.close();
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.source = this.context.createMediaStreamSource(stream);
    }
    const context = this.context;
    await context.audioWorklet.addModule(new URL("recorder.worklet.js", import.meta.url));
    if (this.context !== context) return;
    this.clock = new SoundClock(track.getSettings().latency ?? 0);
    const options = { numberOfInputs: 1, numberOfOutputs: 0, channelCountMode: "max" }; // all channels, none mixed
    const recorder = (this.recorder = new AudioWorkletNode(context, "recorder", options));
    this.onChannel(0);
    recorder.port.onmessage = ({ data }) => {
      if (this.recorder !== recorder) return;
      if (data.samples) this.#send(data);
      else this.onChannel(data.channel);
    };
    this.source.connect(this.recorder);
    this.announce();
    await context.resume();
  }

  // Tells a new connection the sample rate; needed before its first block.
  announce() {
    if (this.context) this.connection.sendText({ type: "sound", sampleRate: this.context.sampleRate });
  }

  stop() {
    this.recorder?.port.postMessage("end");
    this.source?.disconnect();
    this.context?.close();
    this.context = this.source = this.recorder = null;
  }

  get sleeping() {
    return this.context?.state === "suspended";
  }

  wake() {
    if (this.sleeping) this.context.resume();
  }

  #send({ index, end, samples }) {
    this.onLevel?.(level(samples));
    const blockEnd = this.clock.captured(end, performance.now() / 1000);
    if (!this.connection.ready || this.connection.buffered > MOST_BUFFERED) return;
    const time = Math.max(0, blockEnd - samples.length / this.context.sampleRate);
    this.connection.sendBinary(KIND.SOUND, time, index, samples.buffer);
  }
}

const level = (samples) => Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length) / 32768;

// From the audio context's clock to the page's clock, on which frames are stamped too.
//
// A block reaches this thread some time after its last sample was processed: the delay is never negative and often small,
// so the smallest (arrival - context time) seen lately is the offset between the two clocks. "Lately", because sound cards
// run up to 0.1 ms/s fast or slow, and because the offset jumps when the context was held. What is left is the time from
// microphone to context, which the track tells in `latency`.
class SoundClock {
  static SPAN = 5; // s

  constructor(inputLatency) {
    this.inputLatency = inputLatency;
    this.previous = Infinity;
    this.current = Infinity;
    this.started = null;
  }

  // Returns the page's time (s) at which the sound at `contextTime` (s) was captured.
  captured(contextTime, arrival) {
    this.started ??= arrival;
    if (arrival - this.started > SoundClock.SPAN) {
      this.previous = this.current;
      this.current = Infinity;
      this.started = arrival;
    }
    this.current = Math.min(this.current, arrival - contextTime);
    return contextTime + Math.min(this.current, this.previous) - this.inputLatency;
  }
}
