// The form that scores a row, and its answer: verdict, severity, score, and what each feature contributes.

const MOST_INPUTS = 60;
const MOST_BARS = 12;

function buildForm(features) {
  const inputs = byId("inputs"), typical = typicalRow();
  if (features.length > MOST_INPUTS) {
    const area = make("textarea", { id: "all", spellcheck: "false", "aria-describedby": "paste-hint" });
    area.value = typical ? JSON.stringify(typical) : "";
    inputs.append(make("label", { class: "all" }, `${count(features.length)} numbers, in the order of the features`, area));
    byId("paste-hint").textContent = "Separated by commas, spaces or tabs; a JSON array, too.";
  } else {
    features.forEach((feature, at) => {
      const input = make("input", { id: `value-${at}`, inputmode: "decimal", autocomplete: "off", required: "" });
      if (typical) input.value = String(typical[at]);
      inputs.append(make("label", { title: feature }, make("span", { class: "name" }, feature), input));
    });
    if (features.length > 1) byId("paste-hint").textContent = "A whole row can be pasted into any of the fields.";
    inputs.addEventListener("paste", (event) => {
      const row = numbers(event.clipboardData.getData("text"));
      if (row.length === features.length && row.length > 1) { event.preventDefault(); fill(row); }
    });
  }
  byId("typical").hidden = !typical;
  byId("typical").addEventListener("click", () => { fill(typicalRow()); score(); });
  byId("row-form").addEventListener("submit", (event) => { event.preventDefault(); score(); });
}

/** The training medians, if all are known. */
function typicalRow() {
  const medians = state.data.features.map((feature) => feature.median);
  return medians.length === state.information.features.length && medians.every(Number.isFinite) ? medians.map(short) : null;
}

/** As many digits as a person would type. */
const short = (number) => Number(number.toPrecision(6));
const numbers = (text) => text.replace(/[[\]]/g, " ").split(/[\s,;]+/).filter(Boolean).map(Number);

function fill(row) {
  if (byId("all")) byId("all").value = JSON.stringify(row);
  else row.forEach((value, at) => { byId(`value-${at}`).value = String(value); });
}

function fields() {
  return [...byId("inputs").querySelectorAll("input, textarea")];
}

/** The row as it stands in the form; null and a marked field if one is no number. */
function read() {
  const all = byId("all");
  if (all) return numbers(all.value);
  const wrong = fields().filter((input) => input.value.trim() === "" || !Number.isFinite(Number(input.value.replace("−", "-"))));
  fields().forEach((input) => input.setAttribute("aria-invalid", String(wrong.includes(input))));
  if (wrong.length) {
    wrong[0].focus();
    byId("result").replaceChildren(make("p", { class: "fault" }, `${wrong[0].parentElement.title} needs a number.`));
    return null;
  }
  return fields().map((input) => Number(input.value.replace("−", "-")));
}

async function score() {
  const row = read();
  if (!row) return;
  try {
    const body = JSON.stringify(row, (_, value) => (Number.isNaN(value) ? "NaN" : value));
    state.explained = await ask("explain", { method: "POST", headers: { "content-type": "application/json" }, body });
    state.row = row;
    showResult(state.explained);
  } catch (error) {
    state.explained = state.row = null;
    (error.errors || []).forEach(({ column }) => byId(`value-${column}`)?.setAttribute("aria-invalid", "true"));
    byId("result").replaceChildren(make("p", { class: "fault" }, error.message));
  }
  drawHistogram();
  drawBoundary();
}

function showResult(explained) {
  const kind = explained.is_inlier ? "is-inlier" : "is-anomalous";
  const verdict = make("p", { class: "verdict" },
    make("strong", { class: kind, id: "verdict" }, explained.is_inlier ? "Ordinary" : "Anomalous"),
    make("span", {}, explained.severity === null ? "not calibrated" : `severity ${shown(explained.severity)}`),
    make("span", {}, `score ${shown(explained.anomaly_score)}`));
  const told = [...explained.contributions].sort((a, b) => b.contribution - a.contribution);
  const kept = told.length > MOST_BARS ? [...told.slice(0, MOST_BARS - 2), ...told.slice(-2)] : told;
  byId("result").replaceChildren(verdict, bars(kept),
    make("p", { class: "quiet bars-note" }, valueText(explained) +
      "Bars to the right make the row more anomalous." + (kept.length < told.length ? ` ${told.length - kept.length} features in between are not shown.` : "")));
}

/** What the bars lead to, in the words of the detector. */
function valueText({ value, baseline }) {
  const { kind } = state.information.detector;
  if (["isolationForest", "extendedIsolationForest", "imported"].includes(kind)) {
    return `Path length ${shown(value)}, of a training row ${shown(baseline)} on average. `;
  }
  if (kind === "robustZScore") return "Each bar is how far the value is from its median, in robust standard deviations; the longest is the score. ";
  return `Bars sum to ${shown(baseline - value)}. `;
}

/** One bar a feature, from a common zero. */
function bars(contributions) {
  const low = Math.min(0, ...contributions.map((one) => one.contribution));
  const span = Math.max(0, ...contributions.map((one) => one.contribution)) - low || 1;
  const list = make("div", { class: "bars", role: "list", "aria-label": "Contributions" });
  for (const { feature, contribution } of contributions) {
    const bar = make("i", { class: contribution > 0 ? "more" : "" }), track = make("span", { class: "bar", "aria-hidden": "true" }, bar);
    track.style.setProperty("--zero", `${(-100 * low) / span}%`);
    bar.style.left = `${(100 * (Math.min(0, contribution) - low)) / span}%`;
    bar.style.width = `${(100 * Math.abs(contribution)) / span}%`;
    const line = make("span", { role: "listitem" }, make("span", { class: "name", title: feature }, feature), track,
      make("span", { class: "number" }, (contribution > 0 ? "+" : "") + shown(contribution)));
    line.style.display = "contents";
    list.append(line);
  }
  return list;
}
