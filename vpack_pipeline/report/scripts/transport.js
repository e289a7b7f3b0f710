// Figures carried to another population by counts of cells alone: the twin of stats.transport and
// of the joint table nearest to margins (stats.distances.raking). Formulas stand there.
//
// A cell is [persons of the target, TP, FN, TN, FP, undecided flagged, undecided cleared].

const FIGURES = {
  sensitivity: [[1], [2]],
  specificity: [[3], [4]],
  ppv: [[1], [4]],
  npv: [[3], [2]],
  prevalence: [[1, 2], [3, 4]],
  flagged_per_1000: [[1, 4, 5], [2, 3, 6]],
  missed_per_1000: [[2], [1, 3, 4]],
  false_alarms_per_1000: [[4], [1, 2, 3]],
};

const code = (name, detail = {}) => ({ code: name, detail });

const cases = cell => summed(cell.slice(1));
const positives = cell => cell[1] + cell[2];
const negatives = cell => cell[3] + cell[4];
const at = (cell, of) => summed(of.map(k => cell[k]));

const undefinedFigure = (reason, method = [], n = 0, events = null) => (
  { value: null, lower: null, upper: null, n, events, method, reason, notes: [] }
);
const figure = (value, bounds, n, events, method, notes = []) => (
  { value, lower: bounds[0], upper: bounds[1], n, events, method, reason: null, notes }
);

/** A figure in the target, as a share, with its interval. */
function transported(cells, name, designEffect, level, odds = 1) {
  const method = [code("ratio_over_cells"), code("wilson_on_effective_size")];
  const [success, failure] = FIGURES[name];
  const used = cells.filter(cell => cell[0] > 0 && cases(cell) > 0);
  const events = summed(used.flatMap(cell => success.map(k => cell[k])));
  const n = events + summed(used.flatMap(cell => failure.map(k => cell[k])));
  const total = summed(used.map(cell => cell[0]));
  const parts = used.map(cell => ({
    q: cell[0] / total, n: cases(cell), ...moments(cell, success, failure, odds),
  }));
  const above = summed(parts.map(p => p.q * p.success));
  const below = above + summed(parts.map(p => p.q * p.failure));
  if (below === 0) {
    return undefinedFigure(code("nobody_in_denominator"), method, rounded(n), rounded(events));
  }
  const ratio = Math.min(above / below, 1);
  const variance = summed(parts.map(p => p.q ** 2 * partVariance(p, ratio) / p.n))
    * designEffect / below ** 2;
  const right = summed(parts.map(p => p.q * p.smoothSuccess * p.ofSuccess[0]));
  const smooth = right / (right + summed(parts.map(p => p.q * p.smoothFailure * p.ofFailure[0])));
  const bounds = wilsonBounds(ratio, smooth * (1 - smooth) / variance, level);
  return figure(ratio, bounds, rounded(n), rounded(events), method);
}

/** What a cell adds: shares, smoothed shares, and by what its counts are multiplied. */
function moments(cell, success, failure, odds) {
  const factors = factorsOf(cell, odds), n = cases(cell);
  const k = at(cell, success), m = k + at(cell, failure);
  const inDenominator = (m + 1) / (n + 2), succeeds = (k + 1) / (m + 2);
  return {
    success: summed(success.map(i => cell[i] * factors[i])) / n,
    failure: summed(failure.map(i => cell[i] * factors[i])) / n,
    smoothSuccess: inDenominator * succeeds,
    smoothFailure: inDenominator * (1 - succeeds),
    ofSuccess: meanFactors(cell, success, factors),
    ofFailure: meanFactors(cell, failure, factors),
  };
}

/** Variance of one case's part in success - ratio · denominator. */
function partVariance(p, ratio) {
  const mean = p.smoothSuccess * p.ofSuccess[0] * (1 - ratio)
    - p.smoothFailure * p.ofFailure[0] * ratio;
  const square = p.smoothSuccess * p.ofSuccess[1] * (1 - ratio) ** 2
    + p.smoothFailure * p.ofFailure[1] * ratio ** 2;
  return square - mean ** 2;
}

/** By what each count is multiplied for the cell to have its shifted prevalence. */
function factorsOf(cell, odds) {
  const decided = positives(cell) + negatives(cell);
  const spread = odds * positives(cell) + negatives(cell);
  const ofNegatives = spread ? decided / spread : 1, ofPositives = odds * ofNegatives;
  return [null, ofPositives, ofPositives, ofNegatives, ofNegatives, 1, 1];
}

/** Mean and mean square of the factors of some counts; of nobody, those of the largest. */
function meanFactors(cell, of, factors) {
  const total = at(cell, of);
  if (total === 0) {
    const largest = Math.max(...of.map(i => factors[i]));
    return [largest, largest ** 2];
  }
  return [
    summed(of.map(i => cell[i] * factors[i])) / total,
    summed(of.map(i => cell[i] * factors[i] ** 2)) / total,
  ];
}

/** A figure of this set's own cases in some cells; persons do not count. */
function pooled(cells, name, designEffect, level) {
  const method = [code("counts_of_cells"), code("wilson_on_effective_size")];
  const [success, failure] = FIGURES[name];
  const k = summed(cells.flatMap(cell => success.map(i => cell[i])));
  const m = k + summed(cells.flatMap(cell => failure.map(i => cell[i])));
  if (m === 0) return undefinedFigure(code("nobody_in_denominator"), method, 0, 0);
  return figure(k / m, wilsonBounds(k / m, m / designEffect, level), rounded(m), rounded(k), method);
}

/** Shares of a cell's cases that are successes of a figure, and in its denominator. */
function sharesOf(cell, name) {
  const [success, failure] = FIGURES[name], k = at(cell, success);
  return [k / cases(cell), (k + at(cell, failure)) / cases(cell)];
}

/** The one factor of all cells' odds of disease that gives the target a prevalence, or null. */
function oddsFactor(cells, prevalence) {
  const known = cells.filter(cell => cell[0] > 0 && positives(cell) + negatives(cell) > 0);
  const parts = known.map(c => [c[0] * (positives(c) + negatives(c)) / cases(c), c]);
  const total = summed(parts.map(([weight]) => weight));
  const gap = log => {
    const odds = Math.exp(log);
    const sick = parts.map(([w, c]) => w * odds * positives(c) / (odds * positives(c) + negatives(c)));
    return summed(sick) - prevalence * total;
  };
  let [low, high] = [-60, 60];
  if (!parts.length || gap(low) >= 0 || gap(high) <= 0) return null;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return Math.exp(middle);
    if (gap(middle) < 0) low = middle; else high = middle;
  }
}

/**
 * The lowest and highest ratio over all joint tables with some margins, of whom a share of
 * `mostWithout` at most lies in cells without a case; null where there is no such table.
 * @param cells {levels, success, denominator, hasCases} of each combination
 */
function rangeOverTables(cells, margins, mostWithout) {
  const equal = [[...cells.map(c => c.denominator), 0]];
  margins.forEach((margin, variable) => {
    const total = summed(margin);
    margin.forEach((wanted, level) => {
      equal.push([...cells.map(c => +(c.levels[variable] === level)), -wanted / total]);
    });
  });
  const below = [...cells.map(c => +!c.hasCases), -mostWithout];
  const goal = [...cells.map(c => c.success), 0];
  const lowest = least(goal, equal, below);
  if (lowest === null) return null;
  return [lowest, -least(goal.map(v => -v), equal, below)];
}

/**
 * Weights nearest to a base that have the stated margins (Deming & Stephan 1940); null where the
 * margins contradict one another.
 */
function raked(products, targets, total, base) {
  const n = products.length;
  const wanted = targets.map(target => {
    const sum = summed(target);
    return target.map(v => v / sum * total);
  });
  const sums = (weights, v) => {
    const found = wanted[v].map(() => 0);
    weights.forEach((weight, i) => { found[products[i][v]] += weight; });
    return found;
  };
  if (wanted.some((goal, v) => sums(base, v).some((held, k) => goal[k] > 0 && held === 0))) return null;
  const scale = total / summed(base);
  let weights = base.map(weight => weight * scale);
  for (let step = 0; step < 10000; step++) {
    const before = weights;
    wanted.forEach((goal, v) => {
      const factor = sums(weights, v).map((now, k) => (now > 0 ? goal[k] / now : 0));
      weights = weights.map((weight, i) => weight * factor[products[i][v]]);
    });
    if (weights.every((weight, i) => Math.abs(weight - before[i]) <= 1e-13 * total / n)) {
      const meets = (goal, v) => sums(weights, v).every((r, k) => Math.abs(r - goal[k]) <= 1e-6 * total);
      return wanted.every(meets) ? weights : null;
    }
  }
  return null;
}
