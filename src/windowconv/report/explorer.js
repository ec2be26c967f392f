// The explorer's page: reads the controls, draws kernels and responses on canvases and curves as SVG.
for (const figure of document.querySelectorAll(".explorer")) {
  const { GRID, RADII, windowTaps, baseKernel, windowed, powerSpectrum, leakage, windowDecibels } = explorerNumbers;
  const FLOOR = -40, WINDOW_FLOOR = -80, LOWEST = 1e-4, POINTS = 401;
  const BOX = { width: 360, height: 210, left: 44, right: 8, top: 8, bottom: 34 };
  const form = figure.querySelector("form");
  const find = (key, value) => figure.querySelector(`[data-${key}="${value}"]`);
  const ramp = (colours, share) => {
    const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1), i = Math.min(Math.floor(at), colours.length - 2);
    return colours[i].map((value, channel) => value + (at - i) * (colours[i + 1][channel] - value));
  };
  const parse = (list) => list.split(",").map((hex) => [1, 3, 5].map((i) => parseInt(hex.trim().slice(i, i + 2), 16)));
  const WEIGHTS = parse("#0057a8, #f7f7f7, #c43c1a");
  const DECIBELS = parse(getComputedStyle(figure).getPropertyValue("--decibels"));
  // Down to the first share below the axis: what follows would look like a floor.
  const visible = (curve) => {
    const end = curve.findIndex((share) => !(share >= LOWEST));
    const points = curve.map((share, i) => [RADII[i], share]).slice(0, end < 0 ? curve.length : end + 1);
    return points.filter(([, share]) => share >= 0);
  };
  const shown = (share) => (Number.isNaN(share) ? "–" : share.toFixed(4)); // a kernel of zeros has no spectrum
  const minus = (text) => text.replace("-", "−");

  const paint = (view, side, colour, label) => {
    const canvas = find("view", view);
    canvas.width = canvas.height = side;
    canvas.setAttribute("aria-label", label);
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) image.data.set([...colour(i), 255], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const response = (view, power, label) => {
    const highest = power.reduce((a, b) => Math.max(a, b), 0);
    paint(view, GRID, (i) => {
      // frequency 0 in the middle
      const row = (Math.floor(i / GRID) + GRID / 2) % GRID, column = ((i % GRID) + GRID / 2) % GRID;
      const level = highest ? 10 * Math.log10(power[row * GRID + column] / highest) : FLOOR;
      return ramp(DECIBELS, 1 - level / FLOOR);
    }, label);
  };

  const chart = (name, label, { x, y, xTicks, yTicks, xLabel, guides = [], curves }) => {
    const svg = find("chart", name), part = [];
    const across = (value) => BOX.left + (BOX.width - BOX.left - BOX.right) * x(value);
    const down = (value) => BOX.height - BOX.bottom - (BOX.height - BOX.bottom - BOX.top) * y(value);
    const floor = BOX.height - BOX.bottom, edge = BOX.width - BOX.right;
    for (const [value, text] of yTicks) {
      part.push(`<line class="grid" x1="${BOX.left}" x2="${edge}" y1="${down(value)}" y2="${down(value)}"/>`);
      part.push(`<text x="${BOX.left - 5}" y="${down(value) + 4}" text-anchor="end">${text}</text>`);
    }
    for (const [value, text] of xTicks) {
      part.push(`<text x="${across(value)}" y="${floor + 14}" text-anchor="middle">${text}</text>`);
    }
    part.push(`<text x="${(BOX.left + edge) / 2}" y="${BOX.height - 3}" text-anchor="middle">${xLabel}</text>`);
    for (const at of guides) {
      part.push(`<line class="guide" x1="${across(at)}" x2="${across(at)}" y1="${BOX.top}" y2="${floor}"/>`);
    }
    for (const [kind, points] of curves) {
      const path = points.map(([a, b]) => `${across(a).toFixed(2)},${down(b).toFixed(2)}`).join(" ");
      part.push(`<polyline class="${kind}" points="${path}"/>`);
      for (const [a, b] of points) {
        if (guides.includes(a)) part.push(`<circle class="${kind}" cx="${across(a)}" cy="${down(b)}" r="3.5"/>`);
      }
    }
    svg.setAttribute("viewBox", `0 0 ${BOX.width} ${BOX.height}`);
    svg.setAttribute("aria-label", label);
    svg.innerHTML = part.join("");
  };

  const read = () => {
    const state = {};
    for (const control of form.elements) {
      state[control.name] = control.tagName === "SELECT" ? control.value : Number(control.value);
    }
    const words = {
      beta: state.beta.toFixed(1), width: `${state.width.toFixed(2)} of half`,
      size: `${state.size}×${state.size}`, frequency: `${state.frequency.toFixed(3)} cycles/pixel`,
      orientation: `${state.orientation}°`, spread: `${state.spread.toFixed(1)} pixels`,
    };
    for (const [name, text] of Object.entries(words)) {
      find("control", name).querySelector("output").textContent = text;
      form.elements[name].setAttribute("aria-valuetext", text);
    }
    const used = {
      beta: state.window === "kaiser", width: state.window === "gaussian",
      frequency: state.base === "grating", orientation: state.base !== "flat", spread: state.base === "derivative",
    };
    for (const [name, shown] of Object.entries(used)) find("control", name).hidden = !shown;
    return { state, words, used };
  };

  const update = () => {
    const { state, words, used } = read();
    const taps = windowTaps(state.window, state.size, state.window === "kaiser" ? state.beta : state.width);
    const before = baseKernel(state.base, state.size, state), after = windowed(before, taps);
    const largest = before.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
    const kernels = { before, after }, curves = {};
    for (const [when, kernel] of Object.entries(kernels)) {
      const how = when === "before" ? "without a window" : "with the window";
      const power = powerSpectrum(kernel, state.size);
      paint(`kernel-${when}`, state.size, (i) => ramp(WEIGHTS, 0.5 + kernel[i] / largest / 2), `The kernel ${how}`);
      response(`response-${when}`, power, `Its frequency response ${how}, in dB`);
      curves[when] = leakage(power).curve;
      for (const n of [8, 16]) find("read", `${when}-${n}`).textContent = shown(curves[when][n]);
    }
    const chosen = (name) => form.elements[name].selectedOptions[0].textContent;
    const details = (names) => names.filter((name) => used[name]).map((name) => words[name]).join(", ");
    const parameter = used.beta ? ` (beta ${words.beta})` : used.width ? ` (width ${words.width} the span)` : "";
    const window = chosen("window") + parameter;
    const kernel = chosen("base") + (used.orientation ? ` (${details(["frequency", "spread", "orientation"])})` : "");
    const change = (n) => `${shown(curves.before[n])} without and ${shown(curves.after[n])} with the window`;
    const leaks = `L(1/8) is ${change(8)}; L(1/4) is ${change(16)}.`;
    const text = `Window: ${window}. Kernel: ${kernel}, ${words.size}. ${leaks}`;
    figure.querySelector(".readout").textContent = text;
    chart("leakage", `Leakage curves. ${text}`, {
      x: (r) => 2 * r, y: (share) => 1 - Math.log10(Math.max(share, LOWEST)) / Math.log10(LOWEST),
      xTicks: [[0, "0"], [1 / 8, "1/8"], [1 / 4, "1/4"], [3 / 8, "3/8"], [1 / 2, "1/2"]],
      yTicks: [1, 0.1, 0.01, 0.001, 0.0001].map((value) => [value, String(value)]),
      xLabel: "r (cycles/pixel)", guides: [1 / 8, 1 / 4],
      curves: Object.entries(curves).map(([when, curve]) => [when, visible(curve)]),
    });
    const level = (values) => windowDecibels(values, POINTS, WINDOW_FLOOR).map((dB, i) => [i / 2 / (POINTS - 1), dB]);
    chart("spectrum", `The spectrum of the window ${window} at ${state.size} taps, and that of no window`, {
      x: (f) => 2 * f, y: (dB) => 1 - dB / WINDOW_FLOOR,
      xTicks: [0, 0.1, 0.2, 0.3, 0.4, 0.5].map((value) => [value, String(value)]),
      yTicks: [0, -20, -40, -60, -80].map((value) => [value, minus(String(value))]),
      xLabel: "frequency (cycles/pixel)",
      curves: [["before", level(taps.map(() => 1))], ["after", level(taps)]],
    });
  };

  let waiting = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    if (waiting) return;
    waiting = true; // sliders fire faster than screens are drawn
    requestAnimationFrame(() => {
      waiting = false;
      update();
    });
  });
  update();
}
