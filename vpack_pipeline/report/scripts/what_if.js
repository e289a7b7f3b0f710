// What would change an answer: another mix of its cells, or another prevalence. The twin of
// core.transport.what_if.

function whatWouldChange(question, answer) {
  const inside = commonCells(question.cells, question.target)
    .filter((cell, k) => answer.cells[k].persons > 0 && cell.counts !== null);
  const mixes = {};
  for (const name of ["sensitivity", "specificity"]) {
    if (answer.figures.in_target[name].estimate === null) continue;
    const found = inside
      .map(cell => [cell.label, pooled([counted(0, countsOf(cell))], name, 1, 0.95)])
      .filter(([, of]) => of.value !== null && of.n >= FEWEST_POSITIVES)
      .map(([cell, of]) => ({ cell, estimate: of.value, n: of.n }))
      .sort((a, b) => a.estimate - b.estimate);
    if (found.length > 1) mixes[name] = { lowest: found[0], highest: found.at(-1) };
  }
  const { estimate } = answer.figures.in_target.prevalence;
  const wanted = estimate === null || question.target.cells === null ? [] : [0.5 * estimate, 2 * estimate];
  const prevalences = wanted.filter(p => p > 0 && p < 1).map(prevalence => {
    const { in_target: figures } = compare({ ...question, prevalence }).figures;
    return { prevalence, figures: { ppv: figures.ppv, npv: figures.npv } };
  });
  return { mixes, prevalences };
}
