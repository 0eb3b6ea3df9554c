// The page itself: one picture, its z, mixtures and sums, and the contact sheet.

const SHEET = 60; // pictures that the contact sheet shows at first, and gets with "More"
const LEG_SECONDS = 2.5; // of a walk, from one face to the next
const ADDRESS_DELAY = 250; // milliseconds: browsers refuse an address that changes all the time
const PIXELATED = 96; // pixels: larger pictures in the sheet are smaller on the screen than in truth
const TARGETS = {
  face: "the large view",
  mixA: "mix A",
  mixB: "mix B",
  sumA: "sum A",
  sumB: "sum B",
  sumC: "sum C",
};
const NEXT_TARGET = { mixA: "mixB", mixB: "mixA", sumA: "sumB", sumB: "sumC", sumC: "sumA" };

const [height, width, channels] = page.manifest.shape;
const slots = {}; // what each target but the large view holds
const results = {}; // "mix", "sum" -> their faces
let artist, board, face, walk = null, addressTimer, sheet = { seed: "0", faces: [] };

function find(id) {
  return document.getElementById(id);
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function make(tag, settings = {}, children = []) {
  const element = Object.assign(document.createElement(tag), settings);
  element.append(...children);
  return element;
}

/** Tells a screen reader, and everyone else for a moment. */
function say(text, { shows = false } = {}) {
  find("said").textContent = text;
  find("said").classList.toggle("shows", shows);
  clearTimeout(say.timer);
  if (shows) say.timer = setTimeout(() => find("said").classList.remove("shows"), 4000);
}

function fail(text) {
  find("trouble-text").textContent = text;
  find("trouble").hidden = false;
}

// The large view.

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
  artist.draw(face.z, face.y, { urgency: 3 }).then(async (image) => {
    const address = URL.createObjectURL(await encodePng(image, channels));
    const name = face.seed === null ? "own" : `seed_${face.seed}_${face.index}`;
    make("a", { href: address, download: `${page.file_name}_${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    say("Saved.", { shows: true });
  }, () => {});
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
    const from = face, y = face.y;
    const to = withLabels(makeFace({ seed: chooseSeed(), index: 0 }), y);
    const start = performance.now();
    for (let share = 0; share < 1 && walk === mine; ) {
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
    make("button", { type: "button", className: "label", textContent: name, onclick: () => pressLabel(k) }));
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

// Mixtures and sums.

function makeSlots() {
  for (const button of document.querySelectorAll(".slot, .result")) {
    const name = button.dataset.slot ?? button.dataset.result;
    button.append(make("canvas", { width, height }), make("b", { textContent: name.slice(3) || "" }));
    button.addEventListener("click", () => (name in TARGETS ? toggleTarget(name) : take(results[name])));
  }
  find("target").append(...Object.entries(TARGETS).map(([value, text]) => make("option", { value, text })));
  find("target").addEventListener("change", (event) => setTarget(event.target.value));
  find("share").addEventListener("input", () => showResult("mix"));
  Object.keys(NEXT_TARGET).forEach((name, k) => fillSlot(name, makeFace({ seed: face.seed ?? "0", index: k + 1 })));
  setTarget("face");
}

function fillSlot(name, next) {
  slots[name] = next;
  const button = document.querySelector(`[data-slot=${name}]`);
  button.setAttribute("aria-label", `${TARGETS[name]}: ${nameFace(next)}. Press, then choose a picture.`);
  draw(next, { urgency: 2, group: name }).then((image) => image && paint(button.firstChild, image));
  showResult(name.slice(0, 3));
}

function showResult(name) {
  const parts = Object.keys(NEXT_TARGET).filter((slot) => slot.startsWith(name)).map((slot) => slots[slot]);
  if (!parts.every(Boolean)) return; // still being filled for the first time
  results[name] = name === "mix" ? mixFaces(...parts, Number(find("share").value)) : addFaces(...parts);
  const button = document.querySelector(`[data-result=${name}]`);
  const words = name === "mix" ? "The mixture" : "The sum";
  button.setAttribute("aria-label", `${words}. Press to see it in the large view.`);
  draw(results[name], { urgency: 2, group: name }).then((image) => image && paint(button.firstChild, image));
}

/** Where the next click on a picture takes it. */
function setTarget(name) {
  find("target").value = name;
  for (const button of document.querySelectorAll(".slot")) {
    button.setAttribute("aria-pressed", button.dataset.slot === name);
  }
}

function toggleTarget(name) {
  setTarget(find("target").value === name ? "face" : name);
  if (find("target").value === name) say(`Choose a picture for ${TARGETS[name]}.`, { shows: true });
}

/** Puts a face where the target is. */
function take(next) {
  const target = find("target").value;
  if (target === "face") {
    chooseFace(next);
    return;
  }
  fillSlot(target, next);
  setTarget(NEXT_TARGET[target]);
}

// The contact sheet.

/** Draws `length` pictures of the sheet's seed, one after another. */
function fillSheet(length) {
  artist.drop("sheet");
  sheet = { seed: sheet.seed, faces: [] };
  find("sheet").replaceChildren();
  addToSheet(length);
}

function addToSheet(length) {
  const mine = sheet, first = mine.faces.length, start = performance.now();
  const y = find("sheet-label").value === "same" ? face.y : null;
  let missing = length;
  for (let index = first; index < first + length; index++) {
    const one = makeFace({ seed: mine.seed, index, y });
    mine.faces.push(one);
    const canvas = make("canvas", { width, height });
    const button = make("button", { type: "button", className: "picture", tabIndex: index ? -1 : 0 }, [canvas]);
    button.setAttribute("aria-label", nameFace(one));
    button.title = nameFace(one);
    find("sheet").append(button);
    artist.draw(one.z, one.y, { urgency: 1, batch: "sheet" }).then((image) => {
      if (!image || mine !== sheet) return;
      paint(canvas, image);
      button.classList.add("drawn");
      missing--;
      const seconds = (performance.now() - start) / 1000;
      find("progress").textContent = missing
        ? `${length - missing} of ${length}`
        : `${count(mine.faces.length, "picture")}, the last ${length} in ${seconds.toFixed(1)} s`;
      showSpeed();
    }, () => {});
  }
}

/** Marks the picture of the sheet that is in the large view. */
function showCurrent() {
  const buttons = find("sheet").children;
  find("sheet").querySelector("[aria-current]")?.removeAttribute("aria-current");
  const one = face.seed === sheet.seed && sheet.faces[face.index];
  if (one && (!one.y || one.y.every((value, k) => value === face.y[k]))) {
    buttons[face.index].setAttribute("aria-current", true);
  }
}

/** The arrow keys, Home and End go from picture to picture. */
function walkSheet(event) {
  const buttons = [...find("sheet").children], at = buttons.indexOf(document.activeElement);
  const columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const next = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : at + moves[event.key];
  if (at < 0 || !buttons[next]) return;
  event.preventDefault();
  buttons[at].tabIndex = -1;
  buttons[next].tabIndex = 0;
  buttons[next].focus();
}

function changeSeed(text) {
  try {
    sheet.seed = readSeed(text);
  } catch (error) {
    say(error.message, { shows: true });
    find("seed").value = sheet.seed;
    return;
  }
  fillSheet(SHEET);
  chooseFace(makeFace({ seed: sheet.seed, index: 0 }));
}

// The frame around it all.

function describe() {
  document.documentElement.style.setProperty("--aspect", width / height);
  const size = `${width} × ${height}`;
  const images = page.images ? `${count(page.images, "image")} of ` : "";
  find("name").textContent = page.name;
  find("lede").textContent =
    `Pictures that never existed. A network draws them, ${size} pixels each, after ` +
    `${count(page.step, "step")} of training on ${images}${page.dataset}.`;
  const facts = {
    Model: page.model,
    Dataset: page.dataset,
    Images: page.images?.toLocaleString("en"),
    Step: page.step.toLocaleString("en"),
    Weights: page.weights,
    Picture: `${size}, ${{ 1: "gray", 3: "colour", 4: "colour and transparency" }[channels]}`,
    z: `${page.z_dim.toLocaleString("en")}, ${page.z_words}`,
    Labels: page.labels.length ? page.labels.length.toLocaleString("en") : null,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (value) find("facts").append(make("div", {}, [make("dt", { textContent: name }), make("dd", { textContent: value })]));
  }
}

function showSpeed() {
  if (artist.milliseconds === null) return;
  const speed = artist.milliseconds < 10 ? artist.milliseconds.toFixed(1) : Math.round(artist.milliseconds);
  find("note").textContent =
    `The whole network is in this file: ${count(page.parameters, "weight")}. Your device draws a picture ` +
    `in ${speed} ms; nothing is sent anywhere. The same seed draws the same picture as --sample.`;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  find("theme").textContent = theme === "dark" ? "Light" : "Dark";
  find("theme").setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
}

/** Follows the system until someone chooses. */
function followTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", follow);
  follow();
  find("theme").addEventListener("click", () => {
    dark.removeEventListener("change", follow);
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  });
}

/** A few pixels in shades of the accent, beside the name. */
function paintMark() {
  const mark = find("mark").getContext("2d");
  const z = kit.drawLatent(page.step, 0, 25, "uniform_unsigned");
  z.forEach((alpha, k) => {
    mark.fillStyle = `rgb(214 69 38 / ${alpha.toFixed(2)})`;
    mark.fillRect(k % 5, Math.floor(k / 5), 1, 1);
  });
}

function listen() {
  find("random").addEventListener("click", drawRandom);
  find("walk").addEventListener("click", toggleWalk);
  find("save").addEventListener("click", savePng);
  find("link").addEventListener("click", copyLink);
  find("more").addEventListener("click", () => addToSheet(SHEET));
  find("seed").addEventListener("change", (event) => changeSeed(event.target.value));
  find("sheet-label").addEventListener("change", () => fillSheet(sheet.faces.length));
  find("sheet").addEventListener("keydown", walkSheet);
  find("sheet").addEventListener("click", (event) => {
    const at = [...find("sheet").children].indexOf(event.target.closest("button"));
    if (at >= 0) take(sheet.faces[at]);
  });
  find("face-frame").addEventListener("click", () => {
    if (find("target").value !== "face") take(face);
  });
  window.addEventListener("hashchange", () => chooseFace(readFaceOfAddress()));
}

// For scripts.

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
  const one = z ? makeFace(numbers) : makeFace({ ...numbers, seed: readSeed(String(seed)), index: readIndex(String(index)) });
  return artist.draw(one.z, one.y, { urgency: 2 });
}

function checkNumbers(name, numbers, length) {
  if (numbers === undefined || numbers === null) return;
  if (!(numbers.length === length && Array.from(numbers).every(Number.isFinite))) {
    throw new Error(`${name} must be ${count(length, "finite number")}.`);
  }
}

function encodeLabels(names) {
  return page.labels.reduce((y, name, k) => (names.includes(name) && (y[k] = 1), y), checkLabels(names));
}

/** A y of zeros, after a look at the names. */
function checkLabels(names) {
  const unknown = names.find((name) => !page.labels.includes(name));
  if (unknown !== undefined) throw new Error(`No label is called ${unknown}. There are: ${page.labels.join(", ")}.`);
  return new Float32Array(page.labels.length);
}

// The start: the frame at once, pictures when the weights are there.

function start() {
  const text = find("weights")?.textContent ?? "";
  if (text.length !== page.manifest.characters) {
    const part = Math.floor((100 * text.length) / page.manifest.characters);
    find("page").hidden = true;
    fail(`The file is incomplete: ${part}% of its network has arrived. Download or copy it again.`);
    return;
  }
  artist = new Artist(text, page.manifest);
  artist.onfailure = (error) => fail(`${error.message} Download or copy the file again.`);
  find("weights").remove();
  board = new Board((z) => chooseFace(makeFace({ z, y: face.y })));
  face = readFaceOfAddress();
  sheet.seed = face.seed ?? "0";
  find("seed").value = sheet.seed;
  listLabels();
  listen();
  showFace(face, { keepsAddress: true });
  makeSlots();
  fillSheet(SHEET);
  showCurrent();
}

document.body.classList.toggle("fine", Math.max(height, width) > PIXELATED);
followTheme();
describe();
paintMark();
find("trouble").hidden = true;
find("page").hidden = false;
window.dcgan = Object.freeze({ draw: drawForScripts, labels: page.labels, shape: page.manifest.shape });
document.addEventListener("DOMContentLoaded", start);
