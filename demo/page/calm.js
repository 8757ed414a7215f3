// Gradio's loading screen leaves a loop of springs behind, which would have the page styled and composed anew at each repaint,
// for as long as it is open. Once the panel is there nothing outside of it moves: whatever still asks for the next repaint waits.

const LATER = 500; // ms

// Calls before the next repaint: for the panel, which does not wait.
export const repaint = window.requestAnimationFrame.bind(window);

export function calm() {
  const cancel = window.cancelAnimationFrame.bind(window);
  window.requestAnimationFrame = (call) => -setTimeout(() => repaint(call), LATER); // below 0: no number of the browser's own
  window.cancelAnimationFrame = (number) => (number < 0 ? clearTimeout(-number) : cancel(number));
}
