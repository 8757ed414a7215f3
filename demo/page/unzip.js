// The files in a zip, without reading more of it than is asked for: stored or deflated, as this page and other programs write.

import { DAMAGED } from "./words_tabs.js";
import { crc32 } from "./zip.js";

const [END, ENTRY, LOCAL] = [0x0605_4b50, 0x0201_4b50, 0x0403_4b50];
const LONGEST_TAIL = 22 + 0xffff; // bytes in which the end is found
const MOST_ENTRIES = 1000;
const MOST_INFLATED = 512 * 1024 * 1024; // bytes of a deflated file: a small zip may claim to hold the world
const WIDE = 0xffff_ffff;

// What is wrong with a zip; none: it is no zip at all.
export class ZipError extends Error {
  constructor(words, none = false) {
    super(words);
    this.none = none;
  }
}

// Gives { name: { name, size, crc, blob() } }; blob() throws `ZipError` where its bytes are not what was packed.
export async function unzip(file) {
  const tail = await view(file, Math.max(0, file.size - LONGEST_TAIL), file.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) {
    const begins = file.size >= 4 && (await view(file, 0, 4)).getUint32(0, true) === LOCAL;
    throw new ZipError(DAMAGED.noEnd, !begins);
  }
  const count = tail.getUint16(at + 10, true);
  const [size, offset] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
  if (offset === WIDE || count === 0xffff) throw new ZipError(DAMAGED.wide);
  if (offset + size > file.size || count > MOST_ENTRIES) throw new ZipError(DAMAGED.list);
  return entries(file, await view(file, offset, offset + size), count);
}

function entries(file, list, count) {
  const found = {};
  for (let at = 0, i = 0; i < count; i += 1) {
    if (at + 46 > list.byteLength || list.getUint32(at, true) !== ENTRY) throw new ZipError(DAMAGED.list);
    const [title, extra, comment] = [28, 30, 32].map((place) => list.getUint16(at + place, true));
    if (at + 46 + title > list.byteLength) throw new ZipError(DAMAGED.list);
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, list.byteOffset + at + 46, title));
    const entry = {
      name,
      flags: list.getUint16(at + 8, true),
      method: list.getUint16(at + 10, true),
      crc: list.getUint32(at + 16, true),
      packed: list.getUint32(at + 20, true),
      size: list.getUint32(at + 24, true),
      offset: list.getUint32(at + 42, true),
    };
    if (!name.endsWith("/")) found[name] = { name, size: entry.size, crc: entry.crc, blob: (type) => unpacked(file, entry, type) };
    at += 46 + title + extra + comment;
  }
  return found;
}

async function unpacked(file, { name, flags, method, crc, packed, size, offset }, type = "") {
  if (flags & 1) throw new ZipError(DAMAGED.encrypted(name));
  if (offset + 30 > file.size) throw new ZipError(DAMAGED.cutOff(name));
  const head = await view(file, offset, offset + 30);
  if (head.getUint32(0, true) !== LOCAL) throw new ZipError(DAMAGED.elsewhere(name));
  const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  if (start + packed > file.size) throw new ZipError(DAMAGED.cutOff(name));
  const stored = file.slice(start, start + packed, type);
  if (method !== 0 && method !== 8) throw new ZipError(DAMAGED.packed(name));
  const blob = method === 0 ? stored : await inflated(stored, name, size, type);
  if (blob.size !== size || (await crc32(blob)) !== crc) throw new ZipError(DAMAGED.sum(name));
  return blob;
}

async function inflated(blob, name, size, type) {
  if (size > MOST_INFLATED) throw new ZipError(DAMAGED.tooLarge(name));
  const pieces = [];
  let length = 0;
  const reader = blob.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      length += piece.value.length;
      if (length > size) break;
      pieces.push(piece.value);
    }
  } catch {
    throw new ZipError(DAMAGED.unpacking(name));
  } finally {
    reader.cancel().catch(() => {}); // it has failed already
  }
  if (length > size) throw new ZipError(DAMAGED.longer(name));
  return new Blob(pieces, { type });
}

async function view(file, from, to) {
  return new DataView(await file.slice(from, to).arrayBuffer());
}
