// Several files as one zip, none of them compressed: what a recording is made of is compressed already, or small. The parts
// stay blobs, so that a recording of gigabytes is never in memory as a whole.

const BLOCK = 4 * 1024 * 1024; // bytes read at once
const MOST = 0xffff_ffff; // bytes that this form of a zip can count
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? 0xedb8_8320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// files: [{ name, blob, crc }], the last where it is known. Throws RangeError where they are too large.
export async function zip(files, when = new Date()) {
  const parts = [];
  const central = [];
  let offset = 0;
  for (const { name, blob, crc } of files) {
    const title = new TextEncoder().encode(name);
    const entry = { crc: crc ?? (await crc32(blob)), size: blob.size, title, offset, when };
    const head = header(0x0403_4b50, entry);
    parts.push(head, title, blob);
    central.push(header(0x0201_4b50, entry), title);
    offset += head.length + title.length + blob.size;
    if (offset > MOST) throw new RangeError("a recording may have 4 GB");
  }
  const size = central.reduce((sum, part) => sum + part.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x0605_4b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}

// The header before a file, or its entry in the list at the end, which has a few fields more.
function header(signature, { crc, size, title, offset, when }) {
  const listed = signature === 0x0201_4b50;
  const view = new DataView(new ArrayBuffer(listed ? 46 : 30));
  const rest = listed ? 6 : 4;
  view.setUint32(0, signature, true);
  if (listed) view.setUint16(4, 20, true); // version 2.0
  view.setUint16(rest, 20, true);
  view.setUint16(rest + 2, 0x0800, true); // names are UTF-8
  view.setUint16(rest + 6, (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1), true);
  view.setUint16(rest + 8, ((when.getFullYear() - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate(), true);
  view.setUint32(rest + 10, crc, true);
  view.setUint32(rest + 14, size, true);
  view.setUint32(rest + 18, size, true);
  view.setUint16(rest + 22, title.length, true);
  if (listed) view.setUint32(42, offset, true);
  return new Uint8Array(view.buffer);
}

export async function crc32(blob) {
  let crc = 0xffff_ffff;
  for (let at = 0; at < blob.size; at += BLOCK) {
    for (const byte of new Uint8Array(await blob.slice(at, at + BLOCK).arrayBuffer())) {
      crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
    }
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
