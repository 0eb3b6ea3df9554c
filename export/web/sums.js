// Mixtures of two pictures and sums of three, and where a click on a picture takes it.

const TARGETS = {
  face: "the large view",
  mixA: "mix A",
  mixB: "mix B",
  sumA: "sum A",
  sumB: "sum B",
  sumC: "sum C",
};
const NEXT_TARGET = { mixA: "mixB", mixB: "mixA", sumA: "sumB", sumB: "sumC", sumC: "sumA" };

const slots = {}; // what each target but the large view holds
const results = {}; // "mix", "sum" -> their faces

function makeSlots() {
  for (const button of document.querySelectorAll(".slot, .result")) {
    const name = button.dataset.slot ?? button.dataset.result;
    button.append(
      make("canvas", { width, height }),
      make("b", { textContent: name.slice(3) || "" }),
    );
    button.addEventListener("click", () =>
      name in TARGETS ? toggleTarget(name) : take(results[name]),
    );
  }
  find("target").append(
    ...Object.entries(TARGETS).map(([value, text]) => make("option", { value, text })),
  );
  find("target").addEventListener("change", (event) => setTarget(event.target.value));
  find("share").addEventListener("input", () => showResult("mix"));
  Object.keys(NEXT_TARGET).forEach((name, k) =>
    fillSlot(name, makeFace({ seed: face.seed ?? "0", index: k + 1 })),
  );
  setTarget("face");
}

function fillSlot(name, next) {
  slots[name] = next;
  const button = document.querySelector(`[data-slot=${name}]`);
  button.setAttribute(
    "aria-label",
    `${TARGETS[name]}: ${nameFace(next)}. Press, then choose a picture.`,
  );
  draw(next, { urgency: 2, group: name }).then((image) => image && paint(button.firstChild, image));
  showResult(name.slice(0, 3));
}

function showResult(name) {
  const parts = Object.keys(NEXT_TARGET)
    .filter((slot) => slot.startsWith(name))
    .map((slot) => slots[slot]);
  if (!parts.every(Boolean)) return; // still being filled for the first time
  results[name] =
    name === "mix" ? mixFaces(...parts, Number(find("share").value)) : addFaces(...parts);
  const button = document.querySelector(`[data-result=${name}]`);
  const words = name === "mix" ? "The mixture" : "The sum";
  button.setAttribute("aria-label", `${words}. Press to see it in the large view.`);
  draw(results[name], { urgency: 2, group: name }).then(
    (image) => image && paint(button.firstChild, image),
  );
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
