// One colour per emotion, the same in bars, timeline and face box; one for each theme, for no colour stands out from both
// grounds and from six others too. Within a theme any two are told apart with deutan and protan sight as well
// (tests/demo/page/test_colors.py measures it).

// [on light ground, on dark ground]
const NAMED = {
  happiness: ["#ac7b28", "#edc945"],
  sadness: ["#4c56ae", "#4472d4"],
  neutral: ["#656b7b", "#bbc5d2"],
  anger: ["#a12a03", "#c65b43"],
  surprise: ["#aa61f8", "#af9af0"],
  disgust: ["#29704a", "#85b88d"],
  fear: ["#3d967d", "#44999f"],
  contempt: ["#713e2a", "#dc8564"],
  anxiety: ["#8b4361", "#f5b8ff"],
  helplessness: ["#484b7a", "#7085bb"],
  disappointment: ["#308d58", "#b0cd83"],
};

export function colorOf(name, index, dark) {
  const hue = (index * 137.5) % 360;
  const [light, onDark] = NAMED[name] ?? [`hsl(${hue} 60% 36%)`, `hsl(${hue} 60% 66%)`];
  return dark ? onDark : light;
}

// Gives `element` both colours of a class; the style sheet takes the theme's.
export function setColor(element, name, index) {
  element.style.setProperty("--on-light", colorOf(name, index, false));
  element.style.setProperty("--on-dark", colorOf(name, index, true));
}

export const isDark = () => Boolean(document.querySelector(".dark .mm-live"));

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
