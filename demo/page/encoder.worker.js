// Frames to JPEG, off the page's main thread: there an encoder would hold up everything that moves.

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });
let last = Promise.resolve(); // one after the other, so that they come out in order

self.onmessage = ({ data }) => {
  last = last.then(() => encode(data)).catch(() => self.postMessage({ failed: true }));
};

// frame: VideoFrame or ImageBitmap, freed here; width, height: px of the JPEG; quality: 0 to 1; what else came goes back.
async function encode({ frame, width, height, quality, ...tags }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(frame, 0, 0, width, height);
  frame.close();
  const encoding = canvas.convertToBlob({ type: "image/jpeg", quality });
  const picture = await createImageBitmap(canvas);
  const jpeg = await (await encoding).arrayBuffer();
  self.postMessage({ ...tags, jpeg, picture }, [jpeg, picture]);
}
