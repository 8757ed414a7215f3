// Words and styles as parts of the page.

export function loadStyle(url) {
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url });
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

// Puts `text` into an element, unless it stands there: every writing costs the browser a layout.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A sentence as nodes: what stands between backticks is to be typed as it is.
export function withCode(text) {
  return text.split("`").map((piece, i) => {
    if (i % 2 === 0) return piece;
    const code = document.createElement("code");
    code.textContent = piece;
    return code;
  });
}

// A short line below the video; tone: "good", "info" or "warn".
export function notice([tone, words]) {
  const item = document.createElement("li");
  item.className = `mm-notice mm-${tone}`;
  item.textContent = words;
  return item;
}
