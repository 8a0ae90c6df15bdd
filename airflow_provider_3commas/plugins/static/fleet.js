// Many accounts: a table that can be sorted and filtered, with totals.

import * as exact from "./exact.js";
import { buildFleetReport, STATUSES } from "./build.js";
import { html } from "./dom.js";
import { badge, footer, tilesView } from "./view.js";
import { describeFleet, timeToSettle } from "./words.js";

const TONES = ["bad", "busy", "plain", "good"];
const COLUMNS = [
  { key: "title", name: "Account" },
  { key: "status", name: "Status" },
  { key: "before", name: "Before", style: "tc-right tc-wide" },
  { key: "after", name: "After", style: "tc-right" },
  { key: "slippage", name: "Slippage", style: "tc-right tc-wide" },
  { key: "unsold", name: "Left unsold", style: "tc-right tc-wide" },
  { key: "time", name: "Time", style: "tc-right tc-wide" },
];

// entries: [{key, report}]; state: {sort, descending, open}; act: {sort(key), filter(on), select(key)}.
export function fleetView(entries, state, act) {
  const fleet = buildFleetReport(entries.map((entry) => entry.report));
  const shown = describeFleet(fleet);
  const rows = entries.map((entry, number) => ({ ...entry, row: shown.rows[number] }));
  const open = rows.filter(({ report }) => report.status !== "settled");
  const visible = sorted(state.open ? open : rows, state);
  return [
    html("div", { class: "tc-head" }, html("h1", {}, "Liquidation of a fleet")),
    html("p", { class: "tc-sub" }, shown.statuses),
    html("p", { class: "tc-headline" }, shown.headline),
    tilesView(shown.tiles),
    html(
      "section",
      { class: "tc-card" },
      html("h2", {}, "Accounts"),
      html(
        "label",
        { class: "tc-filter" },
        html("input", {
          id: "open-only",
          type: "checkbox",
          checked: state.open ? "" : null,
          change: (event) => act.filter(event.target.checked),
        }),
        ` Only what is not settled (${open.length})`,
      ),
      html(
        "table",
        { class: "tc-fleet" },
        html("thead", {}, html("tr", {}, COLUMNS.map((column) => head(column, state, act)))),
        html("tbody", {}, visible.map((entry) => line(entry, act))),
        totals(fleet, shown),
      ),
      visible.length ? null : html("p", { class: "tc-sub" }, "None."),
    ),
    footer(),
  ];
}

function head({ key, name, style }, state, act) {
  const active = state.sort === key;
  const order = active ? (state.descending ? "descending" : "ascending") : null;
  const arrow = active ? (state.descending ? " \u2193" : " \u2191") : "";
  return html(
    "th",
    { scope: "col", class: style, "aria-sort": order },
    html("button", { id: `sort-${key}`, type: "button", class: "tc-sort", click: () => act.sort(key) }, name, arrow),
  );
}

function line({ key, row }, act) {
  return html(
    "tr",
    {},
    html(
      "th",
      { scope: "row", class: "tc-account" },
      html(
        "button",
        { type: "button", class: "tc-link", id: `account-${key}`, click: () => act.select(key) },
        html("bdi", { class: "tc-clip" }, row.title),
      ),
      html("span", { class: "tc-small" }, html("bdi", {}, row.subtitle)),
    ),
    html("td", {}, badge(row)),
    ...COLUMNS.slice(2).map(({ key: column, style }) => html("td", { class: style }, row[column])),
  );
}

function totals(fleet, shown) {
  const count = fleet.totals.accounts;
  const cells = Object.fromEntries(["before", "after", "unsold"].map((key, number) => [
    key,
    [shown.tiles[number].value, html("span", { class: "tc-small" }, `${fleet.totals[key].known} of ${count}`)],
  ]));
  return html(
    "tfoot",
    {},
    html(
      "tr",
      {},
      html("th", { scope: "row" }, `All ${count}`),
      html("td", {}, `${fleet.totals.settled} settled`),
      ...COLUMNS.slice(2).map(({ key, style }) => html("td", { class: style }, cells[key] ?? "")),
    ),
  );
}

// What is not known comes last, in either direction.
export function sorted(rows, { sort, descending }) {
  const known = rows.map((entry) => [entry, value(entry, sort)]);
  known.sort(([one, a], [other, b]) => {
    if (a === null || b === null) return (a === null) - (b === null) || byName(one, other);
    const order = typeof a === "object" ? exact.compare(a, b) : a < b ? -1 : a > b ? 1 : 0;
    return (descending ? -order : order) || byName(one, other);
  });
  return known.map(([entry]) => entry);
}

function byName(one, other) {
  return one.row.title.localeCompare(other.row.title);
}

function value({ report, row }, sort) {
  switch (sort) {
    case "title": return row.title.toLowerCase();
    case "status": return TONES.indexOf(STATUSES[report.status][1]);
    case "slippage": return exact.read(report.slippage?.percent_of_sold ?? null);
    case "time": return timeToSettle(report);
    default: return exact.read(report[sort]?.btc_value ?? null);
  }
}
