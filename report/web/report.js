"use strict";
(() => {
  const frames = [...document.querySelectorAll(".frame")];
  const charts = [...document.querySelectorAll(".chart")];
  const slider = document.getElementById("slider");
  const play = document.getElementById("play");
  const copy = document.getElementById("copy");

  /* Short numbers, as the page's own: 3,410, 13.0, 1.62, 0.0312. */
  function writeNumber(value) {
    const size = Math.abs(value);
    if (size < 1) return String(Number(value.toPrecision(3)));
    const digits = size < 10 ? 2 : size < 100 ? 1 : 0;
    return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function findNearest(steps, step) {
    let best = 0;
    for (let i = 1; i < steps.length; i++) {
      if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i;
    }
    return best;
  }

  const readers = charts.map((chart) => {
    const keys = [...chart.querySelectorAll(".key:not(.mark)")];
    const curves = keys.map((key, number) => {
      const split = (text) => (text ? text.split(" ") : []);
      const values = split(chart.dataset["values" + number]);
      const place = key.querySelector("b");
      return { steps: split(chart.dataset["steps" + number]).map(Number), values, place, usual: place.textContent, unit: key.dataset.unit };
    });
    return { chart, curves, last: Math.max(1, Number(chart.dataset.last)), head: chart.querySelector(".playhead") };
  });

  /* Shows a step in every chart: a line across it, and the values there; null: the last ones. */
  function locate(step) {
    for (const { chart, curves, last, head } of readers) {
      chart.classList.toggle("located", step !== null);
      if (step !== null) {
        const x = (1000 * Math.min(step, last)) / last;
        head.setAttribute("d", "M" + x + " 0V1000");
      }
      for (const curve of curves) {
        const value = step === null ? "" : curve.values[findNearest(curve.steps, step)];
        curve.place.textContent = value ? writeNumber(Number(value)) + curve.unit : step === null ? curve.usual : "";
      }
    }
  }

  let shown = frames.length - 1;
  function show(number, isByUser) {
    shown = number;
    frames.forEach((frame, i) => frame.classList.toggle("shown", i === number));
    if (!slider) return;
    slider.value = number;
    slider.setAttribute("aria-valuetext", "step " + frames[number].dataset.step);
    if (isByUser) locate(number === frames.length - 1 ? null : Number(frames[number].dataset.step));
  }

  let timer = 0;
  function stop() {
    clearInterval(timer);
    timer = 0;
    play.classList.remove("playing");
    play.setAttribute("aria-label", "Play");
  }
  function start() {
    if (shown === frames.length - 1) show(0, true);
    play.classList.add("playing");
    play.setAttribute("aria-label", "Stop");
    timer = setInterval(() => {
      show(shown + 1, true);
      if (shown === frames.length - 1) stop();
    }, 700);
  }

  if (frames.length) {
    document.documentElement.classList.add("scripted");
    show(shown, false);
  }
  if (slider) {
    slider.parentElement.hidden = false;
    slider.addEventListener("input", () => { stop(); show(Number(slider.value), true); });
    play.addEventListener("click", () => (timer ? stop() : start()));
  }

  for (const { chart, last } of readers) {
    const plot = chart.querySelector(".plot");
    plot.addEventListener("pointermove", (event) => {
      const place = plot.getBoundingClientRect();
      const share = (event.clientX - place.left) / place.width;
      locate(Math.round(Math.min(Math.max(share, 0), 1) * last));
    });
    plot.addEventListener("pointerleave", () => locate(null));
  }

  if (copy) {
    copy.hidden = false;
    copy.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById("command"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      copy.textContent = document.execCommand("copy") ? "copied" : "selected";
    });
  }
})();
