// The large view: one picture, its z, its address and its labels, and the walk.

const LEG_SECONDS = 2.5; // of a walk, from one face to the next
const ADDRESS_DELAY = 250; // milliseconds: browsers refuse an address that changes all the time

let walk = null;
let addressTimer;

/** Shows a face: its z at once, its picture when it is drawn. */
function showFace(next, { keepsAddress = false } = {}) {
  face = next;
  board.show(face.z);
  find("caption").textContent = walk ? "walking" : nameFace(face);
  showLabels();
  showCurrent();
  if (!keepsAddress) updateAddress();
  return drawFace();
}

async function drawFace() {
  const drawn = face;
  const image = await draw(drawn, { urgency: 3, group: "face" });
  if (!image) return; // a newer one is on its way
  paint(find("face"), image);
  find("face").setAttribute("aria-label", `Picture drawn from ${nameFace(drawn)}`);
  if (!walk) paintIcon(image);
  showSpeed();
}

/** An ImageData, or null when a newer job of the group has replaced it or nothing can be drawn. */
function draw({ z, y }, options) {
  return artist.draw(z, y, options).catch(() => null);
}

function paint(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    Object.assign(canvas, { width: image.width, height: image.height });
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The picture as the icon of the tab. */
function paintIcon(image) {
  const canvas = make("canvas");
  paint(canvas, image);
  document.querySelector("link[rel=icon]").href = canvas.toDataURL();
}

/** A face that someone asked for ends a walk. */
function chooseFace(next) {
  stopWalk();
  say(nameFace(next));
  return showFace(next);
}

function drawRandom() {
  const next = makeFace({ seed: chooseSeed(), index: 0 });
  chooseFace(face.y ? withLabels(next, face.y) : next);
}

function savePng() {
  artist.draw(face.z, face.y, { urgency: 3 }).then(
    async (image) => {
      const address = URL.createObjectURL(await encodePng(image, channels));
      const name = face.seed === null ? "own" : `seed_${face.seed}_${face.index}`;
      make("a", { href: address, download: `${page.file_name}_${name}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
      say("Saved.", { shows: true });
    },
    () => {},
  );
}

async function copyLink() {
  writeAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link to this picture is copied.", { shows: true });
  } catch {
    say("The link to this picture is in the address bar.", { shows: true });
  }
}

// The address.

function updateAddress() {
  clearTimeout(addressTimer);
  if (!walk) addressTimer = setTimeout(writeAddress, ADDRESS_DELAY);
}

function writeAddress() {
  clearTimeout(addressTimer);
  const address = spellAddress(face);
  if (location.hash === address) return;
  try {
    history.replaceState(null, "", address);
  } catch {
    location.hash = address; // where a page may not replace its address
  }
}

/** The face that the address names, or else the first one, and why in words. */
function readFaceOfAddress() {
  try {
    return readAddress(location.hash);
  } catch (error) {
    say(`The address cannot be read. ${error.message}`, { shows: true });
    return makeFace({ seed: "0", index: 0 });
  }
}

// A walk: from face to face along great circles, as fast as they can be drawn.

function toggleWalk() {
  if (walk) {
    stopWalk();
    showFace(face);
    return;
  }
  walk = {};
  find("walk").textContent = "Stop";
  find("walk").setAttribute("aria-pressed", true);
  playWalk(walk);
}

function stopWalk() {
  if (!walk) return;
  walk = null;
  find("walk").textContent = "Walk";
  find("walk").setAttribute("aria-pressed", false);
}

/** Plays until `mine` is no longer the walk. */
async function playWalk(mine) {
  while (walk === mine) {
    const from = face;
    const y = face.y;
    const to = withLabels(makeFace({ seed: chooseSeed(), index: 0 }), y);
    const start = performance.now();
    for (let share = 0; share < 1 && walk === mine;) {
      share = Math.min(1, (performance.now() - start) / 1000 / LEG_SECONDS);
      const eased = share * share * (3 - 2 * share);
      await showFace(share < 1 ? mixFaces(from, withLabels(to, from.y), eased) : to);
      await new Promise(requestAnimationFrame);
    }
  }
}

// Labels.

function listLabels() {
  if (!page.labels.length) return;
  const buttons = page.labels.map((name, k) =>
    make("button", {
      type: "button",
      className: "label",
      textContent: name,
      onclick: () => pressLabel(k),
    }),
  );
  find("labels").append(...buttons);
  find("labels").hidden = find("sheet-labels").hidden = false;
}

function showLabels() {
  [...find("labels").children].forEach((button, k) => {
    button.setAttribute("aria-pressed", face.y[k] > 0.5);
    button.style.setProperty("--share", `${100 * Math.min(1, Math.max(0, face.y[k]))}%`);
  });
}

/** A class takes the place of the others; an attribute goes on or off. */
function pressLabel(k) {
  const y = page.is_one_hot ? new Float32Array(page.labels.length) : Float32Array.from(face.y);
  y[k] = page.is_one_hot || face.y[k] <= 0.5 ? 1 : 0;
  const next = withLabels(face, y);
  if (walk) showFace(next);
  else chooseFace(next);
  if (find("sheet-label").value === "same") fillSheet(sheet.faces.length);
}
