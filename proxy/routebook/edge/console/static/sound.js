// How a page takes and plays sound, on the browser's thread of sound: 16-bit samples, one channel, 24,000 a second
// (`audio/pcm` of OpenAI's Realtime API). `talk.js` loads it.
const RATE = 24000;
const PIECE = 960; // samples that are sent at a time: 40 ms
const PHASES = 128; // of a kernel, between two samples
const LOBES = 12; // of a kernel, on either side

// Whatever a microphone gives, at 24 kHz: each sample the sum of those around it, weighted by a sinc under a Blackman window
// that lets pass what both rates can hold (Smith, Digital Audio Resampling; crossfade of phases left out: 128 of them are
// 60 dB apart from the ideal, as far as 16 bits of a voice need it).
class Taker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    const cut = 0.94 * Math.min(1, 1 / this.step);
    this.reach = Math.ceil(LOBES / cut);
    this.kernels = Array.from({ length: PHASES + 1 }, (_, phase) => {
      const taps = Float32Array.from({ length: 2 * this.reach }, (_, n) => {
        const x = n - this.reach + 1 - phase / PHASES;
        const within = x / this.reach;
        if (Math.abs(within) >= 1) return 0;
        const window = 0.42 + 0.5 * Math.cos(Math.PI * within) + 0.08 * Math.cos(2 * Math.PI * within);
        const angle = Math.PI * cut * x;
        return window * cut * (x === 0 ? 1 : Math.sin(angle) / angle);
      });
      const sum = taps.reduce((one, other) => one + other, 0);
      return taps.map((tap) => tap / sum);
    });
    this.held = new Float32Array(2 * this.reach);
    this.at = this.reach; // where the next sample is, in what is held
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    const fresh = input[0];
    const held = new Float32Array(this.held.length + fresh.length);
    held.set(this.held);
    held.set(fresh, this.held.length);
    while (Math.floor(this.at) + this.reach < held.length) {
      const whole = Math.floor(this.at);
      const kernel = this.kernels[Math.round((this.at - whole) * PHASES)];
      let sum = 0;
      for (let n = 0, from = whole - this.reach + 1; n < kernel.length; n++) sum += kernel[n] * held[from + n];
      this.take(sum);
      this.at += this.step;
    }
    const past = Math.floor(this.at) - this.reach;
    this.held = held.slice(past);
    this.at -= past;
    return true;
  }

  take(sample) {
    this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32767)));
    if (this.filled < PIECE) return;
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }
}

// Plays pieces one after the other, and says how much of an item was heard, so that the rest can be taken back.
class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = RATE / sampleRate; // 1 where the browser plays at our rate
    this.forget();
    this.port.onmessage = ({ data }) => {
      if (data.sound) this.pieces.push(data);
      else {
        this.tell("stopped");
        this.forget();
      }
    };
  }

  forget() {
    this.pieces = [];
    this.at = 0;
    this.item = null;
    this.heard = 0;
    this.untold = 0;
  }

  tell(what) {
    this.port.postMessage({ what, item: this.item, ms: Math.floor((this.heard / RATE) * 1000) });
  }

  process(_, [[output]]) {
    for (let n = 0; n < output.length; n++) {
      while (this.pieces.length && this.at >= this.pieces[0].sound.length) {
        this.at -= this.pieces.shift().sound.length;
        if (!this.pieces.length) {
          this.at = 0;
          this.tell("quiet");
        }
      }
      if (!this.pieces.length) break;
      const { sound, item } = this.pieces[0];
      if (item !== this.item) [this.item, this.heard] = [item, 0];
      const whole = Math.floor(this.at);
      const next = sound[whole + 1] ?? this.pieces[1]?.sound[0] ?? sound[whole];
      output[n] = (sound[whole] + (next - sound[whole]) * (this.at - whole)) / 32768;
      this.at += this.step;
      this.heard += this.step;
    }
    return true;
  }
}

registerProcessor("taker", Taker);
registerProcessor("player", Player);
