// One question, one answer: the twin of core.transport, whose JSON goes in and comes out.

const COUNTS = ["n_cases", "n_positive", "tp", "n_negative", "tn",
  "undecided_cases", "undecided_cases_flagged"];
const MOST_UNSUPPORTED = 0.1;
const FEWEST_POSITIVES = 5;
const ON_POSITIVES = ["sensitivity", "ppv", "npv", "prevalence", "missed_per_1000"];
const TIMES = " × ";

/**
 * What can be said of a target from this set's cells. Pure: the page calls it at each change.
 * @param question {cells, missing, design_effects, target: {levels, cells}, level?, prevalence?, goals?}
 * @returns {cells, support, figures, odds}
 */
function compare(question) {
  const asked = {
    level: 0.95, prevalence: null, goals: {}, ...question,
    common: commonCells(question.cells, question.target),
    margins: question.target.levels.map(groups => groups.map(group => group.persons)),
    isJoint: question.target.cells !== null,
    isWeighted: question.cells.some(c => c.weighted && !sameCounts(c.weighted, c.counts)),
  };
  const [persons, reason] = spread(asked);
  const support = supportOf(asked, persons, reason);
  const [odds, refusal] = oddsOf(asked, support);
  const figures = {
    in_target: inTarget(asked, support, odds, refusal),
    here: own(asked, asked.cells, code("no_mature_case")),
    outside_target: persons === null
      ? own(asked, [], reason)
      : own(asked, support.outside.map(k => asked.common[k]), code("no_case_outside_target")),
  };
  if (!asked.isJoint) {
    Object.assign(figures, range(asked, figures.in_target, refusal));
    refuseWhereCrossed(asked, figures);
  }
  return {
    cells: asked.common.map((cell, k) => ({
      label: cell.label,
      persons: persons === null ? 0 : persons[k],
      cases: cell.counts === null ? null : cell.counts.n_cases,
      positives: cell.counts === null ? null : cell.counts.n_positive,
    })),
    support: mapped(supportFigures(asked, support), (name, e) => written(name, e)),
    figures: mapped(figures, (_, each) => mapped(each, (name, e) => written(name, e))),
    odds,
  };
}

const mapped = (object, make) => (
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, make(key, value)]))
);
const sameCounts = (one, other) => other !== null && COUNTS.every(name => one[name] === other[name]);

/** Every choice of one from each list, the last changing fastest. */
function products(lists) {
  return lists.reduce((made, list) => made.flatMap(some => list.map(one => [...some, one])), [[]]);
}

// --- Cells that set and target have in common

/** Add printed cells up until none is cut by a level of the target. */
function commonCells(cells, target) {
  for (const groups of target.levels) {
    const stated = groups.flatMap(group => group.levels);
    if (new Set(stated).size < stated.length) throw new Error("two levels share a printed level");
  }
  const cellOf = new Map();
  cells.forEach((cell, k) => {
    if (cell.counts !== null && !(cell.counts.n_cases > 0)) return;
    for (const combination of cell.combinations) cellOf.set(combination.join(), k);
  });
  const chosen = products(target.levels.map(groups => [...groups.keys()]));
  const printedOf = product => products(product.map((g, v) => target.levels[v][g].levels));
  const parent = cells.map((_, k) => k);
  const root = k => {
    while (parent[k] !== k) k = parent[k];
    return k;
  };
  const touchedBy = chosen.map(product => (
    printedOf(product).map(c => cellOf.get(c.join())).filter(k => k !== undefined)
  ));
  for (const [first, ...others] of touchedBy) {
    for (const other of others) {
      const [low, high] = [root(first), root(other)].sort((a, b) => a - b);
      parent[high] = low;
    }
  }
  const productsOf = new Map(), nowhere = [];
  chosen.forEach((product, i) => {
    if (!touchedBy[i].length) { nowhere.push(product); return; }
    const at = root(touchedBy[i][0]);
    productsOf.set(at, [...productsOf.get(at) ?? [], product]);
  });
  const roots = [...new Set([...cellOf.values()].map(root))].sort((a, b) => a - b);
  const made = roots.map(at => {
    const parts = cells.filter((_, k) => root(k) === at);
    return {
      label: parts.map(part => part.label).join(" + "),
      products: productsOf.get(at) ?? [],
      counts: added(parts.map(part => part.counts)),
      weighted: added(parts.map(part => part.weighted ?? null)),
    };
  });
  return made.concat(nowhere.map(product => ({
    label: product.map((g, v) => target.levels[v][g].label).join(TIMES),
    products: [product], counts: null, weighted: null,
  })));
}

/** Add counts up; null where those of a part are not known. */
function added(parts) {
  if (parts.some(part => part === null)) return null;
  return Object.fromEntries(COUNTS.map(name => [name, parts.reduce((n, part) => n + part[name], 0)]));
}

const countsOf = cell => cell.weighted ?? cell.counts;

/** A cell of the formulas, from the counts that travel. */
function counted(persons, counts) {
  const [, positive, tp, negative, tn, undecided, flagged] = COUNTS.map(name => counts[name]);
  return [persons, tp, positive - tp, tn, negative - tn, flagged, undecided - flagged];
}

// --- How the target's persons spread over the cells

/** The persons in each common cell, or why they are not known. */
function spread(asked) {
  if (!asked.margins.length || !summed(asked.margins[0])) return [null, code("no_target")];
  if (!asked.isJoint) return nearest(asked);
  const ownerOf = owners(asked), persons = asked.common.map(() => 0);
  for (const cell of asked.target.cells) persons[ownerOf.get(cell.groups.join())] += cell.persons;
  return [persons, null];
}

function owners(asked) {
  return new Map(asked.common.flatMap((cell, k) => cell.products.map(product => [product.join(), k])));
}

/** The target's combinations of levels, the common cell of each, and its cases. */
function combinations(asked) {
  const ownerOf = owners(asked);
  const found = products(asked.target.levels.map(groups => [...groups.keys()]));
  const owner = found.map(product => ownerOf.get(product.join()));
  const base = owner.map(k => {
    const counts = countsOf(asked.common[k]);
    return (counts === null ? 0 : counts.n_cases) / asked.common[k].products.length;
  });
  return { products: found, owner, base };
}

/** Spread margins as the joint table does that is nearest to this set's cases. */
function nearest(asked) {
  const { products: found, owner, base } = combinations(asked), { margins } = asked;
  const held = margins.map(margin => margin.map(() => 0));
  found.forEach((product, i) => product.forEach((level, v) => { held[v][level] += base[i]; }));
  const known = margins.map((margin, v) => margin.map((n, level) => (held[v][level] ? n : 0)));
  const total = summed(margins[0]);
  const inside = Math.min(...known.map(summed));
  if (!inside) return [null, unsupported(found.length, found.length, 1)];
  const weights = raked(found, known, inside, base);
  if (weights === null) return [null, code("no_table_with_margins")];
  const persons = asked.common.map(() => 0);
  weights.forEach((n, i) => { persons[owner[i]] += n; });
  if (total > inside) {
    const lacking = found.findIndex(product => (
      product.some((level, v) => margins[v][level] > 0 && held[v][level] === 0)
    ));
    persons[owner[lacking]] += total - inside;
  }
  return [persons, null];
}

const unsupported = (cells, of, share) => code("cells_without_case", { cells, of, share });

// --- How far set and target hold the same cells

function supportOf(asked, persons, reason) {
  const known = persons ?? [];
  const casesIn = k => asked.common[k].counts?.n_cases ?? 0;
  const hasResults = k => asked.common[k].counts !== null;
  const share = of => summed(of.map(k => known[k])) / summed(known);
  const inside = [...known.keys()].filter(k => known[k] > 0);
  const outside = [...known.keys()].filter(k => !known[k] && hasResults(k));
  const without = inside.filter(k => !hasResults(k));
  const few = inside.filter(k => (
    casesIn(k) > 0 && asked.common[k].counts.n_positive < FEWEST_POSITIVES
  ));
  const support = { persons, reason, inside, outside, without, few, share, casesIn };
  support.withoutCase = () => unsupported(without.length, inside.length, share(without));
  support.refusal = refusalOf(asked, support, hasResults);
  return support;
}

function refusalOf(asked, support, hasResults) {
  const { persons, without, share } = support;
  if (persons === null) return support.reason;
  const places = [...asked.common.keys()];
  if (!places.some(hasResults)) return code("no_mature_case");
  if (places.filter(k => hasResults(k) || persons[k] > 0).length === 1) return code("one_common_cell");
  return share(without) > MOST_UNSUPPORTED ? support.withoutCase() : null;
}

function notesOf(asked, support, name) {
  const said = [code("same_within_cells")];
  if (asked.prevalence !== null) said.push(code("prevalence_typed"));
  if (support.without.length) said.push(support.withoutCase());
  if (support.few.length && ON_POSITIVES.includes(name)) {
    said.push(code("cells_with_few_positives", {
      fewest: FEWEST_POSITIVES,
      cells: support.few.map(k => asked.common[k].label),
      share: support.share(support.few),
    }));
  }
  if (support.outside.length || asked.missing) said.push(code("cases_left_out"));
  return said;
}

function supportFigures(asked, support) {
  const { persons, inside, outside, without, few, casesIn } = support;
  const names = ["target_cells", "unsupported_cells", "unsupported_share", "share_few_positives",
    "effective_sample_size", "n_weight_zero", "share_weight_zero_missing_value",
    "share_weight_zero_not_in_target"];
  const missing = rounded(asked.missing);
  const n = rounded(summed(asked.common.map((_, k) => casesIn(k))) + asked.missing);
  if (persons === null) {
    return Object.fromEntries(names.map(name => [name, undefinedFigure(support.reason, [], n)]));
  }
  const left = rounded(summed(outside.map(casesIn)));
  const count = (value, of, method) => figure(value, [null, null], of, value, [code(method)]);
  const share = (events, of) => (of
    ? figure(events / of, [null, null], of, events, [code("share")])
    : undefinedFigure(code("no_mature_case"), [code("share")], 0, 0));
  const ofTarget = of => {
    const [part, total] = [summed(of.map(k => persons[k])), summed(persons)];
    return figure(part / total, [null, null], rounded(total), rounded(part), [code("share")]);
  };
  return {
    target_cells: count(inside.length, inside.length, "target_cells"),
    unsupported_cells: count(without.length, inside.length, "target_cells"),
    unsupported_share: ofTarget(without),
    share_few_positives: ofTarget(few),
    effective_sample_size: effectiveSize(asked, support, n - missing - left),
    n_weight_zero: count(missing + left, n, "count"),
    share_weight_zero_missing_value: share(missing, n),
    share_weight_zero_not_in_target: share(left, n),
  };
}

/** Kish's size, where all cases of a cell weigh alike. */
function effectiveSize(asked, { persons, inside, casesIn, refusal }, n) {
  const method = [code("kish_effective_size")];
  const why = refusal ?? (asked.isWeighted ? code("not_computed_weighted") : null);
  if (why !== null) return undefinedFigure(why, method, n);
  const known = inside.filter(k => casesIn(k) > 0);
  const size = summed(known.map(k => persons[k])) ** 2
    / summed(known.map(k => persons[k] ** 2 / casesIn(k)));
  return figure(size, [null, null], n, null, method);
}

// --- Figures

/** The factor of a typed prevalence, or why there is none. */
function oddsOf(asked, { persons, refusal }) {
  if (refusal !== null || asked.prevalence === null || persons === null) return [null, refusal];
  if (!asked.isJoint) return [null, code("prevalence_needs_joint_counts")];
  const odds = oddsFactor(cellsOf(asked, persons, countsOf), asked.prevalence);
  return [odds, odds === null ? code("prevalence_out_of_reach") : null];
}

/** The common cells that have results. */
function cellsOf(asked, persons, chosen) {
  return asked.common.flatMap((cell, k) => {
    const counts = chosen(cell);
    return counts === null || cell.counts === null ? [] : [counted(persons[k], counts)];
  });
}

function inTarget(asked, support, odds, refusal) {
  const { persons } = support;
  if (refusal !== null || persons === null) {
    return mapped(FIGURES, () => undefinedFigure(refusal ?? code("no_target")));
  }
  const plain = cellsOf(asked, persons, cell => cell.counts);
  const weighted = asked.isWeighted ? cellsOf(asked, persons, countsOf) : null;
  return mapped(FIGURES, name => {
    const found = figureOver(asked, name, plain, weighted, odds ?? 1);
    if (found.value === null) return found;
    const notes = coded(...found.notes, ...notesOf(asked, support, name));
    if (asked.isJoint) return { ...found, notes };
    return {
      ...found, lower: null, upper: null, method: NEAREST(),
      notes: coded(...notes, code("no_interval_of_margins")),
    };
  });
}

const NEAREST = () => [code("nearest_joint_table"), code("ratio_over_cells")];

/** Codes, each once, in the order of mention. */
function coded(...codes) {
  return [...new Map(codes.map(c => [JSON.stringify(c), c])).values()];
}

/** A figure over cells; of weighted ones without an interval, which counts do not hold. */
function figureOver(asked, name, plain, weighted, odds) {
  const effect = effectOf(asked, name);
  const found = transported(plain, name, effect, asked.level, odds);
  if (weighted === null) return found;
  const { value } = transported(weighted, name, effect, asked.level, odds);
  return value === null ? found : withoutInterval(found, value, "ratio_over_cells");
}

const effectOf = (asked, name) => (
  asked.design_effects[{ sensitivity: "positives", specificity: "negatives" }[name] ?? "cases"]
);

const withoutInterval = (found, value, method) => figure(
  value, [null, null], found.n, found.events,
  [code(method), code("weighted")], [code("no_interval_of_weighted_cells")],
);

/** The figures of cases here in some cells, each counting once. */
function own(asked, cells, empty) {
  const known = cells.filter(cell => cell.counts !== null && cell.counts.n_cases > 0);
  if (!known.length) return mapped(FIGURES, () => undefinedFigure(empty));
  const plain = known.map(cell => counted(0, cell.counts));
  const weighted = known.map(cell => counted(0, countsOf(cell)));
  return mapped(FIGURES, name => {
    const found = pooled(plain, name, effectOf(asked, name), asked.level);
    if (!asked.isWeighted || found.value === null) return found;
    return withoutInterval(found, pooled(weighted, name, 1, asked.level).value, "counts_of_cells");
  });
}

/** The lowest and the highest figures over all joint tables with the margins. */
function range(asked, inside, refusal) {
  const made = { lowest_in_target: {}, highest_in_target: {} };
  const method = [code("over_tables_with_margins", { share: MOST_UNSUPPORTED })];
  for (const name of Object.keys(FIGURES)) {
    const found = refusal === null ? lowestAndHighest(asked, name) : null;
    const of = inside[name];
    Object.values(made).forEach((each, k) => {
      each[name] = found === null || of.value === null
        ? undefinedFigure(
          refusal ?? of.reason ?? code("no_table_with_margins"), method, of.n, of.events,
        )
        : figure(found[k], [null, null], of.n, of.events, method);
    });
  }
  return made;
}

function lowestAndHighest(asked, name) {
  const { products: found, owner } = combinations(asked);
  const cells = found.map((levels, i) => {
    const common = asked.common[owner[i]], hasCases = common.counts !== null;
    const [success, denominator] = hasCases ? sharesOf(counted(0, countsOf(common)), name) : [0, 0];
    return { levels, success, denominator, hasCases };
  });
  return rangeOverTables(cells, asked.margins, MOST_UNSUPPORTED);
}

/** Refuse the figure of one joint table where others would decide otherwise. */
function refuseWhereCrossed(asked, figures) {
  for (const [name, goal] of Object.entries(asked.goals)) {
    const lowest = figures.lowest_in_target[name].value;
    const highest = figures.highest_in_target[name].value;
    if (lowest === null || highest === null || !(lowest < goal && goal < highest)) continue;
    const { n, events } = figures.in_target[name];
    const crossed = code("margins_cross_goal", { goal, lowest, highest });
    figures.in_target[name] = undefinedFigure(crossed, NEAREST(), n, events);
  }
}

/** A figure as JSON; numbers per 1,000 as such. */
function written(name, { value, lower, upper, n, events, method, reason, notes }) {
  const per = name in FIGURES && name.endsWith("_per_1000") ? 1000 : 1;
  const scaled = number => (number === null ? null : per * number);
  return {
    estimate: scaled(value), lower: scaled(lower), upper: scaled(upper), n, events,
    method, reason, notes,
  };
}
