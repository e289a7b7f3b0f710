// The page itself: what is typed goes in, sentences and tables come out, at each change. Everything
// is put in as text, never as HTML; nothing is kept, nothing is sent.

const MOST_ROWS = 120;
const MOST_COMBINATIONS = 1000;
const WHERE = "your counts";
const SHEET_TITLES = ["Figure", "In the pack", "Goal here", "Assumed here", "Cases needed", "Cases here"];

/** Make an element with attributes and children; a child that is text stays text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const byId = id => document.getElementById(id);
const paragraphs = (lines, attributes) => lines.map(line => element("p", attributes, line));
const bulleted = lines => element("ul", {}, ...lines.map(line => element("li", {}, line)));

/** A table whose first column names its rows, in a region that scrolls by keyboard. */
function table(caption, label, head, rows) {
  const header = element("tr", {}, ...head.map(text => element("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...others]) => element(
    "tr", {}, element("th", { scope: "row" }, first), ...others.map(text => element("td", {}, text)),
  ));
  const made = element(
    "table", {}, element("caption", {}, caption), element("thead", {}, header),
    element("tbody", {}, ...body),
  );
  return element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, made);
}

/** A number or share, as 0.03, 3% or 0,03; NaN where it is none, or 1,200 might be a thousand. */
function shareOf(text) {
  if (/^[1-9]\d{0,2}[.,]\d{3}$/.test(text.trim())) return NaN;
  const plain = text.trim().replace(",", ".");
  const found = /^(\d+(?:\.\d*)?|\.\d+)\s*(%?)$/.exec(plain);
  return found === null ? NaN : Number(found[1]) / (found[2] ? 100 : 1);
}

/** What the pack says of itself, as questions need it. */
function readPack(text) {
  const pack = JSON.parse(text);
  if (pack.kind === null) return { ...pack, variables: null };
  const levels = pack.levels.map(([variable, level_order, level, printed_level]) => (
    { variable, level_order, level, printed_level }
  ));
  const variables = printedVariables(levels, pack.kind);
  const places = pack.places.map(place => ({
    ...place,
    windows: mapped(place.windows, (_, rows) => countedCells(
      rows.map(([stratum, metric, status, estimate, reason, detail]) => (
        { stratum, metric, status, estimate, reason, detail }
      )), variables,
    )),
  }));
  return { ...pack, variables, places };
}

/** Everything that can be said of a target, window by window. */
function comparedPlaces(pack, target, prevalence, hasEveryPoint = false) {
  return pack.places.filter(place => place.primary || hasEveryPoint).flatMap(place => Object.entries(place.windows).map(([window, counts]) => {
    const title = `${place.finding}, ${WINDOWS[window]}: ${place.point}, ${place.model}`;
    if (counts.refusal !== null) return { title, whyNot: sentence(counts.refusal, pack.codes) };
    const { goals } = place, { level } = pack;
    const question = { ...counts, target, level, prevalence, goals };
    const answer = compare(question);
    return { title, goals, answer, whatIf: whatWouldChange(question, answer) };
  }));
}

/** The elements of one window's answer. */
function answerElements({ title, goals, whyNot, answer, whatIf }, codes) {
  const heading = element("h3", {}, title);
  if (whyNot !== undefined) {
    return [heading, element("p", {}, `Nothing can be said: ${whyNot}.`)];
  }
  const changes = changeLines(whatIf);
  const columns = figureColumns(answer).map(of => capitalised(COLUMNS[of]));
  return [
    heading,
    table("Figures here and there, with their intervals where they have any.", `Figures: ${title}`, ["Figure", ...columns], figureRows(answer)),
    ...paragraphs([...goalLines(answer, goals), ...besideLines(answer)], { class: "contains" }),
    table("Cells that the set and your population have in common.", `Cells: ${title}`, CELL_COLUMNS.map(capitalised), cellRows(answer)),
    ...paragraphs(supportLines(answer)),
    ...(changes.length ? [element("h4", {}, "What would change the answer"), bulleted(changes)] : []),
    element("h4", {}, "What cannot be said, and what to know"),
    bulleted(noteLines(answer, codes)),
  ];
}

// --- The reviewer's counts

/** The tables to type into; each input knows the levels of which it counts the persons. */
function grids(pack, way) {
  const { names, levels } = pack.variables, titles = names.map(name => pack.titles[name] ?? name);
  const rowOf = (stated, head) => {
    const label = Object.entries(stated).map(([name, level]) => (
      `${titles[names.indexOf(name)]}: ${level}`
    )).join(", ");
    const input = element("input", {
      inputmode: "numeric", autocomplete: "off", "aria-label": `Persons, ${label}`,
    });
    input.stated = stated;
    input.title = label;
    return element(
      "tr", {}, ...head.map(text => element("th", { scope: "row" }, text)), element("td", {}, input),
    );
  };
  const gridOf = (caption, head, rows) => element(
    "table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...[...head, "Persons"].map(text => (
      element("th", { scope: "col" }, text)
    )))),
    element("tbody", {}, ...rows),
  );
  if (way === "margins") {
    return names.map((name, v) => gridOf(`Persons by ${titles[v].toLowerCase()}`, [titles[v]], levels[v].map(
      level => rowOf({ [name]: level }, [level]),
    )));
  }
  const cells = products(levels);
  if (cells.length > MOST_ROWS) {
    return [element("p", {}, `${count(cells.length)} combinations of levels are too many to type: paste a table.`)];
  }
  return [gridOf("Persons by all variables together", titles, cells.map(
    cell => rowOf(Object.fromEntries(cell.map((level, v) => [names[v], level])), cell),
  ))];
}

/** The rows that were typed, with what is wrong with them. */
function typedRows(inputs) {
  const problems = [], rows = [];
  inputs.forEach((input, k) => {
    const text = input.value.trim(), n = text ? countOf(text) : 0;
    const isWrong = typeof n === "string";
    input.setAttribute("aria-invalid", String(isWrong));
    if (isWrong) problems.push([input.title, n, PERSONS]);
    else if (text) rows.push({ line: k + 1, levels: input.stated, n });
  });
  if (problems.length) throw new Refused(problems);
  return rows;
}

/** Whether the example is the population that the site stated: it stated margins. */
const isStated = (pack, way) => (
  pack.target.length > 0 && (way === "margins" || pack.variables.names.length === 1)
);

/** Persons of the example by levels: what the site stated, or else the cases of the pack itself. */
function exampleRows(pack, way) {
  const { names, levels } = pack.variables;
  if (isStated(pack, way)) {
    return pack.target.filter(([, level, n]) => level !== MISSING || n)
      .map(([name, level, n]) => [{ [name]: level }, n]);
  }
  const windows = pack.places.flatMap(place => Object.values(place.windows));
  const cells = windows.find(counts => counts.refusal === null)?.cells ?? [];
  return cells.filter(cell => cell.counts?.n_cases > 0).map(({ combinations: [at], counts }) => [
    Object.fromEntries(at.map((level, v) => [names[v], levels[v][level]])), counts.n_cases,
  ]);
}

/** Fill the example in: into the inputs, or as a table that could be pasted. */
function fillIn(pack, way, inputs) {
  const rows = exampleRows(pack, way), { names } = pack.variables;
  if (way === "pasted") {
    const lines = rows.map(([cell, n]) => [...names.map(name => cell[name] ?? ""), n]);
    byId("pasted").value = [[...names, COUNT], ...lines].map(line => line.join("\t")).join("\n");
    return;
  }
  const keyOf = cell => JSON.stringify(names.map(name => cell[name]));
  const known = new Map(rows.map(([cell, n]) => [keyOf(cell), n]));
  for (const input of inputs) input.value = known.get(keyOf(input.stated)) ?? 0;
}

function startComparison(pack) {
  byId("unit").textContent = unitLine(pack.unit);
  const way = () => document.querySelector("input[name=way]:checked").value;
  const inputs = () => [...byId("grids").querySelectorAll("input")];
  const tell = (text, isWrong = false) => {
    byId("told").textContent = text;
    byId("told").className = isWrong ? "wrong" : "";
  };
  const update = () => {
    byId("answer").replaceChildren();
    try {
      const rows = way() === "pasted" ? pastedRows(pack) : typedRows(inputs());
      const prevalence = typedPrevalence();
      if (!rows.some(row => row.n)) {
        tell(`Type your counts, paste a table, or press “${byId("example").textContent}” to see how it works.`);
        return;
      }
      const { target, notStated } = typedTarget(rows, pack.variables, WHERE);
      demandFewCombinations(target);
      const places = comparedPlaces(pack, target, prevalence, byId("every").checked);
      const about = { name: WHERE, target, variables: pack.variables.names, notStated, prevalence };
      byId("answer").replaceChildren(
        element("h2", {}, "What it would be among them"),
        element("p", { class: "contains" }, `${populationLine(about)}. This page contains the counts you typed.`),
        element("p", {}, ASSUMPTION),
        ...places.flatMap(place => answerElements(place, pack.codes)),
      );
      tell(spokenAnswer(places, pack.codes));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(error.message, true);
    }
  };
  const show = () => {
    byId("grids").replaceChildren(...way() === "pasted" ? [] : grids(pack, way()));
    byId("paste").hidden = way() !== "pasted";
    byId("example").textContent = isStated(pack, way())
      ? "Fill in the population that the site stated" : "Fill in the cases of this pack";
    update();
  };
  byId("example").addEventListener("click", () => {
    if (way() === "margins" && pack.variables.names.length > 1 && !isStated(pack, way())) {
      document.querySelector("input[value=joint]").checked = true;
      show();
    }
    fillIn(pack, way(), inputs());
    update();
  });
  byId("clear").addEventListener("click", () => {
    byId("pasted").value = byId("prevalence").value = "";
    show();
  });
  for (const choice of document.querySelectorAll("input[name=way]")) choice.addEventListener("change", show);
  // Of one variable, its levels are the cells.
  for (const part of document.querySelectorAll(".of-several")) {
    part.hidden = pack.variables.names.length === 1;
  }
  byId("other-points").hidden = pack.places.every(place => place.primary);
  for (const id of ["grids", "pasted", "prevalence", "every"]) byId(id).addEventListener("input", update);
  byId("pasted").placeholder = [
    [...pack.variables.names, COUNT], ...products(pack.variables.levels).slice(0, 3).map(cell => [...cell, ""]),
  ].map(cells => cells.join(",")).join("\n");
  show();
}

function pastedRows(pack) {
  const text = byId("pasted").value;
  return text.trim() ? readCounts(text, pack.variables, pack.others, pack.protocol_digest, WHERE) : [];
}

function typedPrevalence() {
  const text = byId("prevalence").value.trim();
  if (!text) return null;
  const share = shareOf(text), isWrong = !(share > 0 && share < 1);
  byId("prevalence").setAttribute("aria-invalid", String(isWrong));
  if (isWrong) {
    throw new Refused([["prevalence", "is not above 0 and below 1", "write a share such as 0.03, or 3%"]]);
  }
  return share;
}

/** Of margins the lowest and highest figures are sought over every combination of levels. */
function demandFewCombinations({ levels, cells }) {
  const combinations = levels.reduce((n, groups) => n * groups.length, 1);
  if (cells !== null || combinations <= MOST_COMBINATIONS) return;
  const what = `margins of ${count(combinations)} combinations of levels are too many for this page`;
  throw new Refused([[WHERE, what, "count all variables together, or use vpack compare"]]);
}

/** The answer in one sentence a window, for whoever hears the page. */
function spokenAnswer(places, codes) {
  return places.filter(place => place.answer).map(({ title, answer }) => {
    const why = ({ reason }) => `no figure, since ${sentence(reason, codes)}`;
    const told = ["sensitivity", "specificity"].map(name => {
      const found = answer.figures.in_target[name];
      return [name, found.estimate === null ? why(found) : figureText(name, found)];
    });
    const [[, one], [, other]] = told;
    const isSame = one === other && answer.figures.in_target.sensitivity.estimate === null;
    return `${title}: ${isSame ? one : told.map(of => of.join(" ")).join(", ")}.`;
  }).join("\n");
}

// --- How many here?

const NUMBERS = {
  cases_a_week: "give a number above 0, such as 120 or 1200",
  share: "write 3% as 0.03 or as 3%",
  margin: "write 5 points as 0.05 or as 5%",
  weeks: "give 1 to 999 weeks",
  power: "give a share such as 0.8 or 80%",
  design_effect: "give 1 where each patient has one case",
  sensitivity: "give a share such as 0.9 or 90%, or leave it empty",
  specificity: "give a share such as 0.9 or 90%, or leave it empty",
};

/** The numbers that were typed, by the name of their field; empty ones are left out. */
function typedNumbers() {
  const problems = [], found = {};
  for (const [id, remedy] of Object.entries(NUMBERS)) {
    const text = byId(id).value.trim(), n = shareOf(text);
    const isWrong = text !== "" && (Number.isNaN(n) || (id === "weeks" && !Number.isInteger(n)));
    byId(id).setAttribute("aria-invalid", String(isWrong));
    if (isWrong) problems.push([id.replaceAll("_", " "), "is no number that can be read", remedy]);
    else if (text) found[id] = n;
  }
  if (problems.length) throw new Refused(problems);
  return found;
}

function startAcceptance(pack) {
  const places = pack.places.filter(place => place.stated !== null);
  if (!places.length) {
    byId("sheet-told").textContent = "This pack gives no sensitivity and specificity at a locked operating point.";
    return;
  }
  places.forEach((place, k) => {
    const choice = element("input", { type: "radio", name: "finding", value: String(k) });
    choice.checked = k === 0;
    byId("findings").append(element("label", {}, choice, `${place.finding}: ${place.point}`));
  });
  byId("findings").hidden = places.length === 1;
  const tell = (text, isWrong = false) => {
    byId("sheet-told").textContent = text;
    byId("sheet-told").className = isWrong ? "wrong" : "";
  };
  const update = () => {
    const place = places[Number(document.querySelector("input[name=finding]:checked").value)];
    byId("sheet").replaceChildren();
    try {
      const { share: prevalence, sensitivity, specificity, ...told } = typedNumbers();
      if (told.cases_a_week === undefined || prevalence === undefined) {
        tell("Type how many cases come in a week, and how many of them have the finding.");
        return;
      }
      const hospital = { weeks: 52, margin: 0.05, power: 0.8, level: 0.95, design_effect: 1, ...told, prevalence };
      const sheet = acceptanceSheet(place.stated.figures, hospital, { sensitivity, specificity });
      if (sheet.problem) throw new Refused([sheet.problem]);
      const [first, ...others] = sheetAnswer(sheet, hospital);
      tell(first);
      byId("sheet").replaceChildren(...sheetElements(pack, place, sheet, hospital, others));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(error.message, true);
    }
  };
  byId("acceptance").addEventListener("input", update);
  update();
}

function sheetElements(pack, { finding, model, point, stated }, sheet, hospital, others) {
  const source = `${finding}: ${model} at ${point}. Figures of ${pack.site}, data cut ${pack.cut}, `
    + `${stated.window} window.`;
  return [
    ...paragraphs(others),
    table(
      "What a test of acceptance needs for both figures together.", "What a test needs", SHEET_TITLES,
      sheetRows(sheet, hospital),
    ),
    element("p", { class: "quiet" }, source),
    element("h3", {}, "What this rests on"),
    bulleted(sheetAssumptions(sheet, hospital)),
  ];
}

/** Start where there is a page: the functions above can be asked without one. */
if (document.getElementById("pack") !== null) {
  const pack = readPack(byId("pack").textContent);
  byId("subject").textContent = `Validation pack of ${pack.site}, protocol ${pack.protocol}, data cut ${pack.cut}.`;
  byId("print").addEventListener("click", () => window.print());
  if (pack.variables === null) {
    byId("with-cells").hidden = true;
    byId("without-cells").hidden = false;
  } else {
    startComparison(pack);
  }
  startAcceptance(pack);
}
