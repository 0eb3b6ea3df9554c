// PNG files with exactly the pixels that were drawn: a canvas would round colours under alpha.

/** ImageData -> a Blob of a PNG: gray, RGB or RGBA for 1, 3 or 4 channels. */
async function encodePng(image, channels) {
  const rows = new Uint8Array(image.height * (1 + image.width * channels)); // filter 0, then pixels
  let place = 0;
  for (let y = 0; y < image.height; y++) {
    place++;
    for (let x = 0; x < image.width; x++) {
      const from = 4 * (y * image.width + x);
      for (let k = 0; k < channels; k++) rows[place++] = image.data[from + k];
    }
  }
  const kind = { 1: 0, 3: 2, 4: 6 }[channels];
  const header = new Uint8Array([
    ...bigEndian(image.width),
    ...bigEndian(image.height),
    8,
    kind,
    0,
    0,
    0,
  ]);
  const chunks = [
    makeChunk("IHDR", header),
    makeChunk("IDAT", await compress(rows)),
    makeChunk("IEND", new Uint8Array()),
  ];
  return new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), ...chunks], {
    type: "image/png",
  });
}

async function compress(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A chunk: length, name, content and the CRC of the last two. */
function makeChunk(name, content) {
  const named = new Uint8Array([...Array.from(name, (letter) => letter.charCodeAt(0)), ...content]);
  return new Blob([bigEndian(content.length), named, bigEndian(computeCrc(named))]);
}

function bigEndian(number) {
  return new Uint8Array([number >>> 24, number >>> 16, number >>> 8, number]);
}

/** CRC-32 of ISO 3309, bit by bit: the files are small. */
function computeCrc(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
