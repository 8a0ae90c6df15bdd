// Many accounts: a table that can be sorted and filtered, with totals.

import { html } from "./dom.js";
import { badge, bdi, card, cell, row, rowHead, small, tileList } from "./view.js";

const COLUMNS = [
  { key: "title", name: "Account" },
  { key: "status", name: "Status" },
  { key: "before", name: "Before", style: "tc-right tc-wide" },
  { key: "after", name: "After", style: "tc-right" },
  { key: "slippage", name: "Slippage", style: "tc-right tc-wide" },
  { key: "unsold", name: "Left unsold", style: "tc-right tc-wide" },
  { key: "time", name: "Time", style: "tc-right tc-wide" },
];
const NUMBERS = COLUMNS.slice(2);

// accounts: [{key, view}]; options: {sort, descending, onlyOpen}; actions: {sort(key), filter(onlyOpen), select(key)}.
export function fleetView(accounts, texts, footer, options, actions) {
  const open = accounts.filter(({ view }) => !view.settled);
  const shown = sorted(options.onlyOpen ? open : accounts, options);
  const table = html(
    "table",
    { class: "tc-fleet" },
    html("thead", {}, row(COLUMNS.map((column) => columnHead(column, options, actions)))),
    html("tbody", {}, shown.map((account) => accountRow(account, actions))),
    html("tfoot", {}, totalsRow(texts.totals)),
  );
  return [
    html("div", { class: "tc-head" }, html("h1", {}, "Liquidation of a fleet")),
    html("p", { class: "tc-sub" }, texts.statuses),
    html("p", { class: "tc-headline" }, texts.headline),
    tileList(texts.tiles),
    card(
      "Accounts",
      filter(open.length, options, actions),
      table,
      shown.length ? null : html("p", { class: "tc-sub" }, "None."),
    ),
    html("footer", {}, footer),
  ];
}

function filter(count, { onlyOpen }, actions) {
  const change = (event) => actions.filter(event.target.checked);
  const box = html("input", { id: "open-only", type: "checkbox", checked: onlyOpen ? "" : null, change });
  return html("label", { class: "tc-filter" }, box, ` Only what is not settled (${count})`);
}

function columnHead({ key, name, style }, options, actions) {
  const order = options.sort !== key ? null : options.descending ? "descending" : "ascending";
  const arrow = { ascending: " \u2191", descending: " \u2193" }[order] ?? "";
  const click = () => actions.sort(key);
  const button = html("button", { id: `sort-${key}`, type: "button", class: "tc-sort", click }, name, arrow);
  return html("th", { scope: "col", class: style, "aria-sort": order }, button);
}

function accountRow({ key, view: { row: texts } }, actions) {
  const link = { type: "button", class: "tc-link", id: `account-${key}`, click: () => actions.select(key) };
  return row(
    html(
      "th",
      { scope: "row", class: "tc-account" },
      html("button", link, bdi(texts.title, "tc-clip")),
      html("span", { class: "tc-small" }, bdi(texts.subtitle)),
    ),
    cell(null, badge(texts), texts.why ? html("span", { class: "tc-small tc-why" }, bdi(texts.why)) : null),
    ...NUMBERS.map(({ key: column, style }) => cell(style, texts[column])),
  );
}

function totalsRow({ title, status, ...sums }) {
  const sum = ({ key, style }) => {
    const [value, coverage] = sums[key] ?? [];
    return cell(style, value, small(coverage));
  };
  return row(rowHead(title), cell(null, status), ...NUMBERS.map(sum));
}

// What is not known comes last, in either direction.
function sorted(accounts, { sort, descending }) {
  const keyed = accounts.map((account) => [account, sortKey(account, sort)]);
  keyed.sort(([one, a], [other, b]) => {
    if (a === null || b === null) return (a === null) - (b === null) || byTitle(one, other);
    const order = a < b ? -1 : a > b ? 1 : 0;
    return (descending ? -order : order) || byTitle(one, other);
  });
  return keyed.map(([account]) => account);
}

function byTitle(one, other) {
  return one.view.row.title.localeCompare(other.view.row.title);
}

// Whole numbers as text: they may be larger than JavaScript's own are exact.
function sortKey({ view: { sort } }, column) {
  return column === "title" || sort[column] === null ? sort[column] : BigInt(sort[column]);
}
