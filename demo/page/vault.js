// Recordings as they grow, in the browser's own database: a page that crashes loses at most what came after the last write.

const NAME = "mmadfer-recordings";

export class Vault {
  // Throws where the browser keeps nothing (a private window of some).
  static async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("recordings", { keyPath: "id", autoIncrement: true });
      const pieces = request.result.createObjectStore("pieces", { autoIncrement: true });
      pieces.createIndex("of", ["id", "kind"]);
    };
    return new Vault(await done(request));
  }

  constructor(database) {
    this.database = database;
  }

  // Begins a recording; `about` is kept with it. Gives its number.
  async begin(about) {
    return done(this.#store("recordings").add({ about }));
  }

  async describe(id, about) {
    await done(this.#store("recordings").put({ id, about }));
  }

  // Throws QuotaExceededError where the disk is full.
  async append(id, kind, data) {
    await done(this.#store("pieces").add({ id, kind, data }));
  }

  async list() {
    return done(this.#store("recordings").getAll());
  }

  // All pieces of a kind, in the order in which they came.
  async pieces(id, kind) {
    const found = await done(this.#store("pieces").index("of").getAll([id, kind]));
    return found.map(({ data }) => data);
  }

  async remove(id) {
    const pieces = this.#store("pieces");
    const keys = await Promise.all(KINDS.map((kind) => done(pieces.index("of").getAllKeys([id, kind]))));
    await Promise.all(keys.flat().map((key) => done(this.#store("pieces").delete(key))));
    await done(this.#store("recordings").delete(id));
  }

  #store(name) {
    return this.database.transaction(name, "readwrite").objectStore(name);
  }
}

export const KINDS = ["video", "answers", "markers"];

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
