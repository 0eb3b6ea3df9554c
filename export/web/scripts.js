// What scripts may call: dcgan.draw.

/**
 * dcgan.draw({seed: 7, index: 0}) or dcgan.draw({z: [...], y: [...]}): a promise of an ImageData.
 *
 * label: instead of y, a name or names of labels. Without either, labels come in turn, as with
 * --sample. Raises an error, in words, for anything that cannot be drawn.
 */
async function drawForScripts({ seed = 0, index = 0, z, y, label } = {}) {
  if (label !== undefined) y = encodeLabels([label].flat());
  checkNumbers("z", z, page.z_dim);
  checkNumbers("y", y, page.labels.length);
  const numbers = { z: z && Float32Array.from(z), y: y && Float32Array.from(y) };
  const one = z
    ? makeFace(numbers)
    : makeFace({ ...numbers, seed: readSeed(String(seed)), index: readIndex(String(index)) });
  return artist.draw(one.z, one.y, { urgency: 2 });
}

function checkNumbers(name, numbers, length) {
  if (numbers === undefined || numbers === null) return;
  if (!(numbers.length === length && Array.from(numbers).every(Number.isFinite))) {
    throw new Error(`${name} must be ${count(length, "finite number")}.`);
  }
}

function encodeLabels(names) {
  return page.labels.reduce(
    (y, name, k) => (names.includes(name) && (y[k] = 1), y),
    checkLabels(names),
  );
}

/** A y of zeros, after a look at the names. */
function checkLabels(names) {
  const unknown = names.find((name) => !page.labels.includes(name));
  if (unknown !== undefined)
    throw new Error(`No label is called ${unknown}. There are: ${page.labels.join(", ")}.`);
  return new Float32Array(page.labels.length);
}
