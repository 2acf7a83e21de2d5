// The model's card, and what training says one should know.

const KINDS = {
  isolationForest: "Isolation forest",
  extendedIsolationForest: "Extended isolation forest",
  robustCovariance: "Robust covariance",
  principalComponents: "Principal components",
  nearestNeighbors: "Nearest neighbours",
  localOutlierFactor: "Local outlier factor",
  robustZScore: "Robust z-score",
  hbos: "HBOS (histograms)",
  ecod: "ECOD",
  copod: "COPOD",
  ensemble: "Ensemble",
  imported: "Isolation forest of scikit-learn",
};
const KERNELS = { avx512: "AVX-512", avx2: "AVX2", portable: "portable" };

function kernelName(kernel) {
  return kernel.split("+").map((part) => KERNELS[part] || part).join(" + ");
}

const FIRST = ["trees", "sample_size"];

function byImportance([a], [b]) {
  const rank = (name) => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
  return rank(a) - rank(b) || a.localeCompare(b);
}

function showCard(model) {
  document.title = `${model.name} – anomaly model`;
  byId("name").textContent = model.name;
  byId("subtitle").textContent = [model.namespace, `revision ${model.revision}`].filter(Boolean).join(" · ");
  const parameters = Object.entries(model.detector.parameters).sort(byImportance).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  const asked = model.threshold_config.contamination;
  const features = model.features.slice(0, 12).join(", ") + (model.features.length > 12 ? ", …" : "");
  const facts = [
    ["Detector", KINDS[model.detector.kind] || model.detector.kind],
    ["Parameters", parameters.join(", ")],
    ["Features", `${count(model.features.length)}: ${features}`],
    ["Threshold", `${shown(model.threshold)}${asked === undefined ? ", as given" : `, for ${percent(asked)} of the training rows`}`],
    ["Trained on", model.flagged_training_share !== null && `${count(model.training.rows)} rows, ${percent(model.flagged_training_share)} of them anomalous`],
    ["Severity", !model.calibrated && "not calibrated"],
    ["Trained at", model.training.trained_at && new Date(model.training.trained_at).toLocaleString()],
    ["Kernel", kernelName(model.kernel)],
    ["Model file", `${count(model.model.bytes)} bytes, format ${model.model.format_version}`],
  ];
  byId("card").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  byId("warnings").replaceChildren(...model.warnings.map((warning) => make("li", {}, `${warning.reason}: ${warning.message}`)));
  byId("warnings").hidden = model.warnings.length === 0;
  byId("footer").textContent = `anomaly-server ${model.server_version}`;
}
