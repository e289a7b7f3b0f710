// The tables of the pack as questions need them: its variables with their printed levels, and the
// cells of one window. The twin of core.transport.rows.

const MISSING = "missing", OTHER = "other";

/** The variables of the cells. `rows` are {variable, level_order, level, printed_level}. */
function printedVariables(rows, kind) {
  const printed = {};
  for (const row of [...rows].sort((a, b) => a.level_order - b.level_order)) {
    (printed[row.variable] ??= new Map()).set(row.level, row.printed_level);
  }
  const names = kind.split(TIMES);
  const labels = of => [...new Set([...of.values()].filter(label => label !== MISSING))];
  const levels = names.map(name => labels(printed[name]));
  const cellOf = new Map(products(levels.map(known => [...known.keys()])).map(at => {
    const shown = at.map((place, v) => levels[v][place]).join(TIMES);
    // Before missing, the last, stands what is not printed by itself.
    const rest = [...printed[kind].values()].at(-2);
    return [at, names.length === 1 ? shown : printed[kind].get(shown) ?? rest];
  }));
  return { names, levels, printedOf: names.map(name => printed[name]), cellOf };
}

/** The cells of one place, or the row that says why there are no figures. */
function countedCells(rows, variables) {
  const ofCell = {};
  for (const row of rows) (ofCell[row.stratum] ??= {})[row.metric] = row;
  const given = row => (row === undefined || row.status !== "given" ? null : row.estimate);
  const countsAt = (label, start) => {
    const found = COUNTS.map(name => [name, given(ofCell[label][start + name])]);
    return found.some(([, n]) => n === null) ? null : Object.fromEntries(found);
  };
  const labels = [...new Set(variables.cellOf.values())];
  for (const start of ["", "weighted_"]) {
    const stated = labels.map(label => ofCell[label][`${start}n_positive`]).filter(Boolean);
    if (stated.length && stated.every(row => row.status !== "given")) {
      return { refusal: { code: stated[0].reason, detail: ownDetail(stated[0]) } };
    }
  }
  return {
    refusal: null,
    cells: labels.map(label => ({
      label,
      combinations: [...variables.cellOf].filter(([, of]) => of === label).map(([at]) => at),
      counts: countsAt(label, ""),
      weighted: countsAt(label, "weighted_"),
    })),
    missing: given(ofCell[MISSING]?.n_cases) || 0,
    design_effects: Object.fromEntries(["positives", "negatives", "cases"].map(
      among => [among, given(ofCell["*"][`design_effect_${among}`]) || 1],
    )),
  };
}

/** The parameters of a row's reason, from the cell that holds those of all its codes. */
function ownDetail({ reason, detail }) {
  const all = Object.entries(JSON.parse(detail || "{}"));
  const start = `${reason}.`;
  return Object.fromEntries(all.filter(([key]) => key.startsWith(start))
    .map(([key, value]) => [key.slice(start.length), value]));
}
