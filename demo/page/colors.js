// One colour per emotion, the same in bars, timeline and face box, readable on light and on dark.

const NAMED = {
  happiness: "#e8a317",
  sadness: "#4a7fd6",
  neutral: "#8b95a7",
  anger: "#dc4f41",
  surprise: "#9a68e0",
  disgust: "#58a25c",
  fear: "#1fa3a0",
  contempt: "#b0784a",
  anxiety: "#d7639f",
  helplessness: "#6c70d8",
  disappointment: "#97913a",
};

export function colorOf(name, index) {
  return NAMED[name] ?? `hsl(${(index * 137.5) % 360} 55% 55%)`;
}

// Dark to light through violet and orange: even steps of brightness, so that loudness reads right.
const STOPS = [
  [0, [17, 14, 32]],
  [0.25, [62, 32, 98]],
  [0.5, [150, 52, 112]],
  [0.72, [228, 98, 82]],
  [0.88, [250, 172, 96]],
  [1, [253, 240, 205]],
];

// 256 packed little-endian RGBA colours.
export function spectrogramColors() {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const x = i / 255;
    const right = Math.max(1, STOPS.findIndex(([at]) => at >= x));
    const [from, a] = STOPS[right - 1];
    const [to, b] = STOPS[right];
    const [red, green, blue] = a.map((value, k) => Math.round(value + ((b[k] - value) * (x - from)) / (to - from)));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
