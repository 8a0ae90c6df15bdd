// Charts as inline SVG, positions in percent and letters in pixels. The same as report/charts.py; a test compares the
// shapes.

import * as exact from "./exact.js";
import * as times from "./times.js";
import { svg } from "./dom.js";
import { visible } from "./words.js";

const BARS = 8;
const LABEL_LENGTH = 14;
const [ROW, TOP, BAR] = [50, 4, 9];
const [PLOT_TOP, PLOT, CURVE] = [22, 140, 186];
const STEPS = ["1", "1.2", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10"].map(exact.read);
const HUNDRED = exact.of(100);
const FULL = exact.of(10000);

export function holdingsChart(report, prefix) {
  const bars = holdingBars(report);
  if (!bars.length) return null;
  const parts = bars.flatMap((bar, number) => {
    const top = TOP + number * ROW;
    return [
      svg("text", { class: "tc-name", x: "0", y: top + 13 }, bar.label),
      svg("text", { class: "tc-value", x: "100%", y: top + 13, "text-anchor": "end" }, bar.text),
      ...drawBar("before", top + 19, bar.before),
      ...drawBar("after", top + 19 + BAR + 2, bar.after),
    ];
  });
  const description = `Value in BTC by asset. ${bars.map((bar) => `${bar.label}: ${bar.text}.`).join(" ")}`;
  return draw(prefix, "Holdings before and after", description, TOP + bars.length * ROW - 8, parts);
}

function drawBar(kind, top, percent) {
  if (percent === null) return [];
  const bar = svg("rect", { class: `tc-${kind}`, x: "0", y: top, width: `${percent}%`, height: BAR, rx: "2" });
  // A sliver of fixed width keeps what is not zero in sight.
  const sliver = svg("rect", { class: `tc-${kind}`, x: "0", y: top, width: "2", height: BAR });
  return percent === "0" ? [bar] : [sliver, bar];
}

export function holdingBars(report) {
  let rows = report.assets.map(sides);
  if (rows.length > BARS) {
    const rest = rows.slice(BARS - 1);
    const others = [1, 2].map((side) => exact.add(rest.map((row) => row[side])));
    rows = [...rows.slice(0, BARS - 1), [`${rest.length} others`, ...others]];
  }
  if (report.after === null) rows = rows.map(([label, before]) => [label, before, null]);
  if (report.before === null) rows = rows.map(([label, , after]) => [label, null, after]);
  const most = exact.most(rows.flatMap(([, ...both]) => both).filter((side) => side !== null));
  if (most === null || most.digits <= 0n) return [];
  return rows.map(([label, before, after]) => ({
    label,
    text: `${[before, after].filter((side) => side !== null).map(places).join(" → ")} BTC`,
    before: percent(before, most),
    after: percent(after, most),
  }));
}

function places(value) {
  return exact.grouped(value, value.digits === 0n ? 0 : 8);
}

function sides(row) {
  const letters = Array.from(visible(row.currency));
  const label = letters.length > LABEL_LENGTH ? `${letters.slice(0, LABEL_LENGTH - 1).join("")}…` : letters.join("");
  return [label, ...[row.before, row.after].map((side) => (side ? exact.read(side.btc_value) : null))];
}

function percent(value, most) {
  return value === null ? null : exact.plain(exact.scale(exact.most([value, exact.ZERO]), HUNDRED, most, 3));
}

export function curveChart(report, prefix) {
  const shape = curveShape(report);
  if (shape === null) return null;
  const levels = [[PLOT_TOP, shape.top], [PLOT_TOP + PLOT / 2, shape.middle]];
  const base = PLOT_TOP + PLOT;
  const plot = svg(
    "svg",
    { x: "0", y: PLOT_TOP, width: "100%", height: PLOT, viewBox: "0 0 10000 10000", preserveAspectRatio: "none" },
    svg("path", { class: "tc-area", d: `${shape.line} V10000 H${shape.start} Z` }),
    svg("path", { class: "tc-line", d: shape.line, "vector-effect": "non-scaling-stroke" }),
  );
  const ticks = [["0", "start", "0 s"], ["50%", "middle", shape.half], ["100%", "end", shape.end]];
  return draw(prefix, "Value left unsold over time", shape.description, CURVE, [
    ...levels.map(([y]) => svg("line", { class: "tc-grid", x1: "0", x2: "100%", y1: y, y2: y })),
    plot,
    svg("line", { class: "tc-axis", x1: "0", x2: "100%", y1: base, y2: base }),
    ...levels.map(([y, text]) => svg("text", { class: "tc-tick", x: "0", y: y - 4 }, text)),
    ...ticks.map(([x, anchor, text]) => svg("text", { class: "tc-tick", x, y: base + 16, "text-anchor": anchor }, text)),
  ]);
}

export function curveShape(report) {
  const known = report.settling.curve.map(([at, value]) => [times.tenths(at), exact.read(value)])
    .filter(([, value]) => value !== null);
  if (!known.length || known.at(-1)[0] === 0) return null;
  const end = known.at(-1)[0];
  const top = ceiling(exact.most(known.map(([, value]) => value)));
  const path = known.map(([at, value], number) => {
    const x = exact.plain(exact.scale(exact.of(at), FULL, exact.of(end), 0));
    const y = exact.plain(exact.subtract(FULL, exact.scale(exact.most([value, exact.ZERO]), FULL, top, 0)));
    return number ? `H${x} V${y}` : `M${x} ${y}`;
  });
  const since = report.settling.curve_from === "sale" ? "the sale" : "the beginning of the wait";
  const [first, last] = [exact.btc(known[0][1]), exact.btc(known.at(-1)[1])];
  return {
    line: path.join(" "),
    start: path[0].slice(1).split(" ")[0],
    top: `${exact.short(top)} BTC`,
    middle: `${exact.short(exact.scale(top, exact.of(1), exact.of(2), 40))} BTC`,
    half: times.duration(end / 20),
    end: times.duration(end / 10),
    caption: `BTC; time since ${since}`,
    description: `From ${first} to ${last}, ${times.duration(end / 10)} after ${since}.`,
  };
}

function ceiling(value) {
  if (value.digits <= 0n) return exact.of(1);
  const adjusted = value.digits.toString().length - value.places - 1;
  const power = adjusted < 0 ? { digits: 1n, places: -adjusted } : { digits: 10n ** BigInt(adjusted), places: 0 };
  return STEPS.map((step) => exact.multiply(step, power)).find((step) => exact.compare(step, value) >= 0);
}

function draw(prefix, title, description, height, parts) {
  const named = { role: "img", "aria-labelledby": `${prefix}-t ${prefix}-d` };
  return svg(
    "svg",
    { class: "tc-chart", ...named, width: "100%", height },
    svg("title", { id: `${prefix}-t` }, title),
    svg("desc", { id: `${prefix}-d` }, description),
    ...parts,
  );
}
