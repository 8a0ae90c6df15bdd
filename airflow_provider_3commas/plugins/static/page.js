// The tab "Liquidation" of a DAG run or a task instance.

import { ApiError } from "./api.js";
import { html } from "./dom.js";
import { fleetView } from "./fleet.js";
import { Rendered } from "./rendered.js";
import { keyOf, Run } from "./run.js";
import { accountView } from "./view.js";

const EVERY = 5000;
const MESSAGES = {
  401: "You are not logged in to Airflow any more. Log in again, then open this tab again.",
  403: "You are not allowed to see the tasks and XComs of this DAG.",
  404: "Airflow has no such DAG run.",
  413: "This run's XComs are too large for this tab. LiquidationReportOperator writes its report.",
  501: "This Airflow can't tell the tab who asks, so it shows nothing. LiquidationReportOperator writes a report.",
};
const NONE =
  "This run has no liquidation: no task of it is a SellAllToBtcOperator, a SellAllToUsdOperator or a " +
  "BalancesSettledSensor.";

const query = new URLSearchParams(location.search);
const place = { dagId: query.get("dag_id"), runId: query.get("run_id"), taskId: query.get("task_id") };
// Airflow leaves the placeholder as it is where there is no map index.
const mapIndex = /^\d+$/.test(query.get("map_index") ?? "") ? Number(query.get("map_index")) : -1;
const main = document.querySelector("main");
const line = document.querySelector("#state");
const run = new Run(place.dagId ?? "", place.runId ?? "");
const rendered = new Rendered();
const view = { sort: "status", descending: false, open: false, selected: null };
let accounts = [];
let drawn = "";
let timer = null;
let busy = false;

followTheme();
if (place.dagId && place.runId && !`${place.dagId}${place.runId}`.includes("{")) {
  document.querySelector("#refresh").addEventListener("click", refresh);
  document.addEventListener("visibilitychange", () => document.hidden || run.over || refresh());
  refresh();
} else {
  say("Open this page as a tab of a DAG run or of a task instance.");
}

async function refresh() {
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  try {
    await run.refresh(chosen()?.key ?? view.selected, (done, of) => {
      if (!drawn) line.textContent = `Reading ${done} of ${of} …`;
    });
    accounts = await rendered.update(run.accounts());
    draw();
    const clock = new Date().toLocaleTimeString();
    line.textContent = run.over ? `Run ended: ${run.state}.` : `Run ${run.state}; as of ${clock}, refreshed by itself.`;
    again(!run.over);
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
  }
}

function again(wanted) {
  if (wanted) timer = setTimeout(() => (document.hidden ? again(true) : refresh()), EVERY);
}

function fail(error) {
  const known = error instanceof ApiError ? MESSAGES[error.status] : null;
  if (known) {
    say(known);
    line.textContent = "";
    return;
  }
  const why = error instanceof ApiError ? error.message : "Airflow can't be reached.";
  if (!drawn) say(why);
  line.textContent = `${why} Trying again.`;
  if (!(error instanceof ApiError) && !(error instanceof TypeError)) console.error(error);
  again(true);
}

// The entry that the tab is about: the task instance's, or the only one, or the one clicked on.
function chosen() {
  const entries = run.pairs;
  const asked = entries.find(({ liquidation, settlement }) =>
    [liquidation, settlement].some((ti) => ti && keyOf(ti) === `${place.taskId}[${mapIndex}]`));
  return asked ?? (entries.length === 1 ? entries[0] : null);
}

function draw() {
  const fixed = chosen();
  const key = fixed?.key ?? view.selected;
  const one = accounts.find((account) => account.key === key);
  const state = JSON.stringify([rendered.version, accounts.map((account) => account.tasks), view, key]);
  // What has not changed is left alone: the focus, a selection, an open table.
  if (state === drawn) return;
  const [focused, opened] = [document.activeElement?.id, document.querySelector("#curve-table")?.open];
  if (!accounts.length) main.replaceChildren(html("p", { class: "tc-message" }, NONE));
  else if (one) main.replaceChildren(...back(fixed), ...shownOnly(accountView(one.view, one.tasks, rendered.footer)));
  else main.replaceChildren(...shownOnly(fleetView(accounts, rendered.fleet, rendered.footer, view, act)));
  drawn = state;
  if (opened) document.querySelector("#curve-table")?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

function shownOnly(elements) {
  return elements.filter((element) => element !== null);
}

function back(fixed) {
  if (fixed) return [];
  const go = () => {
    const key = view.selected;
    act.select(null);
    document.getElementById(`account-${key}`)?.focus();
  };
  return [html("button", { id: "back", type: "button", class: "tc-link", click: go }, "\u2190 All accounts")];
}

const act = {
  sort(key) {
    view.descending = view.sort === key ? !view.descending : !["title", "status"].includes(key);
    view.sort = key;
    draw();
  },
  filter(on) {
    view.open = on;
    draw();
  },
  select(key) {
    view.selected = key;
    draw();
    scrollTo(0, 0);
    // Its curve has not been read yet.
    if (key !== null) refresh();
  },
};

function say(text) {
  drawn = "";
  main.replaceChildren(html("p", { class: "tc-message" }, text));
}

// Airflow has a switch of its own for light and dark.
function followTheme() {
  try {
    const outside = window.parent.document.documentElement;
    if (outside === document.documentElement) return;
    const follow = () => {
      const theme = ["dark", "light"].find((name) => outside.classList.contains(name));
      if (theme) document.documentElement.dataset.theme = theme;
    };
    new MutationObserver(follow).observe(outside, { attributeFilter: ["class"] });
    follow();
  } catch {
    // Another origin frames this page: the system's preference it is.
  }
}
