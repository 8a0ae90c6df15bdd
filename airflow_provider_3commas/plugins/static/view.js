// A report as elements. The look is that of report/html.py, and so is the order.

import { curveChart, holdingsChart } from "./charts.js";
import { html } from "./dom.js";

export function accountView({ texts, holdings, curve }, tasks, footer) {
  return [
    html("div", { class: "tc-head" }, html("h1", {}, bdi(texts.title)), badge(texts)),
    html("p", { class: "tc-sub" }, bdi(texts.subtitle)),
    html("p", { class: "tc-headline" }, bdi(texts.headline)),
    tileList(texts.tiles),
    html("div", { class: "tc-charts" }, holdingsCard(holdings), curveCard(curve, texts)),
    assetsCard(texts.assets),
    unsoldCard(texts.unsold),
    detailsCard([...texts.details, ...tasks]),
    listCard("Evidence", texts.evidence),
    listCard("Notes", texts.notes),
    html("footer", {}, footer),
  ];
}

// Text from outside, which keeps its direction to itself.
export function bdi(text, style = null) {
  return html("bdi", { class: style }, text);
}

export function badge({ status, tone }) {
  return html("span", { class: `tc-badge tc-${tone}` }, status);
}

export function tileList(tiles) {
  return tiles.length ? html("dl", { class: "tc-tiles" }, tiles.map(tile)) : null;
}

function tile({ label, value, detail }) {
  const number = html("span", { class: "tc-number" }, value);
  const below = html("span", { class: "tc-detail" }, detail);
  return html("div", {}, html("dt", {}, label), html("dd", {}, number, html("br"), below));
}

export function card(title, ...children) {
  return html("section", { class: "tc-card" }, html("h2", {}, title), ...children);
}

export function row(...cells) {
  return html("tr", {}, ...cells);
}

export function rowHead(...children) {
  return html("th", { scope: "row" }, ...children);
}

export function cell(style, ...children) {
  return html("td", { class: style }, ...children);
}

export function small(text) {
  return text ? html("span", { class: "tc-small" }, text) : null;
}

function table(columns, rows) {
  const heads = columns.map(([name, style]) => html("th", { scope: "col", class: style }, name));
  return html("table", {}, html("thead", {}, row(heads)), html("tbody", {}, rows));
}

function holdingsCard(shape) {
  if (shape === null) return null;
  const legend = shape.sides.map((name) => html("span", { class: `tc-key tc-key-${name}` }, name));
  const caption = html("figcaption", {}, "Value in BTC ", ...legend);
  return card("Holdings before and after", html("figure", {}, caption, holdingsChart(shape)));
}

function curveCard(shape, texts) {
  if (shape === null) return null;
  const figure = html("figure", {}, html("figcaption", {}, shape.caption), curveChart(shape));
  const rows = texts.curve.map(([time, value]) => row(cell(null, time), cell("tc-right", value)));
  const points = table([["Time"], ["Left unsold", "tc-right"]], rows);
  const details = html("details", { id: "curve-table" }, html("summary", {}, "As a table"), points);
  return card("Value left unsold over time", figure, details);
}

function assetsCard(assets) {
  if (!assets.length) return null;
  const rows = assets.map(({ currency, note, before, after }) =>
    row(rowHead(bdi(currency), small(note)), amountCell(before), amountCell(after)));
  return card("By asset", table([["Asset"], ["Before", "tc-right"], ["After", "tc-right"]], rows));
}

function amountCell(texts) {
  const [amount, ...values] = texts ?? ["\u2014"];
  return cell("tc-right", amount, values.map(small));
}

function unsoldCard(items) {
  if (!items.length) return null;
  const rows = items.map(({ currency, amount, value, why }) =>
    row(rowHead(bdi(currency)), amountCell([amount, ...value]), cell(null, why)));
  return card("What was not sold, and why", table([["Asset"], ["Amount", "tc-right"], ["Why"]], rows));
}

function detailsCard(details) {
  const items = details.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, bdi(text))]);
  return card("Details", html("dl", { class: "tc-facts" }, items));
}

function listCard(title, texts) {
  return texts.length ? card(title, html("ul", {}, texts.map((text) => html("li", {}, bdi(text))))) : null;
}
