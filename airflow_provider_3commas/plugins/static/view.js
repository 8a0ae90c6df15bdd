// A report as elements. The look is that of report/html.py, and so is the order.

import { curveChart, curveShape, holdingsChart } from "./charts.js";
import { html } from "./dom.js";
import { describe } from "./words.js";

const FOOTER =
  "Values are those of the account in 3Commas at the times given. Slippage counts fees, spreads and whatever prices did " +
  "while it sold; deposits and withdrawals would count too.";

export function accountView(report, tasks = []) {
  const shown = describe(report);
  return [
    html("div", { class: "tc-head" }, html("h1", {}, html("bdi", {}, shown.title)), badge(shown)),
    html("p", { class: "tc-sub" }, html("bdi", {}, shown.subtitle)),
    html("p", { class: "tc-headline" }, shown.headline),
    tilesView(shown.tiles),
    html("div", { class: "tc-charts" }, holdings(report), curve(report, shown)),
    assets(shown),
    unsold(shown),
    details([...shown.details, ...tasks]),
    list("Evidence that the sale was carried out", shown.evidence),
    list("Notes", shown.notes),
    footer(),
  ];
}

export function footer() {
  return html("footer", {}, FOOTER);
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

function holdings(report) {
  const chart = holdingsChart(report, "holdings");
  if (chart === null) return null;
  const keys = ["before", "after"].filter((name) => report[name] !== null);
  const legend = keys.map((name) => html("span", { class: `tc-key tc-key-${name}` }, name));
  return card(
    "Holdings before and after",
    html("figure", {}, html("figcaption", {}, "Value in BTC ", ...legend), chart),
  );
}

function curve(report, shown) {
  const shape = curveShape(report);
  if (shape === null) return null;
  return card(
    "Value left unsold over time",
    html("figure", {}, html("figcaption", {}, shape.caption), curveChart(report, "curve")),
    html(
      "details",
      { id: "curve-table" },
      html("summary", {}, "As a table"),
      table([["Time"], ["Left unsold", "tc-right"]], shown.curve.map(([at, value]) => html(
        "tr",
        {},
        html("td", {}, at),
        html("td", { class: "tc-right" }, value),
      ))),
    ),
  );
}

function assets(shown) {
  if (!shown.assets.length) return null;
  const rows = shown.assets.map((row) => html(
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

function unsold(shown) {
  if (!shown.unsold.length) return null;
  const rows = shown.unsold.map((item) => html(
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
