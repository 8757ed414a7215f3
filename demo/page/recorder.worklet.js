// Runs on the browser's audio thread: blocks of 512 int16 samples with the running index of the first one. They are of one
// channel of the microphone: the left one, which the method listens to, or the one that carries the sound instead.

const BLOCK = 512;
const SETTLING = 0.2; // s; a microphone that has just been connected misses a beat, which is no lost sound

// A channel is as loud as its third-loudest moment lately: a syllable counts, a click does not. mmadfer/loudness.py does
// the same for sound that comes with all its channels.
const MOMENT = 0.025; // s
const LATELY = 60; // moments
const LOUD = 3;
const HEARD = 1e-3; // RMS below which nobody is heard; nothing is changed then
const NOTHING = 0.1; // left for another channel where it is this much weaker than the loudest: -20 dB
const ENOUGH = 0.2; // and taken up again from here on
const FADE = 512; // samples in which one channel passes into the other, without a click

class Channels {
  // onChange(channel): another channel, from 0, is used from now on.
  constructor(onChange) {
    this.onChange = onChange;
    this.used = 0;
    this.before = 0;
    this.faded = FADE;
    this.forget(0);
  }

  forget(count) {
    this.moments = Array.from({ length: count }, () => []); // mean squares
    this.sums = new Float64Array(count);
    this.squares = new Float64Array(count);
    this.samples = 0;
  }

  // Listens to one quantum of all channels.
  hear(channels) {
    if (channels.length !== this.sums.length) {
      this.forget(channels.length);
      if (this.used >= channels.length) this.#use(0);
    }
    channels.forEach((samples, channel) => {
      for (const sample of samples) {
        this.sums[channel] += sample;
        this.squares[channel] += sample * sample;
      }
    });
    this.samples += channels[0].length;
    if (this.samples < MOMENT * sampleRate) return;
    this.moments.forEach((moments, channel) => {
      const mean = this.sums[channel] / this.samples; // a constant offset is no sound
      moments.push(Math.max(0, this.squares[channel] / this.samples - mean * mean));
      if (moments.length > LATELY) moments.shift();
    });
    this.sums.fill(0);
    this.squares.fill(0);
    this.samples = 0;
    this.#choose();
  }

  #choose() {
    const levels = this.moments.map((moments) => Math.sqrt([...moments].sort((a, b) => b - a)[LOUD - 1] ?? 0));
    const most = Math.max(...levels);
    if (!(most >= HEARD) || this.faded < FADE) return;
    let best = this.used;
    if (!(levels[best] >= NOTHING * most)) best = levels.indexOf(most);
    if (levels[0] >= (this.used === 0 ? NOTHING : ENOUGH) * most) best = 0;
    if (best !== this.used) this.#use(best);
  }

  #use(channel) {
    this.before = this.used;
    this.used = channel;
    this.faded = 0;
    this.onChange(channel);
  }

  // Sample `i` of the channel that is used.
  sample(channels, i) {
    const now = (channels[this.used] ?? channels[0])[i];
    if (this.faded >= FADE) return now;
    const share = (this.faded += 1) / FADE;
    return share * now + (1 - share) * (channels[this.before] ?? channels[0])[i];
  }
}

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.opened = null;
    this.first = null;
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.alive = true;
    this.channels = new Channels((channel) => this.port.postMessage({ channel }));
    this.port.onmessage = () => {
      this.alive = false;
    };
  }

  process(inputs) {
    const channels = inputs[0];
    // The index follows the clock of the sound card, so that samples which never came show as a jump.
    this.opened ??= currentTime;
    if (currentTime - this.opened < SETTLING) return this.alive;
    this.first ??= currentFrame;
    if (channels?.length) {
      this.channels.hear(channels);
      if (this.filled === 0) this.start = currentFrame - this.first;
      for (let i = 0; i < channels[0].length; i += 1) {
        const sample = this.channels.sample(channels, i);
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
