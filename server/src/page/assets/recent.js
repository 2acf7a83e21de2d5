// The latest anomalies that this pod has answered, if it keeps them.

function showRecent(recent, pod) {
  const text = byId("recent-text"), box = byId("recent");
  if (!recent) {
    text.textContent = "Not kept. spec.serving.page.recentVerdicts (the server's flag --recent-verdicts) keeps the last hundred anomalies of each pod, with the features that caused them.";
    return;
  }
  const rows = recent.rows.map((one) => make("tr", {},
    make("td", {}, new Date(one.at).toLocaleTimeString("en", { hour12: false })),
    make("td", { class: "number" }, one.severity === null ? "not calibrated" : shown(one.severity)),
    make("td", { class: "number optional" }, shown(one.anomaly_score)),
    make("td", {}, one.features.map(cause).join(", ") || "–")));
  const head = make("tr", {}, make("th", { scope: "col" }, "Time"), make("th", { scope: "col", class: "number" }, "Severity"),
    make("th", { scope: "col", class: "number optional" }, "Score"), make("th", { scope: "col" }, "Features that caused it"));
  box.replaceChildren(...(rows.length ? [make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))] : []));
  // Only what can be scrolled is a stop for the keyboard.
  box.tabIndex = box.scrollHeight > box.clientHeight ? 0 : -1;
  text.textContent = `${rows.length ? "" : "None yet. "}Of the pod ${pod}; other pods have their own. At most ${count(recent.most)} are kept, and under load some are left out.` +
    (recent.values ? "" : " Values are not kept.");
}

const cause = ({ feature, share, value }) => `${feature}${value === undefined ? "" : ` = ${shown(value)}`} (${percent(Number(share.toPrecision(2)))})`;
