// An answer in words: the twin of cli.compared, sentence for sentence.

const ASSUMPTION = "This assumes that within a cell disease is as frequent, and the index test errs as"
  + " often, there as here. Your counts can contradict neither.";
const NO_AREA = "The area under the ROC curve there: it does not follow from counts at a threshold.";
const TITLES = {
  sensitivity: "Sensitivity",
  specificity: "Specificity",
  ppv: "Positive predictive value",
  npv: "Negative predictive value",
  prevalence: "Prevalence",
  flagged_per_1000: "Flagged per 1,000",
  missed_per_1000: "Missed per 1,000",
  false_alarms_per_1000: "False alarms per 1,000",
};
const COLUMNS = {
  in_target: "your population",
  lowest_in_target: "lowest",
  highest_in_target: "highest",
  here: "this set",
  outside_target: "cases without a place in it",
};
const CELL_COLUMNS = ["cell", "your persons", "share there", "cases here", "share here", "positives"];
const WINDOWS = { retrospective: "before the lock", prospective: "after the lock" };
const TIMES_APART = 2;
const MOST_NAMED = 3;
const SAID_BESIDE = ["same_within_cells", "cases_left_out"];

/** A figure with its interval; a dash where there is none. */
function figureText(name, { estimate, lower, upper }) {
  if (estimate === null) return "–";
  const write = name.endsWith("_per_1000") ? number : percent;
  if (lower === null || upper === null) return write(estimate);
  return `${write(estimate)} (${write(lower)} to ${write(upper)})`;
}

/** What was compared: `of` is {name, target, variables, notStated, prevalence}. */
function populationLine({ name, target, variables, notStated, prevalence }) {
  const persons = summed(target.levels[0].map(group => group.persons));
  const kind = target.cells === null ? "margins of" : "counts by";
  let line = `Population: ${name}, ${count(persons)} persons, ${kind} ${variables.join(" and ")}`;
  if (notStated.length) {
    line += `; ${notStated.join(", ")} is not stated, so that its levels stand together`;
  }
  return prevalence === null ? line : `${line}; prevalence ${percent(prevalence)}, as typed`;
}

/** A row for each cell with persons or cases. */
function cellRows(answer) {
  const total = of => answer.cells.reduce((sum, cell) => sum + (cell[of] ?? 0), 0);
  const [persons, cases] = [total("persons"), total("cases")];
  const share = (part, whole) => (whole ? percent(part / whole) : "–");
  return answer.cells.filter(cell => cell.persons || cell.cases).map(cell => [
    cell.label,
    count(cell.persons),
    share(cell.persons, persons),
    cell.cases === null ? "none with results" : count(cell.cases),
    cell.cases === null ? "" : share(cell.cases, cases),
    cell.cases === null ? "" : count(cell.positives),
  ]);
}

/** Whom the set stands for, and whom not. */
function supportLines(answer) {
  const { support } = answer;
  const [lacking, outside, missing] = ["unsupported_share", "share_weight_zero_not_in_target",
    "share_weight_zero_missing_value"].map(name => support[name].estimate);
  const lines = [];
  if (lacking !== null) {
    lines.push(`${percent(lacking)} of your population is in cells without a case here.`);
  }
  if (outside !== null) {
    lines.push(`${percent(outside)} of the cases here have no place in your population.`);
  }
  if (missing) lines.push(`${percent(missing)} of the cases here lack a value and are in no cell.`);
  return [...lines, ...unevenLines(answer)];
}

/** The cells whose share differs most between here and there. */
function unevenLines({ cells }) {
  const total = of => cells.reduce((sum, cell) => sum + (cell[of] ?? 0), 0);
  const [persons, cases] = [total("persons"), total("cases")];
  const shares = cells.filter(cell => cell.cases && cell.persons)
    .map(cell => ({ label: cell.label, here: cell.cases / cases, there: cell.persons / persons }));
  const sides = [
    ["Over-represented here", of => of.here / of.there],
    ["Under-represented here", of => of.there / of.here],
  ];
  return sides.flatMap(([side, times]) => {
    const apart = shares.filter(of => times(of) >= TIMES_APART).sort((a, b) => times(b) - times(a));
    if (!apart.length) return [];
    const named = apart.slice(0, MOST_NAMED).map(({ label, here, there }) => (
      `${label} (${percent(here)} here, ${percent(there)} there)`
    ));
    const more = apart.length - named.length, rest = more ? `, and ${more} more` : "";
    return [`${side}, at least twofold: ${named.join(", ")}${rest}.`];
  });
}

/** Where the figures in the target lie against the goals that the protocol states. */
function goalLines({ figures }, goals) {
  const isJoint = !("lowest_in_target" in figures);
  return Object.entries(goals).flatMap(([name, goal]) => {
    const there = figures.in_target[name];
    if (there === undefined || there.estimate === null) return [];
    const [low, high] = isJoint ? [there.lower, there.upper]
      : [figures.lowest_in_target[name].estimate, figures.highest_in_target[name].estimate];
    const [subject, beside] = isJoint ? ["the interval lies", ""]
      : ["every joint table with these margins lies", "; sampling error is not counted"];
    const said = low === null || high === null ? "there is no interval to hold against it"
      : low > goal ? `${subject} above it${beside}`
        : high < goal ? `${subject} below it${beside}` : "it is neither shown nor ruled out";
    return [`The goal for ${TITLES[name].toLowerCase()} is ${percent(goal)}: in your population ${said}.`];
  });
}

/** What is to be counted. */
const unitLine = unit => `One case of this pack is one ${unit}: count cases likewise.`
  + " Counts of anything else stand for them only if each has as many in every cell.";

/** Where a figure reads better there than here because cases have no place there. */
function besideLines({ figures }) {
  return ["sensitivity", "specificity"].flatMap(name => {
    const [there, here, outside] = ["in_target", "here", "outside_target"]
      .map(of => figures[of][name].estimate);
    if ([there, here, outside].includes(null) || !(there > here && here > outside)) return [];
    return [`${TITLES[name]} reads better there (${percent(there)}) than here (${percent(here)}) also`
      + " because cases without a place there are left out: of these it is "
      + `${percent(outside)}.`];
  });
}

/** The table of figures: its columns, by whom they speak for. */
const figureColumns = ({ figures }) => Object.keys(COLUMNS).filter(of => of in figures);

function figureRows(answer) {
  return Object.entries(TITLES).map(([name, title]) => [
    title, ...figureColumns(answer).map(of => figureText(name, answer.figures[of][name])),
  ]);
}

/** What another mix, or another prevalence, would make of the answer. */
function changeLines({ mixes, prevalences }) {
  const lines = Object.entries(mixes).map(([name, mix]) => {
    const [low, high] = [mix.lowest, mix.highest].map(of => `${percent(of.estimate)} of ${count(of.n)} in ${of.cell}`);
    return `${TITLES[name]} goes from ${low} to ${high}: more of either moves it there.`;
  });
  for (const { prevalence, figures } of prevalences) {
    const told = Object.entries(figures)
      .map(([name, f]) => `${TITLES[name].toLowerCase()} ${figureText(name, f)}`);
    lines.push(`At a prevalence of ${percent(prevalence)}: ${told.join(", ")}.`);
  }
  return lines;
}

/** What cannot be said, and what to know beside the figures: each sentence once. */
function noteLines(answer, codes) {
  const of = new Map(), figures = Object.entries(answer.figures.in_target);
  for (const [name, { notes, reason }] of figures) {
    for (const said of reason === null ? notes : [...notes, reason]) {
      if (SAID_BESIDE.includes(said.code)) continue;
      const text = capitalised(sentence(said, codes));
      of.set(text, [...of.get(text) ?? [], TITLES[name]]);
    }
  }
  const lines = [...of].map(([text, names]) => (
    names.length === figures.length ? `${text}.` : `${names.join(", ")}: ${text}.`
  ));
  return [...lines, NO_AREA];
}
