// The page around it all: what it says, what listens to what, and the start.

const PIXELATED = 96; // pixels of a side: larger pictures are shown smaller than they are

const [height, width, channels] = page.manifest.shape;
let artist;
let board;
let face;

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
    if (value)
      find("facts").append(
        make("div", {}, [make("dt", { textContent: name }), make("dd", { textContent: value })]),
      );
  }
}

function showSpeed() {
  if (artist.milliseconds === null) return;
  const speed =
    artist.milliseconds < 10 ? artist.milliseconds.toFixed(1) : Math.round(artist.milliseconds);
  find("note").textContent =
    `The whole network is in this file: ${count(page.parameters, "weight")}. Your device draws a ` +
    `picture in ${speed} ms; nothing is sent anywhere. A seed draws the same pictures as --sample.`;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  find("theme").textContent = theme === "dark" ? "Light" : "Dark";
  find("theme").setAttribute(
    "aria-label",
    `Switch to ${theme === "dark" ? "light" : "dark"} colours`,
  );
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
window.dcgan = Object.freeze({
  draw: drawForScripts,
  labels: page.labels,
  shape: page.manifest.shape,
});
document.addEventListener("DOMContentLoaded", start);
