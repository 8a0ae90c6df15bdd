// A report in words. The same as report/words.py; a test compares the two.

import * as exact from "./exact.js";
import * as times from "./times.js";
import { STATUSES } from "./build.js";

const OUTCOMES = {
  accepted: "Accepted by 3Commas",
  reconciled: "Carried out, as the account showed; the answer was lost",
  recorded: "Carried out by an earlier try of the task",
  dry_run: "Dry run, nothing was sent",
};
const NOTHING = "\u2014";
// What breaks lines, ends files or turns the direction of the text around it.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

export function visible(text) {
  return text.replace(CONTROL, "\ufffd");
}

export function describe(report) {
  const { account } = report;
  const [status, tone] = STATUSES[report.status];
  return {
    title: visible(account.name || (account.id ? `Account ${account.id}` : "Unknown account")),
    subtitle: subtitle(report),
    status,
    tone,
    headline: report.headline,
    tiles: tiles(report),
    assets: report.assets.map(asset),
    unsold: report.unsold.items.map((item) => ({
      currency: visible(item.currency),
      amount: exact.short(exact.read(item.amount)),
      value: [exact.btc(exact.read(item.btc_value)), usdOrNothing(item)],
      why: item.why,
    })),
    curve: report.settling.curve.map(([at, value]) => [times.duration(at), exact.btc(exact.read(value))]),
    details: details(report),
    evidence: report.sale.evidence.map(visible),
    notes: report.notes,
  };
}

export function describeFleet(fleet) {
  const { totals } = fleet;
  const count = totals.accounts;
  const statuses = Object.entries(totals.statuses).sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    headline: `${totals.settled} of ${count} ${count === 1 ? "account" : "accounts"} settled.`,
    statuses: statuses.map(([status, number]) => `${number} ${STATUSES[status][0].toLowerCase()}`).join(", "),
    tiles: [
      tile("Before", ...twoLines(totals.before), ofAll(totals.before, count)),
      tile("After", ...twoLines(totals.after), ofAll(totals.after, count)),
      tile("Left unsold", ...twoLines(totals.unsold), ofAll(totals.unsold, count)),
    ],
    rows: fleet.accounts.map(fleetRow),
  };
}

export function fleetRow(report) {
  const shown = describe(report);
  return {
    title: shown.title,
    subtitle: fleetSubtitle(report),
    status: shown.status,
    tone: shown.tone,
    before: cell(report.before),
    after: cell(report.after),
    slippage: percent(report, "percent_of_sold"),
    unsold: cell(report.unsold),
    time: dash(times.duration(timeToSettle(report))),
  };
}

export function timeToSettle(report) {
  const { settling } = report;
  if (report.status === "not_settled") return null;
  const took = settling.since_sale_seconds;
  return took === null && report.after ? settling.waited_seconds : took;
}

function subtitle(report) {
  const { account } = report;
  return [
    visible(account.exchange || ""),
    account.id && account.name ? `account ${account.id}` : "",
    account.mode ? `${visible(account.mode)} mode` : "",
    `into ${report.target}`,
  ].filter(Boolean).join(" · ");
}

function fleetSubtitle({ account }) {
  const paper = account.mode === "paper" ? "paper" : "";
  return [visible(account.exchange || ""), account.id ? String(account.id) : "", paper].filter(Boolean).join(" · ");
}

function tiles(report) {
  const found = [
    tile("Value before", ...twoLines(report.before)),
    tile("Value after", ...twoLines(report.after)),
    slippageTile(report),
    unsoldTile(report),
    timeTile(report),
    requestsTile(report),
  ];
  return found.some(({ value }) => value !== NOTHING) ? found : [];
}

function tile(label, value, ...lines) {
  return { label, value, detail: lines.filter(Boolean).join(" · ") };
}

function twoLines(values) {
  if (values === null || (values.btc_value === null && values.usd_value === null)) return [NOTHING, "not known"];
  return [exact.btc(exact.read(values.btc_value)), usdOrNothing(values)];
}

function ofAll(part, count) {
  return [0, count].includes(part.known) ? "" : `known of ${part.known} of ${count}`;
}

function slippageTile(report) {
  const { slippage } = report;
  if (slippage === null) return tile("Slippage", NOTHING, "not known");
  const change = exact.read(slippage.change);
  const value = exact.signed(slippage.unit === "BTC" ? exact.btc(change) : exact.usd(change));
  if (slippage.percent_of_sold === null) {
    return tile("Slippage", value, `${percent(report, "percent_of_account")} of the account`);
  }
  return tile("Slippage", percent(report, "percent_of_sold"), `${value}, of what was sold`);
}

function percent(report, name) {
  const share = exact.read(report.slippage?.[name] ?? null);
  return share === null ? NOTHING : exact.signed(`${exact.grouped(share, 2)} %`);
}

function unsoldTile(report) {
  const { unsold } = report;
  if (unsold.btc_value === null && !unsold.items.length) return tile("Left unsold", NOTHING, "not known");
  const counts = [["dust", "as dust"], ["ignored", "to be left"], ["left", "not sold"]]
    .map(([kind, word]) => [unsold.items.filter((item) => item.kind === kind).length, word])
    .filter(([number]) => number)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
  return tile("Left unsold", exact.btc(exact.read(unsold.btc_value)), counts || usdOrNothing(unsold));
}

function usdOrNothing(values) {
  return values.usd_value === null ? "" : exact.usd(exact.read(values.usd_value));
}

function timeTile(report) {
  const { settling } = report;
  const looks = settling.reads ? `${settling.reads} ${settling.reads === 1 ? "look" : "looks"}` : "";
  if (report.status === "not_settled" && settling.waited_seconds !== null) {
    return tile("Time waited", times.duration(settling.waited_seconds), "until the last look", looks);
  }
  if (timeToSettle(report) === null) return tile("Time to settle", NOTHING, "not known");
  const since = settling.since_sale_seconds === null ? "of waiting" : "from the sale";
  return tile("Time to settle", times.duration(timeToSettle(report)), since, looks);
}

function requestsTile(report) {
  const { liquidation, settlement, total } = report.requests;
  if (!liquidation && !settlement) return tile("Requests", NOTHING, "not recorded");
  const detail = `sale ${liquidation || "not recorded"}, wait ${settlement || "not recorded"}`;
  return tile("Requests", total === null ? NOTHING : String(total), detail);
}

function asset(row) {
  const notes = { dust: "left as dust", ignored: "left on purpose", left: "not sold" };
  return {
    currency: visible(row.currency),
    note: row.target ? "target" : (notes[row.left] ?? ""),
    before: sideInWords(row.before),
    after: sideInWords(row.after),
  };
}

// Amount, value in BTC and value in USD.
function sideInWords(side) {
  if (side === null) return null;
  const nothing = (name) => exact.read(side[name])?.digits === 0n;
  if (nothing("amount") && nothing("btc_value")) return ["0", "", ""];
  const tied = exact.read(side.on_orders ?? null);
  const orders = tied !== null && tied.digits !== 0n ? ` (${exact.short(tied)} in orders)` : "";
  return [
    exact.short(exact.read(side.amount)) + orders,
    exact.btc(exact.read(side.btc_value)),
    exact.usd(exact.read(side.usd_value)),
  ];
}

function cell(values) {
  return values === null || values.btc_value === null ? NOTHING : exact.btc(exact.read(values.btc_value));
}

function dash(text) {
  return text === "?" ? NOTHING : text;
}

function details(report) {
  const { sale, settling, before } = report;
  const sold = ![null, "dry_run"].includes(sale.outcome);
  return [
    ["Sale", OUTCOMES[sale.outcome] ?? "Not recorded"],
    ["Baseline read", when(before && before.at)],
    ["Sale sent", when(sale.sent_at)],
    ["Outcome known", when(sale.decided_at)],
    ["Request id", visible(sale.request_id || "")],
    [sold ? "Stopped by the sale" : "Running before", counted(sale.stopped)],
    ["Settled", when(settling.settled_at)],
    ["Dust limit", dust(report)],
  ].filter(([, text]) => text);
}

function when(at) {
  return at ? times.moment(at) : "";
}

function dust(report) {
  const limit = report.unsold.dust_btc;
  return limit === null ? "" : `${exact.short(exact.read(limit))} BTC`;
}

function counted(counts) {
  return Object.entries(counts).map(([name, count]) => {
    const words = name.replace(/^active_/, "").replace(/_count$/, "").replaceAll("_", " ");
    return `${count} ${visible(count === 1 ? words.replace(/s$/, "") : words)}`;
  }).join(", ");
}
