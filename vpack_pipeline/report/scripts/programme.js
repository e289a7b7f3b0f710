// A linear programme, by the simplex method: small and dense, a few hundred cells at the most.
// With Bland's rule it ends, however degenerate the margins are; the last basis is solved once
// more from the input, so that nothing is left of the rounding of many steps.

const NO_PIVOT = 1e-11;
const STILL_FEASIBLE = 1e-8;

/**
 * The least of goal · x over x >= 0 with equal · x = 1 for the first row and 0 for the others, and
 * below · x <= 0.
 * @returns {number|null} null where there is no such x
 */
function least(goal, equal, below) {
  const n = goal.length, m = equal.length + 1;
  // Columns: x, the slack of the last row, one artificial variable for each equation.
  const width = n + 1 + equal.length;
  const rows = equal.map((row, i) => {
    const full = new Float64Array(width + 1);
    full.set(row);
    full[n + 1 + i] = 1;
    full[width] = i === 0 ? 1 : 0;
    return full;
  });
  const last = new Float64Array(width + 1);
  last.set(below);
  last[n] = 1;
  rows.push(last);
  const basis = [...equal.keys()].map(i => n + 1 + i).concat(n);

  const artificial = new Float64Array(width + 1);
  artificial.fill(1, n + 1, width);
  reduce(artificial, rows, basis);
  descend(artificial, rows, basis, width);
  // The corner of the reduced costs holds the negative of what was minimised.
  if (-artificial[width] > STILL_FEASIBLE) return null;
  for (let i = 0; i < m; i++) {
    if (basis[i] <= n) continue;
    // An artificial variable that nothing can replace belongs to an equation that follows from others.
    const column = rows[i].findIndex((value, j) => j <= n && Math.abs(value) > NO_PIVOT);
    if (column >= 0) pivot(null, rows, basis, i, column);
  }

  const cost = new Float64Array(width + 1);
  cost.set(goal);
  reduce(cost, rows, basis);
  descend(cost, rows, basis, n + 1);
  return atBasis(goal, equal, below, basis);
}

/** Subtract rows from costs until those of the basis are 0. */
function reduce(cost, rows, basis) {
  basis.forEach((column, i) => {
    const factor = cost[column];
    if (factor !== 0) for (let j = 0; j < cost.length; j++) cost[j] -= factor * rows[i][j];
  });
}

/** Improve until no column does, of the columns before `width`: the first that does (Bland 1977). */
function descend(cost, rows, basis, width) {
  for (;;) {
    let column = 0;
    while (column < width && cost[column] >= -NO_PIVOT) column++;
    if (column === width) return;
    let leaving = -1, smallest = Infinity;
    rows.forEach((row, i) => {
      if (row[column] <= NO_PIVOT) return;
      const ratio = row[row.length - 1] / row[column];
      if (ratio < smallest || (ratio === smallest && basis[i] < basis[leaving])) {
        [leaving, smallest] = [i, ratio];
      }
    });
    if (leaving < 0) throw new Error("a ratio of shares has no bound");
    pivot(cost, rows, basis, leaving, column);
  }
}

function pivot(cost, rows, basis, leaving, column) {
  const row = rows[leaving], by = row[column];
  for (let j = 0; j < row.length; j++) row[j] /= by;
  for (const other of cost === null ? rows : [...rows, cost]) {
    const factor = other[column];
    if (other === row || factor === 0) continue;
    for (let j = 0; j < row.length; j++) other[j] -= factor * row[j];
    other[column] = 0;
    // What is 0 stays so: rounding must not make a corner infeasible.
    if (Math.abs(other[row.length - 1]) < 1e-15) other[row.length - 1] = 0;
  }
  basis[leaving] = column;
}

/** Solve the equations of a basis from the input, by elimination, and give what it costs. */
function atBasis(goal, equal, below, basis) {
  const n = goal.length;
  const used = basis.filter(column => column <= n);
  const kept = equal.filter((_, i) => !basis.includes(n + 1 + i));
  const right = kept.map(row => (row === equal[0] ? 1 : 0)).concat(0);
  const system = [...kept, below].map((row, i) => [
    ...used.map(column => (column < n ? row[column] : row === below ? 1 : 0)), right[i],
  ]);
  const size = used.length;
  for (let k = 0; k < size; k++) {
    let largest = k;
    for (let i = k + 1; i < size; i++) {
      if (Math.abs(system[i][k]) > Math.abs(system[largest][k])) largest = i;
    }
    [system[k], system[largest]] = [system[largest], system[k]];
    for (let i = 0; i < size; i++) {
      const factor = i === k ? 0 : system[i][k] / system[k][k];
      if (factor !== 0) for (let j = k; j <= size; j++) system[i][j] -= factor * system[k][j];
    }
  }
  return summed(used.map((column, k) => (column < n ? goal[column] * system[k][size] / system[k][k] : 0)));
}
