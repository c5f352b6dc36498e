// The histogram of all scores, and the lower limit from which on finds are shown.

const limit = $("#limit");
const EDGE = { left: 46, right: 10, top: 22, bottom: 42 }; // px round the bars

function svg(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// Pictures on a logarithmic scale, for nearly all of a mountain is not what one looks for.
function drawHistogram() {
  const box = $("#histogram");
  const bins = summary.histogram;
  const [width, height] = [box.clientWidth, Math.max(200, box.clientHeight)];
  const most = Math.max(9, ...bins);
  const x = (score) => EDGE.left + score * (width - EDGE.left - EDGE.right);
  const share = (n) => Math.log10(1 + n) / Math.log10(1 + most);
  const y = (n) => height - EDGE.bottom - share(n) * (height - EDGE.top - EDGE.bottom);
  const chart = svg("svg", { width, height, role: "img", "aria-label": chartInWords(bins) });
  chart.append(...yAxis(most, x, y), ...xAxis(x, height));
  bins.forEach((n, bin) => chart.append(...bar(n, bin / bins.length, 1 / bins.length, x, y)));
  const at = { class: "at", x1: x(limit.value), x2: x(limit.value), y1: EDGE.top, y2: y(0) };
  if (limit.value > 0) chart.append(svg("line", at));
  box.replaceChildren(chart);
}

function chartInWords(bins) {
  const sum = (some) => some.reduce((total, n) => total + n, 0);
  const upper = number(sum(bins.slice(bins.length / 2)));
  return `Histogram of the scores of ${count(sum(bins), "picture", "pictures")}; ${upper} score 0.5 or more.`;
}

function yAxis(most, x, y) {
  const ticks = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8].filter((n) => n <= most);
  const short = new Intl.NumberFormat("en", { notation: "compact" });
  return [
    svg("text", { x: 0, y: 12 }, "pictures (logarithmic)"),
    svg("line", { x1: x(0), x2: x(1), y1: y(0), y2: y(0) }),
    ...ticks.flatMap((n) => [
      svg("line", { x1: x(0), x2: x(1), y1: y(n), y2: y(n) }),
      svg("text", { x: x(0) - 8, y: y(n) + 4, "text-anchor": "end" }, short.format(n)),
    ]),
  ];
}

function xAxis(x, height) {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const label = `score: probability of ${summary.target}`;
  return [
    ...ticks.map((t) => svg("text", { x: x(t), y: height - EDGE.bottom + 17, "text-anchor": "middle" }, String(t))),
    svg("text", { x: x(0.5), y: height - 6, "text-anchor": "middle" }, label.length > 60 ? "score" : label),
  ];
}

function bar(n, from, width, x, y) {
  const place = { x: x(from) + 1, width: Math.max(1, x(from + width) - x(from) - 2) };
  const below = from + width <= Number(limit.value) + 1e-9 ? " below" : "";
  const target = svg("rect", { class: "bin", ...place, y: EDGE.top, height: y(0) - EDGE.top });
  const range = `${from.toFixed(2)} to ${(from + width).toFixed(2)}`;
  target.append(svg("title", {}, `${range}: ${count(n, "picture", "pictures")}`));
  target.addEventListener("click", () => { limit.value = from; applyLimit(); });
  return [svg("rect", { class: `height${below}`, ...place, y: y(n), height: y(0) - y(n) }), target];
}

function applyLimit() {
  const lowest = Number(limit.value);
  const shown = { finds: 0, lookalikes: 0 };
  for (const card of cards) {
    card.item.hidden = card.score < lowest;
    if (card.score >= lowest) shown[card.section] += 1;
  }
  $("#limit-value").textContent = lowest.toFixed(2);
  $("#status").textContent =
    `${count(shown.finds, "find", "finds")} and ${count(shown.lookalikes, "look-alike", "look-alikes")}`
    + (lowest > 0 ? ` with a score of ${lowest.toFixed(2)} or more` : "");
  if (cards.length && !isShown(current)) moveTo(next(-1, 1) ?? 0);
  drawHistogram();
}

limit.oninput = applyLimit;
