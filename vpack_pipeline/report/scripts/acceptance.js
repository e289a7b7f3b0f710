// The acceptance sheet: the twin of core.acceptance and stats.acceptance, and of its words
// (cli.acceptance_words). Formulas and reasons stand there.

const LARGEST = 1000000;
const REACH = 8;

/** Cases that must be right of n for the lower bound to lie above the goal; n + 1 if none do. */
function leastRight(goal, n, level) {
  const z = normalQuantile(level);
  const enough = Math.floor(n * goal + z * Math.sqrt(n * goal * (1 - goal))) + 1;
  return enough < n ? enough : goal ** n < (1 - level) / 2 ? n : n + 1;
}

/** Cases from which on the power stays, times the design effect; null if over a million. */
function acceptanceSize(goal, truth, power, level, designEffect) {
  const z = normalQuantile(level), beyond = power > 0.5 ? normalQuantile(2 * power - 1) : 0;
  const spread = z * Math.sqrt(goal * (1 - goal)) + beyond * Math.sqrt(truth * (1 - truth));
  const most = Math.ceil(1.5 * (spread / (truth - goal)) ** 2) + 200;
  if (most > 2 * LARGEST) return null;
  let n = most;
  while (n > 0 && binomialAtLeast(leastRight(goal, n, level), n, truth) >= power) n--;
  const size = Math.ceil(designEffect * (n + 1));
  return size <= LARGEST ? size : null;
}

/** The highest goal that so many cases show with a power; null where they show none. */
function highestGoal(truth, n, power, level, designEffect) {
  const number = Math.floor(n / designEffect);
  if (number < 1 || !(binomialAtLeast(1, number, truth) >= power)) return null;
  let [most, over] = [1, number + 1];
  while (over - most > 1) {
    const middle = Math.floor((most + over) / 2);
    if (binomialAtLeast(middle, number, truth) >= power) most = middle; else over = middle;
  }
  const bound = most === number
    ? Math.exp(Math.log((1 - level) / 2) / number)
    : wilsonBounds(most / number, number, level)[0];
  return bound > 0 && number > 1 ? bound : null;
}

/** Counts of n that are not beyond all likelihood. */
function likely(n, chance) {
  const reach = REACH * Math.sqrt(n * chance * (1 - chance)) + REACH;
  const low = Math.max(0, Math.floor(n * chance - reach));
  const high = Math.min(n, Math.ceil(n * chance + reach));
  return Array.from({ length: high - low + 1 }, (_, k) => low + k);
}

const poissonLimits = new Map();

/** Garwood's limits (1936) of a count, each times a weight: [total, lower, upper]. */
function weightedCount(count, weight, level) {
  const key = `${count} ${level}`;
  if (!poissonLimits.has(key)) {
    const tail = (1 - level) / 2;
    poissonLimits.set(key, [
      count > 0 ? gammaQuantile(count, tail) : 0, gammaQuantile(count + 1, 1 - tail),
    ]);
  }
  return [count, ...poissonLimits.get(key)].map(value => weight * value);
}

/** Whether the lower limit of S/(S + F) lies above the goal; by the ratio of both (MOVER-R). */
function clears([total, low], [against, , up], goal) {
  if (total + against === 0) return false;
  const reached = low * (2 * total - low), rest = up * (2 * against - up);
  const odds = reached === 0
    ? 0
    : reached / (total * against + Math.sqrt(Math.max((total * against) ** 2 - reached * rest, 0)));
  return odds / (1 + odds) > goal;
}

/** Power where all flagged cases are labelled, and a share of the cleared ones. */
function twoPhasePower(goal, truth, n, share, level, failuresAreSampled) {
  if (share === 1) return binomialAtLeast(leastRight(goal, n, level), n, truth);
  const chance = failuresAreSampled ? truth : 1 - truth;
  const flagged = likely(n, chance), found = likely(n, (1 - chance) * share);
  const drawn = found.map(count => weightedCount(count, 1 / share, level));
  let power = 0, place = 0;
  for (const k of flagged) {
    const known = weightedCount(k, 1, level);
    const clearsAt = at => (failuresAreSampled ? clears(known, drawn[at], goal) : clears(drawn[at], known, goal));
    while (place < found.length && failuresAreSampled === clearsAt(place)) place++;
    const last = Math.min(found[0] + place - 1, n - k);
    const below = last < 0 ? 0 : 1 - binomialAtLeast(last + 1, n - k, share);
    power += binomialPoint(k, n, chance) * (failuresAreSampled ? below : 1 - below);
  }
  return power;
}

/** The share of cleared cases to label beside all flagged ones; null where all are too few. */
function shareToLabel(goal, truth, n, power, level, designEffect, failuresAreSampled) {
  const number = Math.floor(n / designEffect);
  const isEnough = step => (
    twoPhasePower(goal, truth, number, step / 100, level, failuresAreSampled) >= power
  );
  if (number < 1 || !isEnough(100)) return null;
  let [few, enough] = [0, 100];
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (isEnough(middle)) enough = middle; else few = middle;
  }
  return enough / 100;
}

/**
 * What a test of acceptance needs at a hospital.
 * @param stated {metric, estimate, lower, upper} of sensitivity and of specificity
 * @param hospital {cases_a_week, prevalence, weeks, margin, power, level, design_effect}
 * @param truths by metric, what the figure is assumed to be here
 * @returns the sheet, or {problem: [where, what, remedy]}
 */
function acceptanceSheet(stated, hospital, truths = {}) {
  const problem = hospitalProblem(hospital)
    ?? stated.map(s => truthProblem(s, hospital, truths)).find(found => found !== null);
  if (problem) return { problem };
  const each = Math.sqrt(hospital.power);
  const figures = stated.map(s => askedOf(s, hospital, truths, each));
  const weeks = figures.map(f => f.weeks);
  return {
    figures,
    power_of_each: each,
    can_be_shown: figures.every(f => f.can_be_shown),
    weeks: weeks.includes(null) ? null : Math.max(...weeks),
    two_phase: twoPhase(figures, hospital, each),
  };
}

const shareOfCases = (hospital, metric) => (
  metric === "sensitivity" ? hospital.prevalence : 1 - hospital.prevalence
);

function askedOf(stated, hospital, truths, each) {
  const { level, design_effect: effect, power } = hospital;
  const goal = stated.estimate - hospital.margin, truth = truths[stated.metric] ?? stated.estimate;
  const share = shareOfCases(hospital, stated.metric);
  const together = acceptanceSize(goal, truth, each, level, effect);
  const local = Math.floor(hospital.cases_a_week * hospital.weeks * share);
  const highest = highestGoal(truth, local, each, level, effect);
  return {
    stated, goal, truth, together, local,
    alone: acceptanceSize(goal, truth, power, level, effect),
    weeks: together === null ? null : Math.ceil(together / (hospital.cases_a_week * share)),
    highest_goal: highest,
    can_be_shown: together !== null && together <= local,
    margin_that_can: highest === null ? null : stated.estimate - highest,
  };
}

function twoPhase(figures, hospital, each) {
  const { level, design_effect: effect, cases_a_week: all } = hospital;
  const isSensitivity = f => f.stated.metric === "sensitivity";
  const shares = [];
  for (const f of figures) {
    shares.push(shareToLabel(f.goal, f.truth, f.local, each, level, effect, isSensitivity(f)));
    if (shares.at(-1) === null) return null;
  }
  const share = Math.max(...shares);
  const flagged = figures.reduce((sum, f) => (
    sum + shareOfCases(hospital, f.stated.metric) * (isSensitivity(f) ? f.truth : 1 - f.truth)
  ), 0);
  return { share, labels_a_week: all * (flagged + share * (1 - flagged)), all_a_week: all };
}

function hospitalProblem(hospital) {
  const ranges = [
    ["cases a week", hospital.cases_a_week, 0, Infinity, "give a number above 0"],
    ["prevalence", hospital.prevalence, 0, 1, "write 3% as 0.03 or as 3%"],
    ["weeks", hospital.weeks, 0, 1000, "give 1 to 999 weeks"],
    ["margin", hospital.margin, 0, 1, "write 5 points as 0.05 or as 5%"],
    ["power", hospital.power, 0, 1, "give a share such as 0.8"],
    ["level", hospital.level, 0, 1, "give a share such as 0.95"],
  ];
  for (const [name, value, low, high, remedy] of ranges) {
    if (!(low < value && value < high)) {
      const most = high === Infinity ? "inf" : general(high);
      return [name, `${general(value)} is not between ${general(low)} and ${most}`, remedy];
    }
  }
  if (hospital.design_effect >= 1 && hospital.design_effect < Infinity) return null;
  return ["design effect", `${general(hospital.design_effect)} is below 1`,
    "give 1 where each patient has one case, else the ratio that a pack shows"];
}

function truthProblem({ metric, estimate }, { margin }, truths) {
  const goal = estimate - margin, truth = truths[metric] ?? estimate;
  if (goal <= 0) {
    const what = `nothing is left of ${estimate.toFixed(3)} less a margin of ${general(margin)}`;
    return [metric, what, "give a smaller margin"];
  }
  if (!(truth < 1)) {
    return [metric, "is 1 in this pack, which no test can assume",
      `say what ${metric} you assume, such as 0.98`];
  }
  if (truth <= goal) {
    const what = `assumed to be ${general(truth)}, which does not lie above the goal, `;
    return [metric, what + goal.toFixed(3), "assume a higher figure, or give a larger margin"];
  }
  return null;
}
