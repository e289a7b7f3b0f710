// Sums, laws of chance and their quantiles: what figures and sample sizes are computed from.
// Held to the Python functions of the same kind (stats.estimate, stats.proportions, scipy.special).

/** Sum without the rounding of each step (Neumaier 1974), as Python's math.fsum does. */
function summed(values) {
  let total = 0, lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? (total - next) + value : (value - next) + total;
    total = next;
  }
  return total + lost;
}

/** Round to the nearest whole number, halves to the even one, as Python's round does. */
function rounded(value) {
  const below = Math.floor(value), over = value - below;
  return over < 0.5 || (over === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** Chance of a standard normal value above z, z >= 0. */
function normalTail(z) {
  const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z, sum = z;
    for (let odd = 3; term > 1e-18 * sum; odd += 2) sum += term *= z * z / odd;
    return 0.5 - density * sum;
  }
  let below = z;
  for (let k = 200; k > 0; k--) below = z + k / below;
  return density / below;
}

/** The value that a standard normal one stays below with a chance; 0 < chance < 1. */
function normalValue(chance) {
  if (chance < 0.5) return -normalValue(1 - chance);
  const tail = 1 - chance;
  const t = Math.sqrt(-2 * Math.log(tail));
  // A start to three digits (Hastings 1955), then Newton's steps.
  let z = Math.max(0, t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t)));
  for (let step = 0; step < 50; step++) {
    const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
    const next = Math.max(0, z + (normalTail(z) - tail) / density);
    if (Math.abs(next - z) <= 1e-15 * (1 + z)) return next;
    z = next;
  }
  return z;
}

const normalQuantiles = new Map();

/** The two-sided standard normal quantile of a confidence level. */
function normalQuantile(level) {
  if (!normalQuantiles.has(level)) normalQuantiles.set(level, normalValue(0.5 + level / 2));
  return normalQuantiles.get(level);
}

/** Wilson's score interval (1927) of a proportion on n > 0 cases, whole or effective. */
function wilsonBounds(proportion, n, level) {
  const z2 = normalQuantile(level) ** 2;
  const centre = proportion + z2 / (2 * n);
  const reach = Math.sqrt(z2 * (proportion * (1 - proportion) / n + z2 / (4 * n * n)));
  const scale = 1 + z2 / n;
  return [
    proportion === 0 ? 0 : Math.max((centre - reach) / scale, 0),
    proportion === 1 ? 1 : Math.min((centre + reach) / scale, 1),
  ];
}

/** log n! less Stirling's formula; n whole, above 0 (Loader 2000). */
function stirlingError(n) {
  if (n < 16) {
    let log = 0;
    for (let k = 2; k <= n; k++) log += Math.log(k);
    return log - (n + 0.5) * Math.log(n) + n - 0.5 * Math.log(2 * Math.PI);
  }
  const n2 = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / n2) / n2) / n2) / n2) / n;
}

/** x log(x/m) + m - x without cancellation, x and m above 0 (Loader 2000). */
function deviance(x, m) {
  if (Math.abs(x - m) >= 0.1 * (x + m)) return x * Math.log(x / m) + m - x;
  const v = (x - m) / (x + m);
  let sum = (x - m) * v, term = 2 * x * v;
  for (let odd = 3; ; odd += 2) {
    term *= v * v;
    const next = sum + term / odd;
    if (next === sum) return sum;
    sum = next;
  }
}

/** Chance of k of n, each with chance p; 0 < p < 1 (Loader's saddle point). */
function binomialPoint(k, n, p) {
  if (k < 0 || k > n) return 0;
  if (k === 0) return Math.exp(n * Math.log1p(-p));
  if (k === n) return Math.exp(n * Math.log(p));
  const log = stirlingError(n) - stirlingError(k) - stirlingError(n - k)
    - deviance(k, n * p) - deviance(n - k, n * (1 - p));
  return Math.exp(log) * Math.sqrt(n / (2 * Math.PI * k * (n - k)));
}

/** Sum a term and those after it, each the last one times a factor, until they add nothing. */
function tailSum(first, factor) {
  let term = first, sum = first;
  for (let k = 0; term > 1e-18 * sum; k++) {
    term *= factor(k);
    sum += term;
  }
  return sum;
}

/** Chance of at least k of n, each with chance p; 0 < p < 1. */
function binomialAtLeast(k, n, p) {
  if (k <= 0) return 1;
  if (k > n) return 0;
  if (k > n * p) {
    return tailSum(binomialPoint(k, n, p), i => (n - k - i) / (k + i + 1) * p / (1 - p));
  }
  const last = k - 1;
  return 1 - tailSum(
    binomialPoint(last, n, p), i => (last - i) / (n - last + i + 1) * (1 - p) / p,
  );
}

/** Chance of k where the mean is m > 0, by Poisson's law. */
function poissonPoint(k, m) {
  if (k === 0) return Math.exp(-m);
  return Math.exp(-stirlingError(k) - deviance(k, m)) / Math.sqrt(2 * Math.PI * k);
}

/** Chance of at least k >= 1 where the mean is m: the lower tail of a gamma law of shape k. */
function poissonAtLeast(k, m) {
  if (m === 0) return 0;
  if (k > m) return tailSum(poissonPoint(k, m), i => m / (k + i + 1));
  return 1 - tailSum(poissonPoint(k - 1, m), i => (k - 1 - i) / m);
}

/** The quantile of a gamma law of whole shape >= 1: Newton's steps, kept within a bracket. */
function gammaQuantile(shape, chance) {
  let low = 0, high = Infinity;
  // A start to two digits (Wilson & Hilferty 1931).
  const cube = 1 - 1 / (9 * shape) + normalValue(chance) / (3 * Math.sqrt(shape));
  let x = shape * Math.max(cube, 0.01) ** 3;
  for (let step = 0; step < 200; step++) {
    const gap = poissonAtLeast(shape, x) - chance;
    if (gap < 0) low = x; else high = x;
    let next = x - gap / poissonPoint(shape - 1, x);
    if (!(next > low && next < high)) next = high === Infinity ? 2 * x : (low + high) / 2;
    if (Math.abs(next - x) <= 1e-15 * x) return next;
    x = next;
  }
  return x;
}
