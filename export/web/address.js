// The part of the address behind #, which names an image: #seed=7&index=3, or #z=... for any other.

/** A face, as the address spells it. */
function spellAddress(face) {
  const parts = [];
  if (face.seed !== null) parts.push(`seed=${face.seed}`, `index=${face.index}`);
  else parts.push(`z=${encodeNumbers(face.z)}`);
  if (face.y && !isInTurn(face)) parts.push(`y=${spellLabels(face.y)}`);
  return `#${parts.join("&")}`;
}

/**
 * The face that an address names; seed 0, image 0 without one. Raises an error, whose message is
 * for a reader, when it cannot be read.
 */
function readAddress(hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const index = readIndex(values.get("index") ?? "0");
  const face = values.has("z")
    ? makeFace({ z: decodeNumbers(values.get("z")) })
    : makeFace({ seed: readSeed(values.get("seed") ?? "0"), index });
  if (values.has("y") && page.labels.length) face.y = readLabels(values.get("y"));
  return face;
}

/** A seed as --seed takes it: a whole number of up to 64 bits, kept as text. */
function readSeed(text) {
  const seed = /^\s*-?\d{1,19}\s*$/.test(text) ? BigInt(text) : null;
  if (seed === null || BigInt.asIntN(64, seed) !== seed) {
    throw new Error(`A seed is a whole number, such as 7. Received: ${shorten(text)}.`);
  }
  return String(seed);
}

function readIndex(text) {
  if (!/^\s*\d{1,9}\s*$/.test(text)) {
    throw new Error(`An image has a number, counted from 0. Received: ${shorten(text)}.`);
  }
  return Number(text);
}

/** Label vectors as 3, or 1,4 or 0:0.25,7:0.75. */
function spellLabels(y) {
  const parts = [];
  y.forEach((value, k) => value && parts.push(value === 1 ? k : `${k}:${value}`));
  return parts.join(",") || "none";
}

function readLabels(text) {
  const y = new Float32Array(page.labels.length);
  for (const part of text === "none" ? [] : text.split(",")) {
    const [place, value = "1"] = part.split(":");
    if (!/^\d+$/.test(place) || !(place < y.length) || !Number.isFinite(Number(value))) {
      throw new Error(`y names labels from 0 to ${y.length - 1}. Received: ${shorten(text)}.`);
    }
    y[place] = Number(value);
  }
  return y;
}

/** float32 numbers -> base64 with the letters that addresses may have. */
function encodeNumbers(numbers) {
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decodeNumbers(text) {
  let bytes = null;
  try {
    bytes = kit.decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {} // not base64
  const numbers = bytes?.length === 4 * page.z_dim ? new Float32Array(bytes.buffer) : null;
  if (!numbers?.every(Number.isFinite)) {
    throw new Error(`z is ${page.z_dim} numbers, as this page writes them. It was cut or changed.`);
  }
  return numbers;
}

function shorten(text) {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text || "nothing";
}
