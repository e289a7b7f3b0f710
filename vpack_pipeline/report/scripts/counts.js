// A reviewer's counts: a table pasted from a spreadsheet, brought to the printed levels of the pack.
// The twin of cli.counts_file, core.transport.typed and core.target, in their words.
//
// What is wrong is thrown as Refused, with every problem as [where, what, remedy].

const problemLine = ([where, what, remedy]) => `${where}: ${what} — ${remedy}`;

class Refused extends Error {
  constructor(problems) {
    super(problems.map(problemLine).join("\n"));
    this.problems = problems;
  }
}

const COUNT = "n";
const ALSO_COUNT = ["count", "persons"];
const STATE_A_LEVEL = "write `missing` where a value is not known, and leave out a row of totals";
const PERSONS = "give whole numbers of persons, such as 1234";

/** Read pasted text: rows {line, levels by variable, n}; rows without a count are not filled in. */
function readCounts(text, variables, others, protocolDigest, where) {
  const [[number, header], ...lines] = tableOf(text, protocolDigest, where);
  const names = header.map(name => columnOf(name, [...variables.names, ...others]));
  checkHeader(names, variables, others, `${where}, line ${number}`);
  const problems = [], rows = new Map();
  for (const [line, cells] of lines) {
    if (cells.length !== names.length) {
      const what = "has more or fewer cells than the header";
      problems.push([`${where}, line ${line}`, what, "write one cell a column"]);
      continue;
    }
    const named = cells.map((cell, k) => [names[k], cell.trim()]);
    const typed = named.find(([name]) => name === COUNT)[1];
    if (!typed) continue;
    const n = countOf(typed);
    if (typeof n === "string") {
      problems.push([`${where}, line ${line}, column ${COUNT}`, n, PERSONS]);
      continue;
    }
    const stated = named.filter(([name]) => name !== COUNT);
    const key = JSON.stringify(stated.map(([, level]) => level));
    if (rows.has(key)) {
      const what = `counts the same cell as line ${rows.get(key).line}`;
      problems.push([`${where}, line ${line}`, what, "write each cell once"]);
    }
    if (!stated.some(([, level]) => level)) {
      problems.push([`${where}, line ${line}`, "states no level", STATE_A_LEVEL]);
    }
    const levels = stated.filter(([name, level]) => level && variables.names.includes(name))
      .map(([name, level]) => [name, unquoted(level)]);
    rows.set(key, { line, levels: Object.fromEntries(levels), n });
  }
  if (problems.length) throw new Refused(problems);
  return [...rows.values()];
}

/** The level that a file of this pack means: an apostrophe keeps a spreadsheet from computing. */
const unquoted = level => (/^''?[=+\-@\t\r]/.test(level) ? level.slice(1) : level);

/** Part the lines into cells; the separator is what `sep=` says, else the header's. */
function tableOf(text, protocolDigest, where) {
  let lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/), first = 1, separator = "";
  const isComment = line => /^"?\s*#/.test(line);
  while (lines.length && (isComment(lines[0]) || lines[0].toLowerCase().startsWith("sep="))) {
    const stated = /^"?\s*#\s*protocol ([0-9a-f]{12})\b/.exec(lines[0]);
    if (stated && !protocolDigest.startsWith(stated[1])) {
      const what = "says that the counts are for the cells of another protocol";
      throw new Refused([[`${where}, line ${first}`, what, "take the levels of this pack"]]);
    }
    if (!isComment(lines[0])) separator = lines[0].slice(4, 5);
    [lines, first] = [lines.slice(1), first + 1];
  }
  if (!separator) {
    const times = of => (lines[0] ?? "").split(of).length;
    separator = [";", "\t", ","].reduce((best, of) => (times(of) > times(best) ? of : best));
  }
  const found = lines.map((line, k) => [first + k, lineCells(line, separator)])
    .filter(([, cells]) => cells.some(cell => cell.trim()));
  if (!found.length) throw new Refused([[where, "is empty", "paste a table with its header"]]);
  return found;
}

/** Part one line; a cell may stand in quotation marks. */
function lineCells(line, separator) {
  const cells = [];
  let at = 0;
  for (;;) {
    let cell = "";
    if (line[at] === "\"") {
      at++;
      while (at < line.length && !(line[at] === "\"" && line[at + 1] !== "\"")) {
        cell += line[at];
        at += line[at] === "\"" ? 2 : 1;
      }
      at++;
    }
    const end = line.indexOf(separator, at);
    cells.push(cell + line.slice(at, end < 0 ? line.length : end));
    if (end < 0) return cells;
    at = end + 1;
  }
}

/** The column that a header means, whatever its case, and with spaces for underscores. */
function columnOf(typed, known) {
  const name = typed.trim(), plain = name.toLowerCase().replaceAll(" ", "_");
  const same = known.filter(one => one.toLowerCase() === plain);
  if (plain === COUNT || (ALSO_COUNT.includes(plain) && !same.length)) return COUNT;
  return known.includes(name) || same.length !== 1 ? name : same[0];
}

function checkHeader(names, variables, others, where) {
  const known = `columns are ${[...variables.names, COUNT].join(", ")}`;
  const problems = [];
  const allowed = [...variables.names, ...others, COUNT];
  if (!names.some(name => allowed.includes(name))) {
    throw new Refused([[where, "is no header: it names no column of this pack", known]]);
  }
  if (!names.includes(COUNT)) problems.push([where, `there is no column ${COUNT}`, known]);
  if (new Set(names).size < names.length) problems.push([where, "a column stands there twice", known]);
  const unknown = names.findIndex(name => !allowed.includes(name));
  if (unknown >= 0) {
    problems.push([where, `column ${unknown + 1} is no variable of this pack's protocol`, known]);
  }
  if (!names.some(name => variables.names.includes(name))) {
    problems.push([where, "none of the pack's cells is counted by these", known]);
  }
  if (problems.length) throw new Refused(problems);
}

/** A count, or what is wrong with it. */
function countOf(text) {
  if (text.includes("%")) return "is a percentage";
  if (/^(-|−|'-)/.test(text)) return "is negative";
  const plain = text.replace(/(?<=\d)[ '\u00a0\u2009\u202f](?=\d{3}\b)/g, "");
  // Three decimals could be thousands.
  const found = /^(\d+)(?:[.,]0{1,2})?$/.exec(plain);
  return found === null ? "is no whole number" : Number(found[1]);
}

/** Bring rows to the levels that they have in common with the printed ones. */
function typedTarget(rows, variables, where) {
  const problems = [];
  const places = variables.names.map((name, v) => {
    const levels = { printed: variables.levels[v], all: variables.printedOf[v] };
    const lines = new Map();
    for (const row of [...rows].reverse()) if (name in row.levels) lines.set(row.levels[name], row.line);
    const stated = [...lines.keys()].sort((a, b) => lines.get(a) - lines.get(b));
    const found = stated.map(level => [level, placesOf(level, levels)]);
    const unknown = found.filter(([, at]) => at === null).map(([level]) => lines.get(level));
    if (unknown.length) {
      const what = "is no level of the pack, and no part or sum of its levels";
      const named = `line${unknown.length > 1 ? "s" : ""} ${unknown.join(", ")}`;
      problems.push([`${where}, ${named}, column ${name}`, what, remedyOf(levels)]);
    }
    const known = new Map(found.filter(([, at]) => at !== null));
    problems.push(...overlaps(known, lines, `${where}, column ${name}`, levels));
    return known;
  });
  if (problems.length) throw new Refused(problems.sort((a, b) => (problemLine(a) < problemLine(b) ? -1 : 1)));
  const kept = rows.filter(row => variables.names.some(name => name in row.levels));
  if (!kept.some(row => row.n)) {
    const remedy = `count persons by ${variables.names.join(", ")}`;
    throw new Refused([[where, "counts nobody in any cell of the pack", remedy]]);
  }
  const tables = statedTables(kept, variables.names, where);
  const notStated = variables.names.filter((_, v) => !places[v].size);
  return { target: targetOf(tables, variables, places), notStated };
}

/** The printed levels that a typed one is, by place; null where it is unknown. */
function placesOf(typed, levels) {
  const { printed, all } = levels;
  if (typed === MISSING) return [];
  if (printed.includes(typed)) return [printed.indexOf(typed)];
  if (all.has(typed)) return placesOf(all.get(typed), levels);
  const same = knownLevels(levels).filter(level => level.toLowerCase() === typed.toLowerCase());
  if (same.length === 1) return placesOf(same[0], levels);
  if (typed.includes(" or ")) {
    const parts = typed.split(" or ").map(part => placesOf(part.trim(), levels));
    if (parts.some(part => part === null || !part.length)) return null;
    return [...new Set(parts.flat())].sort((a, b) => a - b);
  }
  const wanted = binOf(typed), bins = printed.map(binOf);
  if (wanted === null || bins.includes(null)) return null;
  const touched = [...bins.keys()].filter(k => bins[k][0] < wanted[1] && wanted[0] < bins[k][1]);
  const isCoarser = touched.length > 0
    && bins[touched[0]][0] === wanted[0] && bins[touched.at(-1)][1] === wanted[1];
  return touched.length === 1 || isCoarser ? touched : null;
}

/** A numeric bin, which holds its lower edge: [low, high], or null. */
function binOf(label) {
  const edge = "(-?\\d+(?:\\.\\d+)?)", text = label.trim();
  const below = new RegExp(`^<\\s*${edge}$`).exec(text);
  const from = new RegExp(`^(?:≥|>=)\\s*${edge}$`).exec(text);
  const between = new RegExp(`^${edge}\\s*[–-]\\s*${edge}$`).exec(text);
  const bin = below ? [-Infinity, +below[1]]
    : from ? [+from[1], Infinity]
      : between ? [+between[1], +between[2]] : null;
  return bin !== null && bin[0] < bin[1] ? bin : null;
}

/** Every level of the protocol and every printed one, each once. */
const knownLevels = ({ printed, all }) => [...new Set([...all.keys(), ...printed])];

/** What can be typed. */
function remedyOf(levels) {
  const known = knownLevels(levels);
  const finer = levels.printed.every(binOf) ? ", finer bins of these" : "";
  const text = `use ${known.join(", ")}${finer}, or several joined by “or”`;
  return known.includes(OTHER) ? `${text}; “${OTHER}” is for values that mean none of these` : text;
}

/** Levels that share some printed ones without being parts of the same. */
function overlaps(known, lines, where, levels) {
  const owner = new Map(), found = [];
  for (const [level, at] of known) {
    let clashes = false;
    for (const place of at) {
      if (!owner.has(place)) owner.set(place, at.join());
      clashes ||= owner.get(place) !== at.join();
    }
    if (clashes) {
      const what = `the level of line ${lines.get(level)} overlaps that of another line`;
      found.push([where, what, `let levels part the persons; ${remedyOf(levels)}`]);
    }
  }
  return found;
}

/** Add rows up by the variables that they state, and hold these tables against each other. */
function statedTables(rows, names, where) {
  const found = new Map();
  for (const { levels, n } of rows) {
    const stated = names.filter(name => name in levels), by = stated.join();
    if (!found.has(by)) found.set(by, { names: stated, cells: new Map() });
    const cells = found.get(by).cells, key = JSON.stringify(stated.map(name => levels[name]));
    cells.set(key, (cells.get(key) ?? 0) + n);
  }
  const order = table => table.names.map(name => String(names.indexOf(name)).padStart(4, "0")).join();
  const tables = [...found.values()].sort((a, b) => (
    a.names.length - b.names.length || (order(a) < order(b) ? -1 : 1)
  ));
  const problems = [];
  tables.forEach((one, k) => tables.slice(k + 1).forEach(other => {
    const problem = disagreement(one, other, where);
    if (problem) problems.push(problem);
  }));
  if (problems.length) throw new Refused(problems);
  return tables;
}

const MAKE_THEM_AGREE = "make them agree; where a value is not known write `missing`: a row does "
  + "not state a variable whose cell is empty";

function disagreement(one, other, where) {
  const total = table => summed([...table.cells.values()]), by = table => `by ${table.names.join(TIMES)}`;
  if (total(one) !== total(other)) {
    const what = `rows ${by(one)} add up to ${total(one)} persons, rows ${by(other)} to ${total(other)}`;
    return [where, what, MAKE_THEM_AGREE];
  }
  const shared = one.names.filter(name => other.names.includes(name));
  const [here, there] = [cellsBy(one, shared), cellsBy(other, shared)];
  const apart = [...new Set([...here.keys(), ...there.keys()])]
    .filter(key => (here.get(key) ?? 0) !== (there.get(key) ?? 0)).map(key => JSON.parse(key));
  if (!apart.length) return null;
  const [first] = apart.sort((a, b) => comparedLists(a, b));
  const at = first.map((level, k) => `${shared[k]} ${level}`).join(", ");
  return [where, `rows ${by(one)} and rows ${by(other)} do not agree on ${at}`, MAKE_THEM_AGREE];
}

/** Compare lists of texts as Python does: by the first that differs, by code point. */
function comparedLists(a, b) {
  const k = a.findIndex((text, i) => text !== b[i]);
  if (k < 0) return 0;
  const [one, other] = [[...a[k]], [...b[k]]].map(text => text.map(c => c.codePointAt(0)));
  const at = one.findIndex((point, i) => point !== other[i]);
  if (at < 0) return one.length - other.length;
  return at < other.length ? one[at] - other[at] : 1;
}

/** The persons of a table by some of its variables. */
function cellsBy(table, names) {
  const places = names.map(name => table.names.indexOf(name)), found = new Map();
  for (const [key, n] of table.cells) {
    const levels = JSON.parse(key), cell = JSON.stringify(places.map(place => levels[place]));
    found.set(cell, (found.get(cell) ?? 0) + n);
  }
  return found;
}

/** Write a target in the levels that it has in common with the printed ones. */
function targetOf(tables, variables, places) {
  const total = summed([...tables[0].cells.values()]);
  const known = variables.names.filter(name => tables.some(table => table.names.includes(name)));
  const holding = names => tables.find(table => names.every(name => table.names.includes(name)));
  const groupOf = {};
  const levels = variables.names.map((name, v) => {
    const printed = variables.levels[v];
    if (!known.includes(name)) return [{ label: "all", levels: [...printed.keys()], persons: total }];
    // What no case here has is a level of its own; others that are the same are added up.
    const groups = new Map();
    groupOf[name] = {};
    for (const [level, at] of places[v]) {
      const key = at.length ? at.join() : `level ${level}`;
      if (!groups.has(key)) {
        const label = at.length ? at.map(place => printed[place]).join(" or ") : level;
        groups.set(key, { label, levels: [...at], persons: 0 });
      }
      groupOf[name][level] = [...groups.keys()].indexOf(key);
    }
    const made = [...groups.values()];
    for (const [key, n] of cellsBy(holding([name]), [name])) {
      made[groupOf[name][JSON.parse(key)[0]]].persons += n;
    }
    return made;
  });
  const joint = holding(known);
  if (joint === undefined) return { levels, cells: null };
  const cells = [...cellsBy(joint, known)].filter(([, n]) => n > 0).map(([key, persons]) => {
    const level = JSON.parse(key);
    const groups = variables.names.map(name => (
      known.includes(name) ? groupOf[name][level[known.indexOf(name)]] : 0
    ));
    return { groups, persons };
  });
  return { levels, cells };
}
