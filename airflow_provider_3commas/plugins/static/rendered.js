// What is drawn of each account, as the server renders it; only what has changed is sent there.

import { render } from "./api.js";

// The route takes 2 MB and 500 accounts at a time.
const MOST_BYTES = 1_000_000;
const MOST_ACCOUNTS = 200;
const encoder = new TextEncoder();

export class Rendered {
  constructor() {
    // By account's key: the XComs as they were sent, and the answer.
    this.known = new Map();
    this.fleet = null;
    this.footer = "";
    this.version = 0;
  }

  // accounts: [{key, xcoms, ...}], all of them; returned with the view of each. Others are forgotten.
  async update(accounts) {
    const texts = accounts.map(({ key, xcoms }) => ({ key, text: JSON.stringify(xcoms) }));
    const keys = new Set(accounts.map(({ key }) => key));
    const gone = [...this.known.keys()].filter((key) => !keys.has(key));
    gone.forEach((key) => this.known.delete(key));
    const changed = texts.filter(({ key, text }) => this.known.get(key)?.text !== text);
    if (changed.length || gone.length) {
      for (const batch of inBatches(changed)) await this.send(batch);
      this.version += 1;
    }
    return accounts.map((account) => ({ ...account, view: this.known.get(account.key).view }));
  }

  async send(batch) {
    const sentKeys = new Set(batch.map(({ key }) => key));
    const others = [...this.known].filter(([key]) => !sentKeys.has(key)).map(([, { view }]) => view.part);
    const body = `{"accounts":[${batch.map(({ text }) => text).join(",")}],"others":${JSON.stringify(others)}}`;
    const { accounts, fleet, footer } = await render(body);
    batch.forEach(({ key, text }, number) => this.known.set(key, { text, view: accounts[number] }));
    this.fleet = fleet;
    this.footer = footer;
  }
}

// At least one, though it may be empty: the totals change when an account goes, too.
function inBatches(accounts) {
  const batches = [[]];
  let bytes = 0;
  for (const account of accounts) {
    const size = encoder.encode(account.text).length;
    if (batches.at(-1).length && (bytes + size > MOST_BYTES || batches.at(-1).length === MOST_ACCOUNTS)) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1).push(account);
    bytes += size;
  }
  return batches;
}
