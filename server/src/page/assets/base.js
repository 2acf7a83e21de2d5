"use strict";
// What the other files share: elements, numbers, requests. Paths are relative, so that the page works under any path.

const byId = (id) => document.getElementById(id);
const state = { information: null, data: null, explained: null, row: null, grid: null };

/** An element with attributes and children; text is never markup. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "path", "line", "text", "circle"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Four significant digits, with a proper minus sign. */
function shown(number) {
  if (number === null || number === undefined) return "–";
  if (number !== 0 && (Math.abs(number) < 1e-3 || Math.abs(number) >= 1e7)) return number.toExponential(2).replace("-", "−");
  return Number(number.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 }).replace("-", "−");
}

const percent = (share) => `${shown(Number((100 * share).toPrecision(3)))} %`;
const count = (number) => number.toLocaleString("en");

/** JSON, or an error with the sentence that the server gives. */
async function ask(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.detail || `the server answered ${answer.status}`), { errors: body.errors });
  return body;
}

/** About `wanted` round numbers between two others. */
function ticks(from, to, wanted) {
  const rough = (to - from) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999) || power;
  const found = [];
  for (let tick = Math.ceil(from / step - 1e-9) * step; tick <= to + step * 1e-9; tick += step) found.push(Math.abs(tick) < step / 1e6 ? 0 : tick);
  return found;
}

/** Redraws a chart whenever its width changes. */
function drawn(id, draw) {
  const box = byId(id);
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now !== width) { width = now; draw(box, width); }
  }).observe(box);
  return () => width && draw(box, width);
}

/** An SVG of that size as the chart's content. */
function canvasOf(box, width, height, label) {
  box.style.height = `${height}px`;
  const svg = make("svg", { width, height, role: "img", "aria-label": label });
  return svg;
}
