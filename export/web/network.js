// The generator: dense layers and transposed convolutions of stride 2, one image at a time.

/** Base64 -> bytes. */
function decodeBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let k = 0; k < binary.length; k++) bytes[k] = binary.charCodeAt(k);
  return bytes;
}

/** Adler-32 of RFC 1950, which zlib.adler32 computes too. */
function computeChecksum(bytes) {
  let a = 1, b = 0;
  for (let start = 0; start < bytes.length; start += 3800) { // so few that b cannot overflow
    const end = Math.min(start + 3800, bytes.length);
    for (let k = start; k < end; k++) b += a += bytes[k];
    a %= 65521;
    b %= 65521;
  }
  return b * 0x10000 + a;
}

/** Every float16 as a number, by its bits. */
function listHalves() {
  const halves = new Float32Array(0x10000);
  for (let bits = 0; bits < 0x10000; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31, fraction = (bits & 1023) / 1024;
    halves[bits] = sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  }
  return halves;
}

/**
 * The network in `text`, ready to draw: weights in base64, as export/page_weights.py packs them.
 *
 * manifest: what that file says about each layer. Raises an error if a byte is missing or wrong.
 */
function openNetwork(text, manifest) {
  const bytes = decodeBase64(text);
  if (bytes.length !== manifest.bytes || computeChecksum(bytes) !== manifest.checksum) {
    throw new Error("The weights in this file are damaged.");
  }
  const halves = listHalves();
  const layers = manifest.layers.map((layer) => {
    const packed = new Uint16Array(bytes.buffer, layer.kernel_at, layer.kernel_size);
    const kernel = new Float32Array(layer.kernel_size);
    for (let k = 0; k < kernel.length; k++) kernel[k] = halves[packed[k]] * layer.scale;
    const bias = new Float32Array(bytes.buffer, layer.bias_at, layer.bias_size);
    return { ...layer, kernel, bias };
  });
  return { layers, shape: manifest.shape };
}

/** An image: z and y (float32; y null without labels) -> bytes (H * W * C), 0 to 255. */
function drawPixels(network, z, y) {
  let maps = z, shape = [1, 1, z.length];
  for (const layer of network.layers) {
    const labels = layer.joins_labels ? y : null;
    maps = layer.pads
      ? applyTransposedConv(layer, maps, shape, labels)
      : applyDense(layer, maps, labels);
    shape = layer.output;
  }
  return toBytes(maps);
}

/** vector (n) -> (units), activated. Units are in the order (height, width, maps). */
function applyDense(layer, vector, labels) {
  const { kernel, bias } = layer; // kernel (inputs, units)
  const inputs = labels ? [...vector, ...labels] : vector;
  const sums = Float64Array.from(bias);
  for (let k = 0; k < inputs.length; k++) {
    const input = inputs[k], row = k * sums.length;
    if (input === 0) continue; // as half of what a ReLU returns
    for (let unit = 0; unit < sums.length; unit++) sums[unit] += input * kernel[row + unit];
  }
  return activate(sums, layer.activation);
}

/**
 * maps (h, w, c) -> maps (H, W, C), activated: each pixel adds a k x k patch to the result, at
 * twice its place (Dumoulin and Visin 2016, section 4).
 *
 * Almost all the time goes into the product of the kernel, (k * k * C) rows of `inputs` numbers,
 * and the pixels. It is computed four rows by four pixels at once, so that the sixteen sums stay
 * in registers and each number that is read is used four times. Python has laid out the kernel so
 * that the numbers of four rows alternate; here those of four pixels do.
 */
function applyTransposedConv(layer, maps, [height, width, channels], labels) {
  const { kernel, kernel_side: side, inputs } = layer;
  const outputs = layer.output[2];
  const pixels = interleavePixels(maps, height * width, channels, labels);

  // Where each row and each pixel adds to the result before it is cut to its size. What fills up
  // the last four rows and pixels adds to places behind it, which nothing reads.
  const fullWidth = 2 * (width - 1) + side, fullHeight = 2 * (height - 1) + side;
  const rows = kernel.length / inputs, count = pixels.length / inputs;
  const rowAt = new Int32Array(rows), pixelAt = new Int32Array(count);
  const size = fullHeight * fullWidth * outputs;
  for (let row = 0; row < rows; row++) {
    const tap = Math.floor(row / outputs); // row = (tapY * side + tapX) * outputs + output
    const place = Math.floor(tap / side) * fullWidth + (tap % side);
    rowAt[row] = tap < side * side ? place * outputs + (row % outputs) : size;
  }
  for (let pixel = 0; pixel < count; pixel++) {
    const place = 2 * Math.floor(pixel / width) * fullWidth + 2 * (pixel % width);
    pixelAt[pixel] = pixel < height * width ? place * outputs : size;
  }

  const full = new Float64Array(2 * size + 1);
  for (let row = 0; row < rows; row += 4) {
    for (let pixel = 0; pixel < count; pixel += 4) {
      const sums = { full, rowAt, row, pixelAt, pixel };
      addProducts(sums, kernel, row * inputs, pixels, pixel * inputs, inputs);
    }
  }
  return activate(cutMaps(full, fullWidth, layer), layer.activation);
}

/** (pixels, channels) with the labels joined -> (pixels / 4, inputs, 4), filled up with zeros. */
function interleavePixels(maps, count, channels, labels) {
  const inputs = channels + (labels ? labels.length : 0);
  const interleaved = new Float64Array(Math.ceil(count / 4) * 4 * inputs);
  for (let pixel = 0; pixel < count; pixel++) {
    const to = Math.floor(pixel / 4) * 4 * inputs + (pixel % 4), from = pixel * channels;
    for (let k = 0; k < channels; k++) interleaved[to + 4 * k] = maps[from + k];
    for (let k = channels; k < inputs; k++) interleaved[to + 4 * k] = labels[k - channels];
  }
  return interleaved;
}

/** Adds the products of four rows and four pixels, `length` numbers each, to their places. */
function addProducts({ full, rowAt, row, pixelAt, pixel }, a, aAt, b, bAt, length) {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let k = 0; k < length; k++, aAt += 4, bAt += 4) {
    const b0 = b[bAt], b1 = b[bAt + 1], b2 = b[bAt + 2], b3 = b[bAt + 3];
    const a0 = a[aAt], a1 = a[aAt + 1], a2 = a[aAt + 2], a3 = a[aAt + 3];
    s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
    s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
    s20 += a2 * b0; s21 += a2 * b1; s22 += a2 * b2; s23 += a2 * b3;
    s30 += a3 * b0; s31 += a3 * b1; s32 += a3 * b2; s33 += a3 * b3;
  }
  const r0 = rowAt[row], r1 = rowAt[row + 1], r2 = rowAt[row + 2], r3 = rowAt[row + 3];
  const p0 = pixelAt[pixel], p1 = pixelAt[pixel + 1];
  const p2 = pixelAt[pixel + 2], p3 = pixelAt[pixel + 3];
  full[r0 + p0] += s00; full[r0 + p1] += s01; full[r0 + p2] += s02; full[r0 + p3] += s03;
  full[r1 + p0] += s10; full[r1 + p1] += s11; full[r1 + p2] += s12; full[r1 + p3] += s13;
  full[r2 + p0] += s20; full[r2 + p1] += s21; full[r2 + p2] += s22; full[r2 + p3] += s23;
  full[r3 + p0] += s30; full[r3 + p1] += s31; full[r3 + p2] += s32; full[r3 + p3] += s33;
}

/** The result without its margins, plus the bias: (H, W, C). */
function cutMaps(full, fullWidth, layer) {
  const [height, width, outputs] = layer.output;
  const [top, left] = layer.pads;
  const maps = new Float64Array(height * width * outputs);
  let place = 0;
  for (let y = 0; y < height; y++) {
    let from = ((y + top) * fullWidth + left) * outputs;
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < outputs; k++) maps[place++] = full[from++] + layer.bias[k];
    }
  }
  return maps;
}

/** The numbers, replaced by their activations. */
function activate(numbers, activation) {
  if (activation === "tanh") return numbers.map(Math.tanh);
  for (let k = 0; k < numbers.length; k++) if (!(numbers[k] > 0)) numbers[k] = 0;
  return numbers;
}

/** Numbers in [-1, 1] -> bytes, in float32 and rounded half to even, as `--sample` does it. */
function toBytes(numbers) {
  const bytes = new Uint8ClampedArray(numbers.length); // it rounds half to even by itself
  for (let k = 0; k < numbers.length; k++) {
    bytes[k] = Math.fround(Math.fround(Math.fround(numbers[k]) + 1) * 127.5);
  }
  return bytes;
}
