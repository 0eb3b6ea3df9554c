// A face, whatever the picture shows: {z, y, seed, index}. Its seed is null once z was changed.

/** The face of a seed and a number, or of a z; y: labels, or null for those in turn. */
function makeFace({ seed = null, index = 0, z = null, y = null }) {
  const { z_dim, z_dist, labels, is_one_hot } = page;
  return {
    seed,
    index,
    z: z ?? kit.drawLatent(seed, index, z_dim, z_dist),
    y: y ?? kit.takeLabelInTurn(seed === null ? 0 : index, labels.length, is_one_hot),
  };
}

/** Whether a face has the labels that its number gets by itself. */
function isInTurn(face) {
  const usual = makeFace({ seed: face.seed, index: face.index, z: face.z }).y;
  return !usual || usual.every((value, k) => value === face.y[k]);
}

/** The face with another y. */
function withLabels(face, y) {
  return { ...face, y: y && Float32Array.from(y) };
}

/** A seed that has not been seen: --sample takes it too. */
function chooseSeed() {
  return String(Math.floor(Math.random() * 2 ** 31));
}

/** Between two faces; share 0 is the first. Labels mix too. */
function mixFaces(first, second, share) {
  const y = first.y && first.y.map((value, k) => (1 - share) * value + share * second.y[k]);
  return makeFace({ z: mixOnCircle(first.z, second.z, share), y });
}

/**
 * Between two latents along the great circle of their directions (White 2016, arXiv 1609.04468,
 * section 2.1): a straight line would pass nearer to the origin than latents lie. As in
 * `--explore walk`.
 */
function mixOnCircle(first, second, share) {
  const mix = (a, b) => first.map((value, k) => a * value + b * second[k]);
  const lengths = [first, second].map((z) => Math.hypot(...z));
  const cosine =
    first.reduce((sum, value, k) => sum + value * second[k], 0) / lengths[0] / lengths[1];
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (share === 0 || share === 1 || !(Math.sin(angle) > 1e-6)) return mix(1 - share, share);

  const length = ((1 - share) * lengths[0] + share * lengths[1]) / Math.sin(angle);
  const weights = [Math.sin((1 - share) * angle), Math.sin(share * angle)];
  return mix((weights[0] / lengths[0]) * length, (weights[1] / lengths[1]) * length);
}

/** a - b + c (Radford et al. 2016, section 6.3.2); labels stay between 0 and 1. */
function addFaces(a, b, c) {
  const sum = (of) => of(a).map((value, k) => value - of(b)[k] + of(c)[k]);
  const y = a.y && sum((face) => face.y).map((value) => Math.min(1, Math.max(0, value)));
  return makeFace({ z: sum((face) => face.z), y });
}

/** What a face is, in words: "seed 7, image 3". */
function nameFace(face) {
  const origin = face.seed === null ? "a z of your own" : `seed ${face.seed}, image ${face.index}`;
  return face.y ? `${origin} · ${nameLabels(face.y)}` : origin;
}

/** Labels in words: "Smiling", "3 60%, 8 40%". */
function nameLabels(y) {
  const parts = [];
  y.forEach((value, k) => {
    if (value > 0.005)
      parts.push(page.labels[k] + (value < 1 ? ` ${Math.round(100 * value)}%` : ""));
  });
  return parts.join(", ") || "no label";
}
