// The contact sheet, which fills while someone watches.

const SHEET = 60; // pictures that the contact sheet shows at first, and gets with "More"

let sheet = { seed: "0", faces: [] };

/** Draws `length` pictures of the sheet's seed, one after another. */
function fillSheet(length) {
  artist.drop("sheet");
  sheet = { seed: sheet.seed, faces: [] };
  find("sheet").replaceChildren();
  addToSheet(length);
}

function addToSheet(length) {
  const mine = sheet;
  const first = mine.faces.length;
  const start = performance.now();
  const y = find("sheet-label").value === "same" ? face.y : null;
  let missing = length;
  for (let index = first; index < first + length; index++) {
    const one = makeFace({ seed: mine.seed, index, y });
    mine.faces.push(one);
    const canvas = make("canvas", { width, height });
    const button = make(
      "button",
      { type: "button", className: "picture", tabIndex: index ? -1 : 0 },
      [canvas],
    );
    button.setAttribute("aria-label", nameFace(one));
    button.title = nameFace(one);
    find("sheet").append(button);
    artist.draw(one.z, one.y, { urgency: 1, batch: "sheet" }).then(
      (image) => {
        if (!image || mine !== sheet) return;
        paint(canvas, image);
        button.classList.add("drawn");
        missing--;
        const seconds = (performance.now() - start) / 1000;
        find("progress").textContent = missing
          ? `${length - missing} of ${length}`
          : `${count(mine.faces.length, "picture")}, the last ${length} in ${seconds.toFixed(1)} s`;
        showSpeed();
      },
      () => {},
    );
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
  const buttons = [...find("sheet").children];
  const at = buttons.indexOf(document.activeElement);
  const columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const next =
    event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : at + moves[event.key];
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
