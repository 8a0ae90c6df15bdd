// Many accounts: a table that can be sorted and filtered, with totals.

import { html } from "./dom.js";
import { badge, tilesView } from "./view.js";

const COLUMNS = [
  { key: "title", name: "Account" },
  { key: "status", name: "Status" },
  { key: "before", name: "Before", style: "tc-right tc-wide" },
  { key: "after", name: "After", style: "tc-right" },
  { key: "slippage", name: "Slippage", style: "tc-right tc-wide" },
  { key: "unsold", name: "Left unsold", style: "tc-right tc-wide" },
  { key: "time", name: "Time", style: "tc-right tc-wide" },
];

// entries: [{key, view}]; state: {sort, descending, open}; act: {sort(key), filter(on), select(key)}.
export function fleetView(entries, shown, footer, state, act) {
  const open = entries.filter(({ view }) => !view.settled);
  const visible = sorted(state.open ? open : entries, state);
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
        totals(shown.totals),
      ),
      visible.length ? null : html("p", { class: "tc-sub" }, "None."),
    ),
    html("footer", {}, footer),
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

function line({ key, view: { row } }, act) {
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
    html("td", {}, badge(row), row.why ? html("span", { class: "tc-small tc-why" }, html("bdi", {}, row.why)) : null),
    ...COLUMNS.slice(2).map(({ key: column, style }) => html("td", { class: style }, row[column])),
  );
}

function totals(cells) {
  const cell = ([value, known]) => [value, html("span", { class: "tc-small" }, known)];
  return html(
    "tfoot",
    {},
    html(
      "tr",
      {},
      html("th", { scope: "row" }, cells.title),
      html("td", {}, cells.status),
      ...COLUMNS.slice(2).map(({ key, style }) => html("td", { class: style }, cells[key] ? cell(cells[key]) : "")),
    ),
  );
}

// What is not known comes last, in either direction.
function sorted(entries, { sort, descending }) {
  const known = entries.map((entry) => [entry, value(entry, sort)]);
  known.sort(([one, a], [other, b]) => {
    if (a === null || b === null) return (a === null) - (b === null) || byName(one, other);
    const order = a < b ? -1 : a > b ? 1 : 0;
    return (descending ? -order : order) || byName(one, other);
  });
  return known.map(([entry]) => entry);
}

function byName(one, other) {
  return one.view.row.title.localeCompare(other.view.row.title);
}

// Whole numbers as text: they may be larger than JavaScript's own are exact.
function value({ view: { sort } }, key) {
  return key === "title" || sort[key] === null ? sort[key] : BigInt(sort[key]);
}
