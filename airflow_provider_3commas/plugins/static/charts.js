// Charts as inline SVG, positions in percent and letters in pixels. The look is that of report/charts.py, which has
// measured everything that is drawn here.

import { svg } from "./dom.js";

const [ROW_HEIGHT, TOP_MARGIN, BAR_HEIGHT] = [50, 4, 9];
const [PLOT_TOP, PLOT_HEIGHT, CURVE_HEIGHT] = [22, 140, 186];

export function holdingsChart({ bars, description }) {
  const parts = bars.flatMap((bar, number) => {
    const top = TOP_MARGIN + number * ROW_HEIGHT;
    return [
      svg("text", { class: "tc-name", x: "0", y: top + 13 }, bar.label),
      svg("text", { class: "tc-value", x: "100%", y: top + 13, "text-anchor": "end" }, bar.text),
      ...drawBar("before", top + 19, bar.before),
      ...drawBar("after", top + 19 + BAR_HEIGHT + 2, bar.after),
    ];
  });
  return chart("holdings", "Holdings before and after", description, TOP_MARGIN + bars.length * ROW_HEIGHT - 8, parts);
}

function drawBar(side, top, percent) {
  if (percent === null) return [];
  const bar = svg("rect", { class: `tc-${side}`, x: "0", y: top, width: `${percent}%`, height: BAR_HEIGHT, rx: "2" });
  // A sliver of fixed width keeps what is not zero in sight.
  const sliver = svg("rect", { class: `tc-${side}`, x: "0", y: top, width: "2", height: BAR_HEIGHT });
  return percent === "0" ? [bar] : [sliver, bar];
}

export function curveChart(shape) {
  const levels = [[PLOT_TOP, shape.top], [PLOT_TOP + PLOT_HEIGHT / 2, shape.middle]];
  const base = PLOT_TOP + PLOT_HEIGHT;
  const plot = svg(
    "svg",
    { x: "0", y: PLOT_TOP, width: "100%", height: PLOT_HEIGHT, viewBox: "0 0 10000 10000", preserveAspectRatio: "none" },
    svg("path", { class: "tc-area", d: `${shape.line} V10000 H${shape.start} Z` }),
    svg("path", { class: "tc-line", d: shape.line, "vector-effect": "non-scaling-stroke" }),
  );
  const ticks = [["0", "start", "0 s"], ["50%", "middle", shape.half], ["100%", "end", shape.end]];
  return chart("curve", "Value left unsold over time", shape.description, CURVE_HEIGHT, [
    ...levels.map(([y]) => svg("line", { class: "tc-grid", x1: "0", x2: "100%", y1: y, y2: y })),
    plot,
    svg("line", { class: "tc-axis", x1: "0", x2: "100%", y1: base, y2: base }),
    ...levels.map(([y, text]) => svg("text", { class: "tc-tick", x: "0", y: y - 4 }, text)),
    ...ticks.map(([x, anchor, text]) => svg("text", { class: "tc-tick", x, y: base + 16, "text-anchor": anchor }, text)),
  ]);
}

function chart(prefix, title, description, height, parts) {
  const labelled = { role: "img", "aria-labelledby": `${prefix}-t ${prefix}-d` };
  return svg(
    "svg",
    { class: "tc-chart", ...labelled, width: "100%", height },
    svg("title", { id: `${prefix}-t` }, title),
    svg("desc", { id: `${prefix}-d` }, description),
    ...parts,
  );
}
