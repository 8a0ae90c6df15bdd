// A report as elements. The look is that of report/html.py, and so is the order.

import { curveChart, holdingsChart } from "./charts.js";
import { html } from "./dom.js";

export function accountView({ texts, holdings, curve }, tasks, footer) {
  return [
    html("div", { class: "tc-head" }, html("h1", {}, html("bdi", {}, texts.title)), badge(texts)),
    html("p", { class: "tc-sub" }, html("bdi", {}, texts.subtitle)),
    html("p", { class: "tc-headline" }, html("bdi", {}, texts.headline)),
    tilesView(texts.tiles),
    html("div", { class: "tc-charts" }, holdingsView(holdings), curveView(curve, texts)),
    assets(texts),
    unsold(texts),
    details([...texts.details, ...tasks]),
    list("Evidence", texts.evidence),
    list("Notes", texts.notes),
    html("footer", {}, footer),
  ];
}

export function badge(shown) {
  return html("span", { class: `tc-badge tc-${shown.tone}` }, shown.status);
}

export function tilesView(tiles) {
  if (!tiles.length) return null;
  return html("dl", { class: "tc-tiles" }, tiles.map((tile) => html(
    "div",
    {},
    html("dt", {}, tile.label),
    html(
      "dd",
      {},
      html("span", { class: "tc-number" }, tile.value),
      html("br"),
      html("span", { class: "tc-detail" }, tile.detail),
    ),
  )));
}

function card(title, ...children) {
  return html("section", { class: "tc-card" }, html("h2", {}, title), ...children);
}

function holdingsView(shape) {
  if (shape === null) return null;
  const legend = shape.sides.map((name) => html("span", { class: `tc-key tc-key-${name}` }, name));
  return card(
    "Holdings before and after",
    html("figure", {}, html("figcaption", {}, "Value in BTC ", ...legend), holdingsChart(shape)),
  );
}

function curveView(shape, texts) {
  if (shape === null) return null;
  return card(
    "Value left unsold over time",
    html("figure", {}, html("figcaption", {}, shape.caption), curveChart(shape)),
    html(
      "details",
      { id: "curve-table" },
      html("summary", {}, "As a table"),
      table([["Time"], ["Left unsold", "tc-right"]], texts.curve.map(([at, value]) => html(
        "tr",
        {},
        html("td", {}, at),
        html("td", { class: "tc-right" }, value),
      ))),
    ),
  );
}

function assets(texts) {
  if (!texts.assets.length) return null;
  const rows = texts.assets.map((row) => html(
    "tr",
    {},
    html("th", { scope: "row" }, html("bdi", {}, row.currency), small(row.note)),
    amounts(row.before),
    amounts(row.after),
  ));
  return card("By asset", table([["Asset"], ["Before", "tc-right"], ["After", "tc-right"]], rows));
}

function amounts(texts) {
  const [amount, ...values] = texts ?? ["\u2014"];
  return html("td", { class: "tc-right" }, amount, values.map(small));
}

function unsold(texts) {
  if (!texts.unsold.length) return null;
  const rows = texts.unsold.map((item) => html(
    "tr",
    {},
    html("th", { scope: "row" }, html("bdi", {}, item.currency)),
    html("td", { class: "tc-right" }, item.amount, item.value.map(small)),
    html("td", {}, item.why),
  ));
  return card("What was not sold, and why", table([["Asset"], ["Amount", "tc-right"], ["Why"]], rows));
}

function details(rows) {
  const facts = rows.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, html("bdi", {}, text))]);
  return card("Details", html("dl", { class: "tc-facts" }, facts));
}

function list(title, texts) {
  if (!texts.length) return null;
  return card(title, html("ul", {}, texts.map((text) => html("li", {}, html("bdi", {}, text)))));
}

function small(text) {
  return text ? html("span", { class: "tc-small" }, text) : null;
}

function table(columns, rows) {
  const heads = columns.map(([name, style]) => html("th", { scope: "col", class: style }, name));
  return html("table", {}, html("thead", {}, html("tr", {}, heads)), html("tbody", {}, rows));
}
