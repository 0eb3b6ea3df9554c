// Draws in workers, so that the page never freezes: what a person waits for goes first.

const MOST_WORKERS = 4;
const MOST_WEIGHTS = 40e6; // in all workers together: each holds its own, at 4 bytes

class Artist {
  /** text, manifest: as openNetwork takes them. */
  constructor(text, manifest) {
    this.text = text;
    this.manifest = manifest;
    this.waiting = []; // jobs: {z, y, urgency, group, finish, fail}
    this.idle = [];
    this.failure = null;
    this.milliseconds = null; // of the fastest drawing so far
    const weights = manifest.layers.reduce((sum, layer) => sum + layer.kernel_size, 0);
    const spare = Math.max(1, (navigator.hardwareConcurrency || 2) - 1);
    this.places = Math.min(MOST_WORKERS, spare, Math.max(1, Math.floor(MOST_WEIGHTS / weights)));
    this.hire();
  }

  /**
   * A promise of an ImageData. z: Float32Array; y: Float32Array or null.
   *
   * urgency: the highest goes first. group: a newer job of the same group replaces one that still
   * waits, which then gives null. batch: a name by which `drop` takes many jobs off the list.
   */
  draw(z, y, { urgency = 0, group = null, batch = null } = {}) {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((finish, fail) => {
      if (group) this.drop(group);
      this.waiting.push({ z, y, urgency, group: group ?? batch, finish, fail });
      if (this.waiting.length > 8 && this.places > 0 && this.milliseconds !== null) this.hire();
      this.assign();
    });
  }

  /** Takes the waiting jobs of a group or batch off the list; they give null. */
  drop(group) {
    this.waiting = this.waiting.filter((job) => {
      if (job.group !== group) return true;
      job.finish(null);
      return false;
    });
  }

  /** Starts a worker; where the browser has none for this page, the page draws by itself. */
  hire() {
    this.places--;
    const worker = startWorker() || new SlowWorker();
    worker.onmessage = ({ data }) => this.receive(worker, data);
    worker.onerror = (event) =>
      this.stop(new Error(event.message || "The drawing worker stopped."));
    worker.postMessage({ text: this.text, manifest: this.manifest });
  }

  receive(worker, answer) {
    if (answer.failed) {
      this.stop(new Error(answer.failed));
      return;
    }
    if (answer.pixels) {
      this.milliseconds = Math.min(this.milliseconds ?? Infinity, answer.milliseconds);
      worker.job.finish(toImageData(answer.pixels, this.manifest.shape));
    }
    this.idle.push(worker);
    this.assign();
  }

  /** Gives the most urgent jobs to the idle workers. */
  assign() {
    while (this.idle.length && this.waiting.length) {
      const first = this.waiting.reduce((best, job) => (job.urgency > best.urgency ? job : best));
      this.waiting.splice(this.waiting.indexOf(first), 1);
      const worker = this.idle.pop();
      worker.job = first;
      worker.postMessage({ z: first.z, y: first.y });
    }
  }

  /** Nothing can be drawn any more. */
  stop(error) {
    this.failure = error;
    for (const job of this.waiting.splice(0)) job.fail(error);
    this.onfailure?.(error);
  }
}

/** A worker made from the page's own functions, or null where there can be none. */
function startWorker() {
  const source = `"use strict";\n${makeKit}\n${serveDrawings}\nserveDrawings(makeKit());`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return new Worker(address);
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Draws in the page itself, between its other events. */
class SlowWorker {
  postMessage(data) {
    setTimeout(() => this.onmessage({ data: this.answer(data) }));
  }

  answer(data) {
    try {
      if (data.text !== undefined) {
        this.network = kit.openNetwork(data.text, data.manifest);
        return { opened: true };
      }
      const start = performance.now();
      const pixels = kit.drawPixels(this.network, data.z, data.y);
      return { pixels, milliseconds: performance.now() - start };
    } catch (error) {
      return { failed: error.message };
    }
  }
}

/** bytes (H * W * C) of 1, 3 or 4 channels -> ImageData. */
function toImageData(bytes, [height, width, channels]) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let k = 0; k < 4; k++) {
      const channel = channels === 1 ? 0 : k;
      const isOpaque = k === 3 && channels < 4;
      image.data[4 * pixel + k] = isOpaque ? 255 : bytes[channels * pixel + channel];
    }
  }
  return image;
}
