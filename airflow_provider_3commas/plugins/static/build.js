// What a liquidation did, from the XComs of the operator and the sensor.
// The same as report/build.py, sentence by sentence; a test compares the two.

import * as exact from "./exact.js";
import * as times from "./times.js";

export const VERSION = 1;
const DUST_BTC = exact.read("0.0001");
const DOLLARS = [
  "USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI", "BUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1",
];

export const STATUSES = {
  settled: ["Settled", "good"],
  settling: ["Settling", "busy"],
  selling: ["Selling", "busy"],
  pending: ["Not started", "plain"],
  sold: ["Sold", "plain"],
  dry_run: ["Dry run", "plain"],
  skipped: ["Skipped", "plain"],
  not_settled: ["Not settled", "bad"],
  failed: ["Failed", "bad"],
  not_run: ["Not run", "bad"],
  unknown: ["Unknown", "bad"],
};

const OUTCOMES = ["accepted", "reconciled", "recorded", "dry_run"];
const FAILED = ["failed", "upstream_failed", "removed"];
const PENDING = ["none", "scheduled", "queued"];
const ACTIVE = ["running", "deferred", "up_for_retry", "up_for_reschedule", "restarting", "awaiting_input"];
// What the sensor has pushed by then is not its last word.
const UNDER_WAY = [...ACTIVE, ...PENDING].filter((state) => state !== "up_for_retry");
const AMOUNTS = ["amount", "on_orders", "btc_value", "usd_value"];

export function buildReport(xcoms) {
  return new Facts(xcoms).report();
}

export function buildFleetReport(accounts) {
  const statuses = {};
  for (const { status } of accounts) statuses[status] = (statuses[status] ?? 0) + 1;
  return {
    version: VERSION,
    kind: "fleet",
    accounts,
    totals: {
      accounts: accounts.length,
      settled: statuses.settled ?? 0,
      statuses,
      before: overAccounts(accounts.map((report) => report.before)),
      after: overAccounts(accounts.map((report) => report.after)),
      unsold: overAccounts(accounts.map((report) => report.unsold)),
    },
  };
}

class Facts {
  constructor(xcoms) {
    const { account, holdings_before, liquidation, settlement, history, facts } = xcoms;
    this.notes = [];
    this.account = object(account);
    this.before = object(holdings_before);
    this.liquidation = object(liquidation);
    this.settlement = object(settlement);
    this.wait = object(facts);
    this.curve = readCurve(history);
    this.liquidationState = xcoms.liquidation_state ?? null;
    this.settlementState = xcoms.settlement_state ?? null;
    if (empty(this.settlement) && !UNDER_WAY.includes(this.settlementState)) {
      // Not settled: what is left is what the last look saw.
      this.settlement = object(this.wait.result);
    }
    this.accountId = firstId(
      this.liquidation.account_id, this.before.account_id, this.account.id, this.settlement.account_id,
      this.wait.account_id,
    );
    this.dropWhatIsAboutAnotherAccount();
    this.outcome = oneOf(this.liquidation.outcome, OUTCOMES);
    this.target =
      oneOf(this.liquidation.target, ["BTC", "USD"]) ?? oneOf(this.settlement.target, ["BTC", "USD"]) ?? "BTC";
    const criteria = object(this.wait.criteria);
    const kept = texts(criteria.target_currencies);
    this.kept = new Set(kept.length ? kept : this.target === "USD" ? DOLLARS : ["BTC"]);
    this.ignored = new Set(texts(criteria.ignore_currencies));
    this.dust = exact.read(criteria.dust_btc);
    this.holdings = amounts(this.before.holdings, AMOUNTS);
    this.residual = amounts(this.settlement.residual, ["amount", "btc_value"]);
    this.settledAt = moment(this.settlement.settled_at);
    this.sentAt = moment(this.liquidation.sent_at);
    this.status = this.findStatus();
    this.over = ["settled", "not_settled"].includes(this.status) && !empty(this.settlement);
  }

  report() {
    const [before, after] = [this.readBefore(), this.readAfter()];
    const [unsold, settling] = [this.readUnsold(), this.readSettling()];
    const [slippage, requests] = [this.findSlippage(before, after), this.countRequests()];
    this.noteWhatIsMissing(before, after);
    return {
      version: VERSION,
      kind: "account",
      account: {
        id: this.accountId,
        name: words(this.before.account_name) ?? words(this.account.name),
        exchange: words(this.before.exchange_name) ?? words(this.account.exchange_name),
        mode: words(this.liquidation.mode),
      },
      target: this.target,
      status: this.status,
      headline: this.headline(after, unsold, settling),
      sale: this.readSale(),
      before,
      after,
      assets: this.assets(after),
      unsold,
      settling,
      slippage,
      requests,
      notes: this.notes,
    };
  }

  dropWhatIsAboutAnotherAccount() {
    for (const [name, key, what] of [
      ["before", "account_id", "holdings before the sale"],
      ["account", "id", "Account that the sale returned"],
      ["settlement", "account_id", "settlement"],
      ["wait", "account_id", "record of the wait"],
    ]) {
      const other = firstId(this[name][key]);
      if (other === null || other === this.accountId) continue;
      this.notes.push(`Left out: the ${what} is of another account, ${other}.`);
      this[name] = {};
      if (name === "settlement") this.curve = [];
    }
  }

  findStatus() {
    if (this.outcome === "dry_run") return "dry_run";
    if (this.settledAt) return "settled";
    if (this.outcome || !empty(this.settlement)) return this.statusAfterSale();
    const state = this.liquidationState;
    if (state === "failed") return "failed";
    if (FAILED.includes(state)) return "not_run";
    if (state === "skipped") return "skipped";
    if (ACTIVE.includes(state)) return "selling";
    return PENDING.includes(state) ? "pending" : "unknown";
  }

  statusAfterSale() {
    if (!empty(this.settlement) || this.curve.length || [...FAILED, "skipped"].includes(this.settlementState)) {
      return "not_settled";
    }
    return [...ACTIVE, ...PENDING].includes(this.settlementState) ? "settling" : "sold";
  }

  headline(after, unsold, settling) {
    switch (this.status) {
      case "settled": return this.settledHeadline(after, unsold, settling);
      case "settling": return `The sale into ${this.target} was accepted; waiting for the balances to settle.`;
      case "selling": return "The liquidation is under way.";
      case "pending": return "The liquidation has not started yet.";
      case "sold": return `The sale into ${this.target} was accepted. Whether it has settled is not known here.`;
      case "dry_run": return `Dry run: nothing was sold. A real run would sell everything into ${this.target}.`;
      case "skipped": return "The liquidation was skipped: nothing was sold by this task.";
      case "not_settled": return this.unsettledHeadline(unsold);
      case "failed":
        return "The liquidation failed. Its log says whether anything was sold; if in doubt, look at the account in " +
          "3Commas.";
      case "not_run":
        return "The liquidation did not run: a task before it has failed. Nothing was sold by this task.";
      default: return "What became of the liquidation is not recorded.";
    }
  }

  settledHeadline(after, unsold, settling) {
    const amount = exact.read(after?.target_amount ?? null);
    const sinceSale = settling.since_sale_seconds;
    const took = sinceSale ?? settling.waited_seconds;
    const when = took === null ? "" : ` ${times.duration(took)} ${sinceSale === null ? "of waiting" : "after the sale"}`;
    const rest = unsold.items.length ? `${worth(unsold)} left unsold` : "nothing is left unsold";
    return `Settled${when}: the account holds ${exact.short(amount)} ${this.target}, and ${rest}.`;
  }

  unsettledHeadline(unsold) {
    const seen = unsold.btc_value === null ? "" : ` At the last look, ${worth(unsold)} left unsold.`;
    return `The account has not settled.${seen} Look at it in 3Commas.`;
  }

  readSale() {
    const entities = Object.entries(object(this.before.entities));
    const stopped = entities.filter(([name, count]) => isCount(count) && name.endsWith("_count"));
    return {
      outcome: this.outcome,
      sent_at: this.sentAt,
      decided_at: moment(this.liquidation.decided_at),
      request_id: words(this.liquidation.request_id),
      evidence: texts(this.liquidation.evidence),
      stopped: Object.fromEntries(stopped.sort(([a], [b]) => byText(a, b))),
    };
  }

  readBefore() {
    if (empty(this.before)) return null;
    return { at: moment(this.before.taken_at), ...values(this.before), complete: this.before.complete === true };
  }

  readAfter() {
    if (!this.over) return null;
    const amount = exact.plain(exact.read(this.settlement.target_amount));
    return { at: this.settledAt, ...values(this.settlement), target_amount: amount };
  }

  assets(after) {
    const rows = new Map();
    for (const held of this.holdings) {
      const row = this.row(rows, held.currency, this.kept.has(held.currency));
      row.before = merged(row.before, held);
    }
    if (after !== null) this.addAfter(rows, after);
    const found = [...rows.values()].sort((one, other) => byText(one.currency, other.currency));
    found.sort((one, other) => exact.compare(weight(other), weight(one)));
    return found.map((row) => ({ ...row, before: written(row.before), after: written(row.after) }));
  }

  row(rows, currency, kept) {
    const name = kept ? this.target : currency;
    const key = JSON.stringify([kept, name]);
    if (!rows.has(key)) rows.set(key, { currency: name, target: kept, before: null, after: null, left: null });
    return rows.get(key);
  }

  addAfter(rows, after) {
    const left = exact.total(this.residual.map((item) => item.btc_value));
    const target = this.row(rows, this.target, true);
    const [amount, all] = [exact.read(after.target_amount), exact.read(after.btc_value)];
    const onlyBtc = this.kept.size === 1 && this.kept.has("BTC");
    const value = onlyBtc ? amount : exact.subtract(all, left);
    target.after = { amount, btc_value: value, usd_value: this.inUsd(value) };
    for (const item of this.residual) {
      const row = this.row(rows, item.currency, false);
      row.after = { amount: item.amount, btc_value: item.btc_value, usd_value: this.inUsd(item.btc_value) };
      row.left = this.whyLeft(item)[0];
    }
    for (const row of rows.values()) {
      row.after ??= { amount: exact.ZERO, btc_value: exact.ZERO, usd_value: exact.ZERO };
    }
  }

  inUsd(btcValue) {
    const [usd, btc] = [exact.read(this.settlement.usd_value), exact.read(this.settlement.btc_value)];
    return exact.scale(btcValue, usd, btc, 2);
  }

  readUnsold() {
    const dust = exact.plain(this.dust);
    if (!this.over) {
      const last = this.curve.length ? this.curve.at(-1)[1] : null;
      return { btc_value: exact.plain(last), usd_value: null, dust_btc: dust, items: [] };
    }
    const items = this.residual.map((item) => {
      const [kind, why] = this.whyLeft(item);
      return {
        currency: item.currency,
        amount: exact.plain(item.amount),
        btc_value: exact.plain(item.btc_value),
        usd_value: exact.plain(this.inUsd(item.btc_value)),
        kind,
        why,
      };
    });
    const all = exact.total(this.residual.map((item) => item.btc_value));
    return { btc_value: exact.plain(all), usd_value: exact.plain(this.inUsd(all)), dust_btc: dust, items };
  }

  whyLeft(item) {
    const limit = this.dust ?? DUST_BTC;
    const bound = `${exact.short(limit)} BTC${this.dust === null ? " (the sensor's default limit)" : ""}`;
    if (item.btc_value === null) return ["left", "What it is worth is not known."];
    if (item.btc_value.digits < 0n) return ["left", "It is owed, not held."];
    if (this.ignored.has(item.currency)) {
      return ["ignored", "It may be left whatever it is worth: it is among ignore_currencies."];
    }
    if (exact.compare(item.btc_value, limit) <= 0) {
      return ["dust", `Dust: worth no more than ${bound}, too little for an order on the exchange.`];
    }
    if (this.status === "settled") {
      return ["ignored", `Worth more than ${bound}: it was to be left (ignore_currencies), or the limit is higher.`];
    }
    return ["left", "It has not been sold."];
  }

  readSettling() {
    const waited = times.seconds(this.settlement.waited_seconds);
    const sinceSale = times.secondsBetween(this.sentAt, this.settledAt);
    const known = sinceSale !== null && waited !== null;
    const offset = known ? Math.max(times.tenths(sinceSale) - times.tenths(waited), 0) / 10 : null;
    return {
      settled_at: this.settledAt,
      since_sale_seconds: sinceSale,
      waited_seconds: waited,
      reads: knownCount(this.settlement.reads),
      curve_from: known ? "sale" : "wait",
      curve: this.points(offset, known ? sinceSale : waited),
    };
  }

  points(offset, end) {
    const points = this.curve.map(([at, value]) => [times.tenths(at) + times.tenths(offset ?? 0), value]);
    if (!points.length) return [];
    const unsold = this.holdings.filter((held) => !this.kept.has(held.currency)).map((held) => held.btc_value);
    if (offset !== null && unsold.length && points[0][0] > 0) points.unshift([0, exact.add(unsold)]);
    if (end !== null && times.tenths(end) > points.at(-1)[0]) points.push([times.tenths(end), points.at(-1)[1]]);
    return points.map(([at, value]) => [at / 10, exact.plain(value)]);
  }

  findSlippage(before, after) {
    if (before === null || after === null) return null;
    const unit = this.target === "BTC" ? "btc_value" : "usd_value";
    const was = exact.read(before[unit]);
    const change = exact.subtract(exact.read(after[unit]), was);
    if (change === null) return null;
    // Of what is still there to the last unit nothing was sold, though its price has moved.
    const others = this.holdings.filter((held) => !this.kept.has(held.currency));
    const gone = exact.total(others.filter((held) => !isAmong(held, this.residual)).map((held) => held[unit]));
    const changed = this.residual.filter((item) => !isAmong(item, others));
    const left = exact.total(changed.map((item) => item.btc_value));
    let sold = exact.subtract(gone, this.target === "BTC" ? left : this.inUsd(left));
    if (sold !== null && sold.digits <= 0n) sold = null;
    return {
      unit: this.target,
      change: exact.plain(change),
      sold: exact.plain(sold),
      percent_of_sold: exact.plain(exact.scale(change, exact.of(100), sold, 4)),
      percent_of_account: exact.plain(exact.scale(change, exact.of(100), was, 4)),
    };
  }

  countRequests() {
    const [sale, wait] = [knownCount(this.liquidation.requests), knownCount(this.wait.requests)];
    return { liquidation: sale, settlement: wait, total: sale === null || wait === null ? null : sale + wait };
  }

  noteWhatIsMissing(before, after) {
    this.noteSale();
    this.noteBaseline(before);
    const sent = this.outcome && this.outcome !== "dry_run";
    if (sent && empty(this.settlement) && this.settlementState === null) {
      this.notes.push("No settlement: no sensor has waited for this account, or it has not ended well.");
    }
    if (after !== null && !this.curve.length) {
      this.notes.push("The value left unsold over time was not recorded.");
    }
    if (after !== null && this.dust === null && this.residual.length) {
      this.notes.push(
        `The sensor did not record its dust limit; ${exact.short(DUST_BTC)} BTC, the default, is assumed.`,
      );
    }
  }

  noteSale() {
    if (this.outcome === "reconciled") {
      this.notes.push(
        "The answer to the sale was lost. That it was carried out is known from what the account showed.",
      );
    }
    if (this.outcome === "recorded") {
      this.notes.push(
        "This task had sold the account before, in an earlier try; it sent nothing again. The sale and the " +
          "baseline are those of that try.",
      );
    }
    if (this.outcome === null && !empty(this.settlement)) {
      this.notes.push("What became of the sale is not recorded: only the wait is.");
    }
  }

  noteBaseline(before) {
    if (before === null && (this.outcome || !empty(this.settlement))) {
      this.notes.push(
        "No baseline: the account was not read before the sale (preflight was off), so neither its holdings " +
          "then nor the slippage are known.",
      );
    }
    if (before !== null && !before.complete) {
      this.notes.push(
        "The baseline is not exact: the balances did not add up to the account's value when it was read.",
      );
    }
  }
}

// Whether the same amount of the same asset is there.
function isAmong({ currency, amount }, others) {
  return amount !== null && others.some((other) =>
    other.currency === currency && other.amount !== null && exact.compare(other.amount, amount) === 0);
}

function worth(unsold) {
  const value = exact.read(unsold.btc_value);
  return value === null ? "assets of unknown worth are" : `assets worth ${exact.btc(value)} are`;
}

function object(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? { ...value } : {};
}

function empty(value) {
  return Object.keys(value).length === 0;
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function words(value) {
  return typeof value === "string" && value ? value : null;
}

function texts(value) {
  return list(value).filter((item) => typeof item === "string");
}

function oneOf(value, known) {
  return known.includes(value) ? value : null;
}

function isCount(value) {
  return Number.isSafeInteger(value) && value > 0;
}

function knownCount(value) {
  return isCount(value) ? value : null;
}

function firstId(...ids) {
  return ids.find(isCount) ?? null;
}

function moment(value) {
  return times.milliseconds(value) === null ? null : value;
}

function readCurve(history) {
  return list(history)
    .filter((point) => Array.isArray(point) && point.length === 2)
    .map(([at, value]) => [times.seconds(at), exact.read(value)])
    .filter(([at, value]) => at !== null && value !== null)
    .sort(([one], [other]) => one - other);
}

function values(source) {
  return { btc_value: exact.plain(exact.read(source.btc_value)), usd_value: exact.plain(exact.read(source.usd_value)) };
}

function amounts(value, names) {
  return list(value)
    .map(object)
    .filter((item) => words(item.currency))
    .map((item) => ({
      currency: item.currency,
      ...Object.fromEntries(names.map((name) => [name, exact.read(item[name])])),
    }));
}

function merged(soFar, held) {
  return Object.fromEntries(
    AMOUNTS.map((name) => [name, soFar === null ? held[name] : exact.total([soFar[name], held[name]])]),
  );
}

function written(side) {
  return side && Object.fromEntries(Object.entries(side).map(([name, amount]) => [name, exact.plain(amount)]));
}

function weight(row) {
  const known = [row.before, row.after].filter((side) => side && side.btc_value !== null).map((side) => side.btc_value);
  return exact.most(known) ?? exact.of(-1);
}

// By code point, as Python does.
function byText(one, other) {
  const [a, b] = [Array.from(one), Array.from(other)];
  const at = a.findIndex((letter, index) => letter !== b[index]);
  if (at < 0) return a.length - b.length;
  return at >= b.length ? 1 : a[at].codePointAt(0) - b[at].codePointAt(0);
}

function overAccounts(parts) {
  const known = (name) => parts.map((part) => exact.read(part?.[name] ?? null)).filter((value) => value !== null);
  const [btc, usd] = [known("btc_value"), known("usd_value")];
  // Two sums side by side have to be over the same accounts.
  const sum = (found) => (found.length && found.length === btc.length ? exact.plain(exact.add(found)) : null);
  return { btc_value: sum(btc), usd_value: sum(usd), known: btc.length };
}
