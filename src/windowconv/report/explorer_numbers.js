// The explorer's numbers, without the page: windows, base kernels, spectra and leakage, as windowconv.spectra has them.
const explorerNumbers = (() => {
  const GRID = 64; // frequencies an axis, the same for all kernels
  const RADII = Array.from({ length: 33 }, (_, i) => i / 64); // cycles/pixel
  const TIE = 1e-9; // peaks this close (relative) are one height: the lower frequency counts

  const besselI0 = (x) => {
    let term = 1, sum = 1;
    for (let k = 1; term > 1e-17 * sum; k++) sum += term *= (x / 2 / k) ** 2;
    return sum;
  };

  // x runs from -1 at the first tap to 1 at the last.
  const SHAPES = {
    boxcar: () => 1,
    cosine: (x, size) => Math.cos((Math.PI / 2) * x * ((size - 1) / size)),
    hamming: (x) => 0.54 + 0.46 * Math.cos(Math.PI * x),
    hann: (x) => 0.5 + 0.5 * Math.cos(Math.PI * x),
    blackman: (x) => 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x),
    kaiser: (x, size, beta) => besselI0(beta * Math.sqrt(Math.max(0, 1 - x * x))) / besselI0(beta),
    gaussian: (x, size, width) => Math.exp(-0.5 * (x / width) ** 2),
  };

  // The taps of a symmetric window; `parameter` is Kaiser's beta or the Gaussian's width.
  const windowTaps = (name, size, parameter) =>
    Array.from({ length: size }, (_, i) => SHAPES[name]((2 * i) / (size - 1) - 1, size, parameter));

  // A size x size kernel, row by row from the top; orientation in degrees, counter-clockwise.
  const baseKernel = (kind, size, { frequency, orientation, spread }) => {
    const middle = (size - 1) / 2, angle = (orientation * Math.PI) / 180;
    const kernel = [];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const x = column - middle, y = middle - row;
        const along = x * Math.cos(angle) + y * Math.sin(angle);
        if (kind === "flat") kernel.push(1);
        else if (kind === "grating") kernel.push(Math.cos(2 * Math.PI * frequency * along));
        else kernel.push(-along * Math.exp(-(x * x + y * y) / (2 * spread * spread)));
      }
    }
    return kernel;
  };

  const windowed = (kernel, taps) =>
    kernel.map((value, i) => value * taps[Math.floor(i / taps.length)] * taps[i % taps.length]);

  const frequencyOf = (k) => (k < GRID / 2 ? k : k - GRID) / GRID;

  // |W|^2 of a kernel on GRID x GRID frequencies, in the order of a discrete Fourier transform.
  const powerSpectrum = (kernel, size) => {
    const angle = (k, n) => (2 * Math.PI * ((k * n) % GRID)) / GRID;
    const power = new Float64Array(GRID * GRID);
    const rows = new Float64Array(2 * size * GRID);
    for (let row = 0; row < size; row++) {
      for (let k = 0; k < GRID; k++) {
        for (let n = 0; n < size; n++) {
          const value = kernel[row * size + n];
          rows[2 * (row * GRID + k)] += value * Math.cos(angle(k, n));
          rows[2 * (row * GRID + k) + 1] -= value * Math.sin(angle(k, n));
        }
      }
    }
    for (let j = 0; j < GRID; j++) {
      const cosine = Array.from({ length: size }, (_, n) => Math.cos(angle(j, n)));
      const sine = Array.from({ length: size }, (_, n) => Math.sin(angle(j, n)));
      for (let k = 0; k < GRID; k++) {
        let re = 0, im = 0;
        for (let n = 0; n < size; n++) {
          const a = rows[2 * (n * GRID + k)], b = rows[2 * (n * GRID + k) + 1];
          re += a * cosine[n] + b * sine[n];
          im += b * cosine[n] - a * sine[n];
        }
        power[j * GRID + k] = re * re + im * im;
      }
    }
    return power;
  };

  // L(r) at RADII: the share of energy farther than r from the nearer of the peaks at +f and -f.
  const leakage = (power) => {
    const highest = power.reduce((a, b) => Math.max(a, b), 0) * (1 - TIE);
    let peak = null, lowest = Infinity;
    power.forEach((value, i) => {
      const f = [frequencyOf(Math.floor(i / GRID)), frequencyOf(i % GRID)], square = f[0] ** 2 + f[1] ** 2;
      if (value >= highest && square < lowest) [peak, lowest] = [f, square];
    });
    const apart = (a, b) => Math.abs(((((a - b + 0.5) % 1) + 1) % 1) - 0.5);
    const sums = new Float64Array(RADII.length);
    let total = 0;
    power.forEach((value, i) => {
      const f = [frequencyOf(Math.floor(i / GRID)), frequencyOf(i % GRID)];
      const distance = (sign) => Math.hypot(apart(f[0], sign * peak[0]), apart(f[1], sign * peak[1]));
      const nearer = Math.min(distance(1), distance(-1));
      total += value;
      for (let n = 0; n < RADII.length && nearer > RADII[n] + 1e-12; n++) sums[n] += value;
    });
    return { curve: Array.from(sums, (sum) => sum / total), peak };
  };

  // A window's spectrum in dB of its value at 0, at `points` frequencies from 0 to 1/2, not below `floor`.
  const windowDecibels = (taps, points, floor) => {
    const magnitude = Array.from({ length: points }, (_, k) => {
      const angle = (Math.PI * k) / (points - 1);
      let re = 0, im = 0;
      taps.forEach((value, n) => {
        re += value * Math.cos(angle * n);
        im += value * Math.sin(angle * n);
      });
      return Math.hypot(re, im);
    });
    return magnitude.map((value) => Math.max(floor, 20 * Math.log10(value / magnitude[0])));
  };

  return { GRID, RADII, windowTaps, baseKernel, windowed, powerSpectrum, leakage, windowDecibels };
})();
