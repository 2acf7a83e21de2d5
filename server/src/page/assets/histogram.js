// The scores of the training rows, of the rows that this pod has scored since it started, and the threshold.
// Heights are square roots of shares, so that the few anomalous rows can be seen beside the many others.

const drawHistogram = drawn("histogram", (box, width) => {
  if (!state.data) return;
  const { from, to, training, live } = state.data.scores, { threshold } = state.information;
  const height = width < 480 ? 220 : 260, left = 44, right = 10, top = 26, bottom = 40;
  const all = live.reduce((sum, rows) => sum + rows, 0);
  const shares = all ? live.map((rows) => rows / all) : [];
  const most = Math.max(...training, ...shares, 0.01);
  const x = (score) => left + ((score - from) / (to - from)) * (width - left - right);
  const y = (share) => top + (1 - Math.sqrt(share / most)) * (height - top - bottom);
  const edge = (bin) => x(from + ((to - from) * bin) / training.length);
  const steps = (values) => values.map((share, bin) => `L${edge(bin)} ${y(share)}L${edge(bin + 1)} ${y(share)}`).join("");

  const svg = canvasOf(box, width, height, histogramText(threshold, all));
  const line = Math.min(Math.max(x(threshold), left), width - right);
  svg.append(make("rect", { class: "tint", x: left, y: top, width: line - left, height: height - top - bottom }));
  for (const share of [0.01, 0.05, 0.1, 0.2, 0.4, 0.8].filter((share) => share <= most && y(share) < height - bottom - 10)) {
    svg.append(make("line", { class: "rule", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
      make("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${Math.round(100 * share)} %`));
  }
  svg.append(make("path", { class: "training", d: `M${edge(0)} ${y(0)}${steps(training)}L${edge(training.length)} ${y(0)}Z` }));
  if (all) svg.append(make("path", { class: "live", d: `M${edge(0)} ${y(0)}${steps(shares)}L${edge(shares.length)} ${y(0)}` }));
  svg.append(make("line", { class: "axis", x1: left, x2: width - right, y1: y(0), y2: y(0) }));
  for (const tick of ticks(from, to, Math.max(3, Math.floor(width / 110)))) {
    svg.append(make("text", { x: x(tick), y: height - bottom + 17, "text-anchor": "middle" }, shown(tick)));
  }
  svg.append(make("text", { x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, "anomaly score; higher is more ordinary"));
  svg.append(make("line", { class: "threshold", x1: line, x2: line, y1: top - 6, y2: y(0) }),
    make("text", { class: "warm", x: line, y: top - 11, "text-anchor": line > width - 110 ? "end" : line < left + 60 ? "start" : "middle" }, `threshold ${shown(threshold)}`));
  if (state.explained) {
    const at = x(Math.min(Math.max(state.explained.anomaly_score, from), to));
    svg.append(make("circle", { class: "dot", id: "row-on-histogram", cx: at, cy: y(0), r: 5 }));
  }
  box.replaceChildren(svg);
  byId("live-text").textContent = `${count(all)} rows scored by this pod`;
});

function histogramText(threshold, all) {
  const { anomalous } = state.data.scores, flagged = state.information.flagged_training_share;
  const text = all ? `Of the ${count(all)} rows that this pod has scored since it started, ${count(anomalous)} were anomalous (${percent(anomalous / all)}); `
    : "This pod has scored no rows since it started; ";
  const whole = `${text}${flagged === null ? "its training rows are not known" : `of the training rows ${percent(flagged)}`}. Heights are shares of rows, on a square-root scale.`;
  byId("scores-text").textContent = whole;
  return `Histogram of scores with the threshold at ${shown(threshold)}. ${whole}`;
}
