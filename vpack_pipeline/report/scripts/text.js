// How numbers and codes are written: the twin of pack_format.text and pack_format.codes.

/** With so many decimals; a tie goes to the even digit, as in Python. */
function fixed(value, decimals) {
  const size = Math.abs(value), text = size.toFixed(decimals);
  const rest = size.toFixed(60).split(".")[1].slice(decimals);
  const isTie = /^50*$/.test(rest) && /[13579]$/.test(text);
  // A tie was rounded up: to the even digit below where that is odd.
  const even = isTie ? (size - 0.5 * 10 ** -decimals).toFixed(decimals) : text;
  return value < 0 ? `-${even}` : even;
}

/** With so many digits that count, and no zeros at the end: Python's general format. */
function general(value, digits = 6) {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const sign = power[0], size = power.slice(1).padStart(2, "0");
    return `${withoutZeros(mantissa)}e${sign}${size}`;
  }
  return withoutZeros(fixed(value, digits - 1 - exponent));
}

const withoutZeros = text => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const grouped = text => text.replace(/^(-?\d+)/, whole => whole.replace(/\B(?=(\d{3})+$)/g, ","));
const trueMinus = text => text.replace("-", "−");

const count = value => trueMinus(grouped(fixed(value, 0)));
const percent = value => trueMinus(`${fixed(100 * value, 1)}%`);
const withoutSign = text => text.replace(/%$/, "");

/** A number per 1,000 or an effective size: three decimals below 10, fewer above. */
function number(value) {
  const size = Math.abs(value);
  if (size >= 1000 || (size >= 2 && Number.isInteger(value))) return count(value);
  if (size >= 10) return trueMinus(fixed(value, 1));
  if (size > 0 && size < 0.0005) return value > 0 ? "<0.0005" : ">−0.0005";
  return trueMinus(fixed(value, 3));
}

/** What a code says, with its parameters. `codes` are [sentence, parameters] by name. */
function sentence({ code: name, detail }, codes) {
  const [text, parameters] = codes[name];
  return text.replace(/\{(\w+)\}/g, (_, parameter) => (
    parameterText(detail[parameter], parameters[parameter])
  ));
}

function parameterText(value, { type, words = {} }) {
  if (Array.isArray(value)) return value.map(v => parameterText(v, { type, words })).join(", ");
  if (type === "share") return `${general(100 * value, 3)}%`;
  if (type === "integer") return grouped(String(value));
  if (type === "number" || type === "numbers") return Number.isInteger(value) ? grouped(String(value)) : general(value);
  return words[value] ?? String(value);
}

// --- The acceptance sheet in words

const WHO = { sensitivity: "with the finding", specificity: "without it" };
const chosenShare = share => `${general(100 * share, 4)}%`;
const capitalised = text => text[0].toUpperCase() + text.slice(1);
const inWeeks = hospital => `${count(hospital.weeks)} weeks`;

/** The rows of the acceptance sheet: figure, in the pack, goal, assumed, needed, here. */
function sheetRows(sheet, hospital) {
  return sheet.figures.map(f => {
    const { estimate, lower, upper, metric } = f.stated;
    const bounds = lower === null || upper === null
      ? "" : ` (${withoutSign(percent(lower))} to ${percent(upper)})`;
    const needed = f.together === null ? `more than ${count(LARGEST)}` : count(f.together);
    return [
      capitalised(metric), percent(estimate) + bounds, `above ${percent(f.goal)}`, percent(f.truth),
      `${needed} ${WHO[metric]}`, `${count(f.local)} in ${inWeeks(hospital)}`,
    ];
  });
}

/** Whether it can be shown here, and if not what can. */
function sheetAnswer(sheet, hospital) {
  const said = [];
  if (sheet.can_be_shown) {
    const when = sheet.weeks === 1 ? "a week" : `${count(sheet.weeks)} weeks`;
    said.push(`This can be shown here within ${when}: then there is a chance of `
      + `${chosenShare(hospital.power)} that both lower bounds clear their goals.`);
  } else {
    const when = sheet.weeks === null
      ? "No number of weeks that can be foreseen would do."
      : `It would take ${count(sheet.weeks)} weeks.`;
    said.push(`This cannot be shown here in ${inWeeks(hospital)}. ${when}`);
    said.push(...sheet.figures.filter(f => !f.can_be_shown).map(f => whatCan(f, hospital)));
  }
  const two = sheet.two_phase;
  if (two !== null && two.share < 1) {
    said.push(`Fewer labels: every flagged case and ${chosenShare(two.share)} of the others, drawn `
      + `at random, are enough over the ${inWeeks(hospital)}. That is `
      + `${count(rounded(two.labels_a_week))} labels a week in place of `
      + `${count(rounded(two.all_a_week))}. Flagged and other cases must then be counted apart, `
      + "and the others weighted.");
  }
  return said;
}

function whatCan(f, hospital) {
  const cases = `The ${count(f.local)} cases ${WHO[f.stated.metric]} of ${inWeeks(hospital)}`;
  if (f.highest_goal === null) return `${cases} show nothing of ${f.stated.metric}.`;
  return `${cases} can show a ${f.stated.metric} above ${percent(f.highest_goal)}: a margin of `
    + `${withoutSign(percent(f.margin_that_can))} points in place of `
    + `${withoutSign(chosenShare(hospital.margin))}.`;
}

/** What the numbers rest on. */
function sheetAssumptions(sheet, hospital) {
  return [
    `A goal is the pack's figure less ${withoutSign(chosenShare(hospital.margin))} points. It is a `
      + "fixed number: the uncertainty of the pack's figure is not carried over.",
    `The lower bound is that of a ${chosenShare(hospital.level)} interval (Wilson's; exact where `
      + "nobody is wrong). Power is counted over all results that the assumed figure can give; cases "
      + "needed are those from which on it stays. Each figure has a power of "
      + `${percent(sheet.power_of_each)}, so that both together have ${chosenShare(hospital.power)}.`,
    hospital.design_effect === 1
      ? "Each patient is taken to have one case."
      : "Several cases of a patient make the number needed "
        + `${general(hospital.design_effect)} times what it would be with one case a patient.`,
    "Cases whose label stays undecided must be made up for: they count for neither figure.",
  ];
}
