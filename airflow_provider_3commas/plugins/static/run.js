// One DAG run, read through Airflow's own REST API with the viewer's own session: what the viewer may not see, nobody
// here sees either.

import { ApiError, get, getAll } from "./api.js";

const PARALLEL = 6;
const LIQUIDATION = /^SellAllTo/;
const SETTLEMENT = /^BalancesSettledSensor$/;
const NOT_RUN = [null, "scheduled", "queued", "upstream_failed", "removed"];
// By the arguments of build_report, the keys in xcom_keys.py.
const KEYS = {
  liquidation: "liquidation",
  holdings_before: "holdings_before",
  history: "settlement_history",
  facts: "settlement_facts",
};

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
    const [instances, ...times] = await Promise.all([
      getAll(`${this.path}/taskInstances`, "task_instances"),
      ...Object.values(KEYS).map((key) => this.writingTimes(key)),
    ]);
    const written = Object.fromEntries(Object.keys(KEYS).map((argument, number) => [argument, times[number]]));
    this.pairs = pairTasks(instances, written);
    for (const pair of this.pairs) pair.needed = this.neededXComs(pair, written, selected);
    const needed = this.pairs.flatMap((pair) => pair.needed);
    const missing = needed.filter(({ name }) => !this.xcoms.has(name));
    let done = 0;
    await forEachParallel(missing, async (xcom) => {
      this.xcoms.set(xcom.name, await this.readXCom(xcom));
      done += 1;
      progress?.(done, missing.length);
    });
    const names = new Set(needed.map(({ name }) => name));
    for (const name of this.xcoms.keys()) if (!names.has(name)) this.xcoms.delete(name);
  }

  // When which task instance has written an XCom.
  async writingTimes(key) {
    const entries = await getAll(`${this.path}/taskInstances/~/xcomEntries`, "xcom_entries", { xcom_key: key });
    return new Map(entries.filter((entry) => entry.key === key).map((entry) => [keyOf(entry), entry.timestamp]));
  }

  neededXComs({ key: pairKey, liquidation, settlement }, written, selected) {
    const needed = [];
    const add = (argument, instance, key, version) =>
      needed.push({ argument, instance, key, name: `${keyOf(instance)} ${key} ${version}` });
    const addPushed = (argument, instance) => {
      const version = written[argument].get(keyOf(instance));
      if (version !== undefined) add(argument, instance, KEYS[argument], version);
    };
    const addReturned = (argument, instance) => {
      if (instance.state === "success") add(argument, instance, "return_value", instance.end_date);
    };
    if (liquidation) {
      addPushed("liquidation", liquidation);
      addPushed("holdings_before", liquidation);
      if (!written.holdings_before.has(keyOf(liquidation))) addReturned("account", liquidation);
    }
    if (settlement) {
      addReturned("settlement", settlement);
      addPushed("facts", settlement);
      // In a fleet the curve matters where it is all that tells what is left.
      const shown = this.pairs.length === 1 || pairKey === selected || settlement.state !== "success";
      if (shown) addPushed("history", settlement);
    }
    return needed;
  }

  async readXCom({ instance, key }) {
    const task = `${this.path}/taskInstances/${encodeURIComponent(instance.task_id)}`;
    try {
      const { value } = await get(`${task}/xcomEntries/${key}`, { map_index: instance.map_index });
      return typeof value === "string" ? parseJson(value) : value;
    } catch (error) {
      // Not there: the task returned nothing, or was cleared in this moment.
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  // [{key, xcoms, tasks}] for every account.
  accounts() {
    return this.pairs.map(({ key, liquidation, settlement, needed }) => {
      const read = Object.fromEntries(needed.map(({ argument, name }) => [argument, this.xcoms.get(name) ?? null]));
      const xcoms = {
        ...read,
        account: read.account ?? accountByParameters(liquidation ?? settlement),
        liquidation_state: liquidation ? (liquidation.state ?? "none") : null,
        settlement_state: settlement ? (settlement.state ?? "none") : null,
      };
      const tasks = [taskDetail("Sale's task", liquidation), taskDetail("Wait's task", settlement)];
      return { key, xcoms, tasks: tasks.filter(Boolean) };
    });
  }
}

// Put every liquidation together with the wait for the same account.
function pairTasks(instances, { liquidation, history, facts }) {
  const waits = instances.filter((instance) =>
    SETTLEMENT.test(operatorOf(instance)) || history.has(keyOf(instance)) || facts.has(keyOf(instance)));
  const sales = instances.filter((instance) =>
    LIQUIDATION.test(operatorOf(instance)) || liquidation.has(keyOf(instance)));
  const pairs = [];
  for (const sale of sales) {
    const candidates = waits.map((wait) => [matchScore(sale, wait), wait]).filter(([score]) => score >= 0);
    candidates.sort(([one], [other]) => other - one);
    const wait = candidates[0]?.[1] ?? null;
    if (wait) waits.splice(waits.indexOf(wait), 1);
    pairs.push({ key: keyOf(sale), liquidation: sale, settlement: wait });
  }
  return [...pairs, ...waits.map((wait) => ({ key: keyOf(wait), liquidation: null, settlement: wait }))];
}

// How likely a sale and a wait are of the same account; negative if they are not.
function matchScore(sale, wait) {
  const [one, other] = [accountOf(sale), accountOf(wait)];
  const sameIndex = sale.map_index === wait.map_index;
  if (one && other ? one !== other : !sameIndex) return -1;
  return (one && other ? 4 : 0) + (sameIndex ? 2 : 0) + (groupOf(sale) === groupOf(wait) ? 1 : 0);
}

function operatorOf(instance) {
  return instance.operator_name ?? instance.operator ?? "";
}

function accountOf(instance) {
  const id = instance.rendered_fields?.account_id;
  return id === null || id === undefined ? null : String(id).trim();
}

// What is known of an account before its task has pushed anything: the id and, if it was to bear one, the name.
function accountByParameters(instance) {
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

function taskDetail(title, instance) {
  if (!instance) return null;
  const index = instance.map_index >= 0 ? ` [${instance.map_index}]` : "";
  return [title, `${instance.task_id}${index}: ${NOT_RUN.includes(instance.state) ? "not run" : instance.state}`];
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function forEachParallel(items, work) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
}
