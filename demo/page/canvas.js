// A canvas as sharp as the screen, whatever its size on the page.

import { repaint } from "./calm.js";

const sizes = new WeakMap(); // of each canvas on the page, px of CSS: asking for them makes the browser lay the page out
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) sizes.set(target, contentRect);
});

export function fit(canvas) {
  const scale = window.devicePixelRatio || 1;
  const size = sizes.get(canvas) ?? watched(canvas);
  const width = Math.max(1, Math.round(size.width * scale));
  const height = Math.max(1, Math.round(size.height * scale));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return { context: canvas.getContext("2d"), width, height, scale };
}

function watched(canvas) {
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  sizes.set(canvas, size);
  watcher.observe(canvas);
  return size;
}

// Calls `draw` once before the next repaint, however often it is asked.
export function oncePerRepaint(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    repaint(() => {
      waiting = false;
      draw();
    });
  };
}
