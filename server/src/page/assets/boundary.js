// The decision boundary for two features: a heat map of the severity, the others being held at their training medians.

// Blue to white below the threshold, orange to brown above: told apart without red and green, and by lightness.
const ORDINARY = [[33, 88, 140], [112, 163, 204], [226, 236, 243]];
const ANOMALOUS = [[250, 206, 160], [226, 121, 32], [122, 52, 0]];

function colour(severity) {
  const [stops, part] = severity <= 1 ? [ORDINARY, severity] : [ANOMALOUS, Math.min(1, (severity - 1) / 2)];
  const at = part * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((value, channel) => Math.round(value + (at - low) * (stops[low + 1][channel] - value)));
}

function buildAxes(features) {
  const ranged = features.filter((feature) => Number.isFinite(feature.median));
  const possible = ranged.length === state.information.features.length && ranged.length > 0;
  if (!possible) {
    byId("boundary-text").textContent = "This revision does not say where its training rows lay in every feature, so there is no boundary to draw. Revisions that are trained now, of up to 1,024 features, do.";
    byId("boundary").style.minHeight = "0";
    return;
  }
  const across = byId("across"), upwards = byId("upwards");
  features.forEach(({ name }, at) => [across, upwards].forEach((select) => select.append(make("option", { value: at }, name))));
  upwards.value = String(Math.min(1, features.length - 1));
  byId("axes").hidden = features.length < 3;
  byId("boundary-legend").hidden = false;
  [across, upwards].forEach((select, which) => select.addEventListener("change", () => {
    const other = [upwards, across][which];
    if (select.value === other.value) other.value = String((Number(select.value) + 1) % features.length);
    loadBoundary();
  }));
  const scale = byId("scale"), ink = scale.getContext("2d");
  for (let at = 0; at < scale.width; at++) { ink.fillStyle = `rgb(${colour((3 * at) / scale.width)})`; ink.fillRect(at, 0, 1, scale.height); }
  loadBoundary();
}

async function loadBoundary() {
  try {
    state.grid = await ask(`page/boundary?across=${byId("across").value}&upwards=${byId("upwards").value}`);
    drawBoundary();
  } catch (error) {
    byId("boundary-text").textContent = error.message;
  }
}

const drawBoundary = drawn("boundary", (box, width) => {
  if (!state.grid) return;
  const { across, upwards, columns, rows, severities } = state.grid, single = rows === 1;
  const left = single ? 10 : 58, right = 12, top = 8, bottom = 42;
  const height = single ? 110 : Math.min(460, Math.max(260, Math.round(width * 0.55)));
  const inner = [width - left - right, height - top - bottom];
  const x = (value) => left + ((value - across.from) / (across.to - across.from)) * inner[0];
  const y = (value) => top + (1 - (value - upwards.from) / (upwards.to - upwards.from)) * inner[1];

  const canvas = make("canvas", { width: columns, height: rows, "aria-hidden": "true" });
  const image = new ImageData(columns, rows);
  severities.forEach((severity, cell) => {
    // The first row of the grid is the lowest.
    const at = 4 * ((rows - 1 - Math.floor(cell / columns)) * columns + (cell % columns));
    image.data.set([...colour(severity), 255], at);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${inner[0]}px`, height: `${inner[1]}px` });

  const share = severities.filter((severity) => severity > 1).length / severities.length;
  const names = single ? across.feature : `${across.feature} and ${upwards.feature}`;
  const svg = canvasOf(box, width, height, `Decision boundary for ${names}: ${percent(share)} of the area shown is anomalous.`);
  const path = outline(columns, rows, severities, (column) => left + (inner[0] * column) / columns, (row) => top + inner[1] - (inner[1] * row) / rows);
  svg.append(make("path", { class: "boundary-halo", d: path }), make("path", { class: "boundary", d: path }));
  for (const tick of ticks(across.from, across.to, Math.max(3, Math.floor(width / 110)))) {
    svg.append(make("line", { class: "axis", x1: x(tick), x2: x(tick), y1: height - bottom, y2: height - bottom + 4 }),
      make("text", { x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, shown(tick)));
  }
  svg.append(make("text", { class: "strong", x: left + inner[0] / 2, y: height - 5, "text-anchor": "middle" }, across.feature));
  if (!single) {
    for (const tick of ticks(upwards.from, upwards.to, 5)) {
      svg.append(make("line", { class: "axis", x1: left - 4, x2: left, y1: y(tick), y2: y(tick) }),
        make("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, shown(tick)));
    }
    const middle = top + inner[1] / 2;
    svg.append(make("text", { class: "strong", x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, upwards.feature));
  }
  const [column, row] = [across, upwards].map(({ position }) => position);
  if (state.row) {
    // A row beyond what is shown stands at its edge.
    const within = (value, low, high) => Math.min(Math.max(value, low), high);
    const at = [within(x(state.row[column]), left, width - right), within(single ? top + inner[1] / 2 : y(state.row[row]), top, height - bottom)];
    svg.append(make("circle", { class: "dot", id: "row-on-boundary", cx: at[0], cy: at[1], r: 6 }));
  }
  svg.classList.toggle("clickable", !byId("all"));
  svg.addEventListener("click", (event) => {
    const place = svg.getBoundingClientRect(), part = [(event.clientX - place.left - left) / inner[0], 1 - (event.clientY - place.top - top) / inner[1]];
    if (byId("all") || part.some((part) => part < 0 || part > 1)) return;
    byId(`value-${column}`).value = String(short(across.from + part[0] * (across.to - across.from)));
    if (!single) byId(`value-${row}`).value = String(short(upwards.from + part[1] * (upwards.to - upwards.from)));
    score();
  });
  box.replaceChildren(canvas, svg);
  const others = state.information.features.length - (single ? 1 : 2);
  byId("boundary-text").textContent = (others ? `The other ${others === 1 ? "feature is" : `${count(others)} features are`} held at the training median. ` : "") +
    `${count(severities.length)} points were scored to draw this; they count as no predictions.` + (byId("all") ? "" : " A click scores the row at that place.");
});

/** The edges between cells of different verdicts, as a path. */
function outline(columns, rows, severities, x, y) {
  const anomalous = (column, row) => severities[row * columns + column] > 1;
  let path = "";
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (column + 1 < columns && anomalous(column, row) !== anomalous(column + 1, row)) path += `M${x(column + 1)} ${y(row)}V${y(row + 1)}`;
      if (row + 1 < rows && anomalous(column, row) !== anomalous(column, row + 1)) path += `M${x(column)} ${y(row + 1)}H${x(column + 1)}`;
    }
  }
  return path;
}
