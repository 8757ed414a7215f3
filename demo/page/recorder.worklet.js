// Runs on the browser's audio thread: blocks of 512 int16 samples with the running index of the first one.

const BLOCK = 512;
const SETTLING = 0.2; // s; a microphone that has just been connected misses a beat, which is no lost sound

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.opened = null;
    this.first = null;
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.alive = true;
    this.port.onmessage = () => {
      this.alive = false;
    };
  }

  process(inputs) {
    const samples = inputs[0]?.[0]; // the left channel: the one that the method listens to
    // The index follows the clock of the sound card, so that samples which never came show as a jump.
    this.opened ??= currentTime;
    if (currentTime - this.opened < SETTLING) return this.alive;
    this.first ??= currentFrame;
    if (samples) {
      if (this.filled === 0) this.start = currentFrame - this.first;
      for (const sample of samples) {
        this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
        if (this.filled === BLOCK) this.#post();
      }
    } else {
      this.filled = 0;
    }
    return this.alive;
  }

  #post() {
    const end = (this.first + this.start + BLOCK) / sampleRate;
    this.port.postMessage({ index: this.start, end, samples: this.block }, [this.block.buffer]);
    this.block = new Int16Array(BLOCK);
    this.start += BLOCK;
    this.filled = 0;
  }
}

registerProcessor("recorder", Recorder);
