// z as a grid of pixels, to paint, drag and copy; as in the original's page.

const RANGES = { uniform_signed: [-1, 1], uniform_unsigned: [0, 1], normal01: [-2.5, 2.5] };
const DARKEST = [27, 24, 33],
  LIGHTEST = [249, 244, 233]; // of the shades of a number
const DRAG_PIXELS = 160; // of the screen, over which a number crosses its whole range
const KEY_STEPS = 20; // from one end of the range to the other
const MOST_LINES = 40; // columns, beyond which lines between them would hide them

class Board {
  /** change: called with a new z whenever someone changes a number. */
  constructor(change) {
    this.change = change;
    this.columns = Math.ceil(Math.sqrt(page.z_dim));
    this.rows = Math.ceil(page.z_dim / this.columns);
    [this.low, this.high] = RANGES[page.z_dist];
    this.z = new Float32Array(page.z_dim);
    this.cell = 0;
    this.canvas = find("z");
    this.canvas.width = this.columns;
    this.canvas.height = this.rows;
    this.layOut();
    this.listen();
  }

  get tool() {
    return document.querySelector("[name=tool]:checked").value;
  }

  get brush() {
    return Number(find("brush").value);
  }

  layOut() {
    const frame = find("z-frame");
    frame.style.setProperty("--columns", this.columns);
    frame.style.setProperty("--rows", this.rows);
    find("z-lines").hidden = this.columns > MOST_LINES;
    find("z-size").textContent = count(page.z_dim, "number");
    Object.assign(find("brush"), {
      min: this.low,
      max: this.high,
      step: (this.high - this.low) / 200,
    });
    find("brush").value = this.high;
    find("cell").max = page.z_dim;
    this.explainTool();
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, () => (this.grip = null));
    }
    this.canvas.addEventListener("keydown", (event) => this.type(event));
    for (const radio of document.querySelectorAll("[name=tool]")) {
      radio.addEventListener("change", () => this.explainTool());
    }
    find("cell").addEventListener("input", (event) => this.go(event.target.value - 1));
    find("value").addEventListener("change", (event) => this.put(this.cell, event.target.value));
  }

  explainTool() {
    find("tool-hint").textContent = {
      paint: "Draw over z: each pixel takes the shade of the brush.",
      drag: "Pull a pixel up to make it lighter, down to make it darker.",
      copy: "Start on a pixel and draw: the others take its shade.",
    }[this.tool];
  }

  /** Shows a z. */
  show(z) {
    this.z = Float32Array.from(z);
    const image = new ImageData(this.columns, this.rows);
    this.z.forEach((number, k) => {
      const share = Math.min(1, Math.max(0, (number - this.low) / (this.high - this.low)));
      const shade = DARKEST.map((dark, channel) => dark + share * (LIGHTEST[channel] - dark));
      image.data.set([...shade, 255], 4 * k);
    });
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.showCell();
  }

  showCell() {
    const frame = find("z-frame");
    frame.style.setProperty("--x", this.cell % this.columns);
    frame.style.setProperty("--y", Math.floor(this.cell / this.columns));
    if (document.activeElement !== find("cell")) find("cell").value = this.cell + 1;
    if (document.activeElement !== find("value"))
      find("value").value = this.z[this.cell].toFixed(2);
    const label = `z, number ${this.cell + 1} of ${page.z_dim}: ${this.z[this.cell].toFixed(2)}`;
    this.canvas.setAttribute("aria-label", label);
  }

  /** Moves the cursor to a place, if there is one. */
  go(cell) {
    if (!(cell >= 0 && cell < page.z_dim)) return false;
    this.cell = Math.floor(cell);
    this.showCell();
    return true;
  }

  /** Changes one number. */
  put(cell, number) {
    if (!Number.isFinite(Number(number)) || number === "" || this.z[cell] === Number(number))
      return;
    this.z[cell] = Number(number);
    this.show(this.z);
    this.change(Float32Array.from(this.z));
  }

  press(event) {
    const place = this.findPlace(event);
    if (event.button || !this.goTo(place)) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.grip = { y: event.clientY, place, number: this.z[this.cell], tool: this.tool };
    if (this.grip.tool === "copy") find("brush").value = this.z[this.cell];
    this.move(event);
  }

  move(event) {
    if (!this.grip) return;
    if (this.grip.tool === "drag") {
      const share = (this.grip.y - event.clientY) / DRAG_PIXELS;
      this.put(this.cell, this.clip(this.grip.number + share * (this.high - this.low)));
    } else {
      this.drawLine(this.grip.place, this.findPlace(event));
      this.grip.place = this.findPlace(event);
    }
  }

  /** Paints from place to place: a quick hand skips pixels between two events. */
  drawLine(from, to) {
    const number = this.grip.tool === "copy" ? this.grip.number : this.brush;
    const steps = Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
    for (let step = 0; step <= steps; step++) {
      const between = from.map((start, axis) => start + (step / steps) * (to[axis] - start));
      if (this.goTo(between)) this.put(this.cell, number);
    }
  }

  /** Where the pointer is, in columns and rows. */
  findPlace(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.columns,
      ((event.clientY - box.top) / box.height) * this.rows,
    ];
  }

  /** Moves the cursor to a place; false outside of z. */
  goTo([x, y]) {
    if (x < 0 || x >= this.columns || y < 0 || y >= this.rows) return false;
    return this.go(Math.floor(y) * this.columns + Math.floor(x));
  }

  type(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    const step = (this.high - this.low) / KEY_STEPS;
    const changes = { "+": step, "=": step, PageUp: step, "-": -step, PageDown: -step };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) this.go(this.cell + moves[event.key]);
    else if (event.key in changes)
      this.put(this.cell, this.clip(this.z[this.cell] + changes[event.key]));
    else if (event.key === "Enter" || event.key === " ") this.put(this.cell, this.brush);
    else if (event.key.toLowerCase() === "c") find("brush").value = this.z[this.cell];
    else if (event.key === "Home") this.go(0);
    else if (event.key === "End") this.go(page.z_dim - 1);
    else return;
    event.preventDefault();
    if (event.key in moves || event.key in changes) say(this.canvas.getAttribute("aria-label"));
  }

  clip(number) {
    return Math.min(this.high, Math.max(this.low, number));
  }
}
