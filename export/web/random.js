// Latents from a seed: the numbers that TensorFlow's Philox generator draws, bit for bit.
//
// Philox4x32-10 is by Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". It maps a
// counter of four 32-bit words, under a key of two, to four random words, so any z of a seed can
// be drawn without those before it.

const PHILOX_MULTIPLIERS = [0xd2511f53, 0xcd9e8d57];
const PHILOX_KEY_STEPS = [0x9e3779b9, 0xbb67ae85];
const PHILOX_ROUNDS = 10;
// With this key TensorFlow scrambles (seed, stream) into the key and counter of a sequence.
const SCRAMBLE_KEY = [0x3ec8f720, 0x02461e29];
const SMALLEST_UNIFORM = Math.fround(1e-7); // of Box-Muller: 0 has no logarithm

/** The upper 32 bits of the product of two 32-bit numbers. */
function multiplyHigh(a, b) {
  const aHigh = a >>> 16, aLow = a & 0xffff;
  const bHigh = b >>> 16, bLow = b & 0xffff;
  const carried = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const low = aLow * bHigh + (carried % 0x10000);
  return (aHigh * bHigh + Math.floor(carried / 0x10000) + Math.floor(low / 0x10000)) >>> 0;
}

/** Four random words: counter [4], key [2] -> [4], all unsigned 32-bit. */
function philox(counter, key) {
  let [a, b, c, d] = counter;
  let [k, l] = key;
  const [first, second] = PHILOX_MULTIPLIERS;
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const highA = multiplyHigh(first, a), lowA = Math.imul(first, a);
    const highC = multiplyHigh(second, c), lowC = Math.imul(second, c);
    [a, b, c, d] = [(highC ^ b ^ k) >>> 0, lowC >>> 0, (highA ^ d ^ l) >>> 0, lowA >>> 0];
    k = (k + PHILOX_KEY_STEPS[0]) >>> 0;
    l = (l + PHILOX_KEY_STEPS[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** A random word as a float32 in [0, 1): its lower 23 bits are the fraction. */
function toUniform(word) {
  return (word & 0x7fffff) / 0x800000;
}

/** Two random words as two independent normal numbers (Box and Muller 1958). */
function toNormals(first, second) {
  const radius = Math.sqrt(-2 * Math.log(Math.max(toUniform(first), SMALLEST_UNIFORM)));
  const angle = Math.fround(2 * Math.PI * toUniform(second));
  return [radius * Math.sin(angle), radius * Math.cos(angle)];
}

/** Four random words as four numbers of the distribution. */
function toDistribution(words, distribution) {
  if (distribution === "normal01") {
    return [...toNormals(words[0], words[1]), ...toNormals(words[2], words[3])];
  }
  const uniform = words.map(toUniform);
  return distribution === "uniform_signed" ? uniform.map((u) => 2 * u - 1) : uniform;
}

/**
 * The z (length numbers, float32) of image number `index` of a seed, as `--sample` draws it.
 *
 * seed: a whole number of up to 64 bits, as a number, a string or a BigInt; others raise an error.
 */
function drawLatent(seed, index, length, distribution) {
  const bits = BigInt.asUintN(64, BigInt(seed));
  const words = [Number(bits & 0xffffffffn), Number(bits >> 32n), 0, 0]; // stream 0: samples
  const [keyLow, keyHigh, counterLow, counterHigh] = philox(words, SCRAMBLE_KEY);

  const z = new Float32Array(length);
  const start = index * length;
  for (let block = Math.floor(start / 4); block * 4 < start + length; block++) {
    const counter = [block >>> 0, Math.floor(block / 2 ** 32), counterLow, counterHigh];
    const numbers = toDistribution(philox(counter, [keyLow, keyHigh]), distribution);
    numbers.forEach((number, k) => {
      const place = block * 4 + k - start;
      if (place >= 0 && place < length) z[place] = number;
    });
  }
  return z;
}

/**
 * The label vector y (float32) that image number `index` gets where none is asked for, or null:
 * every class in turn; or every combination of up to three attributes; or none, then each alone.
 */
function takeLabelInTurn(index, count, isOneHot) {
  if (!count) return null;
  const y = new Float32Array(count);
  if (isOneHot) {
    y[index % count] = 1;
  } else if (count <= 3) {
    for (let k = 0; k < count; k++) y[k] = (index >> k) & 1;
  } else if (index % (count + 1)) {
    y[(index % (count + 1)) - 1] = 1;
  }
  return y;
}
