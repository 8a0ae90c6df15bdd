// One DAG run, read through Airflow's own REST API with the viewer's own session: what the viewer may not see, nobody
// here sees either.

import { all, ApiError, get } from "./api.js";

const AT_ONCE = 6;
const LIQUIDATION = /^SellAllTo/;
const SETTLEMENT = /^BalancesSettledSensor$/;
const NOTHING_YET = [null, "scheduled", "queued", "upstream_failed", "removed"];

export class Run {
  constructor(dagId, runId) {
    this.path = `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
    // XComs by task instance, key and time of writing.
    this.xcoms = new Map();
    this.state = null;
    this.pairs = [];
  }

  get over() {
    return ["success", "failed"].includes(this.state);
  }

  // Read what has changed since the last time; not the curves that nobody looks at.
  async refresh(selected, progress) {
    this.state = (await get(this.path)).state;
    const [instances, liquidations, holdings, histories, facts] = await Promise.all([
      all(`${this.path}/taskInstances`, "task_instances"),
      ...["liquidation", "holdings_before", "settlement_history", "settlement_facts"].map((key) => this.written(key)),
    ]);
    this.pairs = paired(instances, liquidations, new Map([...histories, ...facts]));
    const written = { liquidations, holdings, histories, facts };
    const wanted = this.pairs.flatMap((pair) => this.wanted(pair, written, selected));
    const missing = wanted.filter(({ name }) => !this.xcoms.has(name));
    let done = 0;
    await inBatches(missing, async ({ name, instance, key }) => {
      this.xcoms.set(name, await this.read(instance, key));
      done += 1;
      progress?.(done, missing.length);
    });
    this.forgetAllBut(wanted);
  }

  async written(key) {
    const entries = await all(`${this.path}/taskInstances/~/xcomEntries`, "xcom_entries", { xcom_key: key });
    return new Map(entries.filter((entry) => entry.key === key).map((entry) => [keyOf(entry), entry.timestamp]));
  }

  wanted(pair, { liquidations, holdings, histories, facts }, selected) {
    const found = [];
    const want = (field, instance, key, version) => {
      const name = `${keyOf(instance)} ${key} ${version}`;
      pair.names[field] = name;
      found.push({ name, instance, key });
    };
    const { liquidation, settlement } = pair;
    if (liquidation) {
      const id = keyOf(liquidation);
      if (liquidations.has(id)) want("liquidation", liquidation, "liquidation", liquidations.get(id));
      if (holdings.has(id)) want("holdings_before", liquidation, "holdings_before", holdings.get(id));
      else if (liquidation.state === "success") want("account", liquidation, "return_value", liquidation.end_date);
    }
    if (settlement) {
      const id = keyOf(settlement);
      if (settlement.state === "success") want("settlement", settlement, "return_value", settlement.end_date);
      if (facts.has(id)) want("facts", settlement, "settlement_facts", facts.get(id));
      // In a fleet the curve matters where it is all that tells what is left.
      const shown = this.pairs.length === 1 || pair.key === selected || settlement.state !== "success";
      if (shown && histories.has(id)) want("history", settlement, "settlement_history", histories.get(id));
    }
    return found;
  }

  async read(instance, key) {
    const task = `${this.path}/taskInstances/${encodeURIComponent(instance.task_id)}`;
    try {
      const entry = await get(`${task}/xcomEntries/${key}`, { map_index: instance.map_index });
      return typeof entry.value === "string" ? parsed(entry.value) : entry.value;
    } catch (error) {
      // Not there: the task returned nothing, or was cleared in this moment.
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  forgetAllBut(wanted) {
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of this.xcoms.keys()) if (!names.has(name)) this.xcoms.delete(name);
  }

  // [{key, xcoms, tasks}] for every account.
  accounts() {
    return this.pairs.map(({ key, liquidation, settlement, names }) => {
      const found = Object.fromEntries(
        Object.entries(names).map(([field, name]) => [field, this.xcoms.get(name) ?? null]),
      );
      const xcoms = {
        ...found,
        account: found.account ?? asAsked(liquidation ?? settlement),
        liquidation_state: liquidation ? (liquidation.state ?? "none") : null,
        settlement_state: settlement ? (settlement.state ?? "none") : null,
      };
      return { key, xcoms, tasks: [named("Sale's task", liquidation), named("Wait's task", settlement)].filter(Boolean) };
    });
  }
}

// Put every liquidation together with the wait for the same account.
export function paired(instances, liquidations, settlements) {
  const waits = instances.filter((ti) => SETTLEMENT.test(operatorOf(ti)) || settlements.has(keyOf(ti)));
  const sales = instances.filter((ti) => LIQUIDATION.test(operatorOf(ti)) || liquidations.has(keyOf(ti)));
  const pairs = [];
  for (const sale of sales) {
    const likely = waits.map((wait) => [likeness(sale, wait), wait]).filter(([points]) => points >= 0);
    likely.sort(([one], [other]) => other - one);
    const wait = likely.length ? likely[0][1] : null;
    if (wait) waits.splice(waits.indexOf(wait), 1);
    pairs.push({ key: keyOf(sale), liquidation: sale, settlement: wait, names: {} });
  }
  return [...pairs, ...waits.map((wait) => ({ key: keyOf(wait), liquidation: null, settlement: wait, names: {} }))];
}

function likeness(sale, wait) {
  const [one, other] = [accountOf(sale), accountOf(wait)];
  if (one && other && one !== other) return -1;
  if (!(one && other) && sale.map_index !== wait.map_index) return -1;
  return (one && other ? 4 : 0) + (sale.map_index === wait.map_index ? 2 : 0) + (groupOf(sale) === groupOf(wait) ? 1 : 0);
}

function operatorOf(instance) {
  return instance.operator_name ?? instance.operator ?? "";
}

function accountOf(instance) {
  const id = instance.rendered_fields?.account_id;
  return id === null || id === undefined ? null : String(id).trim();
}

// What is known of an account before its task has said anything: the id and, if it was to bear one, the name.
function asAsked(instance) {
  const id = accountOf(instance);
  const name = instance.rendered_fields?.account_name;
  return id && /^[1-9][0-9]{0,14}$/.test(id) ? { id: Number(id), name: typeof name === "string" ? name : null } : null;
}

function groupOf(instance) {
  return instance.task_id.split(".").slice(0, -1).join(".");
}

export function keyOf({ task_id, map_index }) {
  return `${task_id}[${map_index}]`;
}

function named(title, instance) {
  if (!instance) return null;
  const index = instance.map_index >= 0 ? ` [${instance.map_index}]` : "";
  return [title, `${instance.task_id}${index}: ${NOTHING_YET.includes(instance.state) ? "not run" : instance.state}`];
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function inBatches(items, work) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
