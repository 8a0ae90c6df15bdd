// The tab "Liquidation" of a DAG run or a task instance.

import { ApiError } from "./api.js";
import { html, present } from "./dom.js";
import { fleetView } from "./fleet.js";
import { Rendered } from "./rendered.js";
import { keyOf, Run } from "./run.js";
import { accountView } from "./view.js";

const REFRESH_MS = 5000;
const MESSAGES = {
  401: "You are not logged in to Airflow any more. Log in again, then open this tab again.",
  403: "You are not allowed to see the tasks and XComs of this DAG.",
  404: "Airflow has no such DAG run.",
  413: "This run's XComs are too large for this tab. LiquidationReportOperator writes its report.",
  501: "This Airflow can't tell the tab who asks, so it shows nothing. LiquidationReportOperator writes a report.",
};
const NO_LIQUIDATION =
  "This run has no liquidation: no task of it is a SellAllToBtcOperator, a SellAllToUsdOperator or a " +
  "BalancesSettledSensor.";

const query = new URLSearchParams(location.search);
const asked = { dagId: query.get("dag_id"), runId: query.get("run_id"), taskId: query.get("task_id") };
// Airflow leaves the placeholder as it is where there is no map index.
const mapIndex = /^\d+$/.test(query.get("map_index") ?? "") ? Number(query.get("map_index")) : -1;
const main = document.querySelector("main");
const stateLine = document.querySelector("#state");
const run = new Run(asked.dagId ?? "", asked.runId ?? "");
const rendered = new Rendered();
const options = { sort: "status", descending: false, onlyOpen: false, selected: null };
let accounts = [];
let drawnState = "";
let timer = null;
let busy = false;

followTheme();
if (asked.dagId && asked.runId && !`${asked.dagId}${asked.runId}`.includes("{")) {
  document.querySelector("#refresh").addEventListener("click", refresh);
  document.addEventListener("visibilitychange", () => document.hidden || run.over || refresh());
  refresh();
} else {
  showMessage("Open this page as a tab of a DAG run or of a task instance.");
}

async function refresh() {
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  try {
    await run.refresh(pairOfTab()?.key ?? options.selected, (done, total) => {
      if (!drawnState) stateLine.textContent = `Reading ${done} of ${total} …`;
    });
    accounts = await rendered.update(run.accounts());
    draw();
    const clock = new Date().toLocaleTimeString();
    stateLine.textContent = run.over ? `Run ended: ${run.state}.` : `Run ${run.state}; as of ${clock}, refreshed by itself.`;
    if (!run.over) scheduleRefresh();
  } catch (error) {
    showError(error);
  } finally {
    busy = false;
  }
}

function scheduleRefresh() {
  timer = setTimeout(() => (document.hidden ? scheduleRefresh() : refresh()), REFRESH_MS);
}

function showError(error) {
  const known = error instanceof ApiError ? MESSAGES[error.status] : null;
  if (known) {
    showMessage(known);
    stateLine.textContent = "";
    return;
  }
  const why = error instanceof ApiError ? error.message : "Airflow can't be reached.";
  if (!drawnState) showMessage(why);
  stateLine.textContent = `${why} Trying again.`;
  if (!(error instanceof ApiError) && !(error instanceof TypeError)) console.error(error);
  scheduleRefresh();
}

// The pair of tasks that the whole tab is about: the task instance's, or the only one.
function pairOfTab() {
  const pairOfTask = run.pairs.find(({ liquidation, settlement }) =>
    [liquidation, settlement].some((ti) => ti && keyOf(ti) === `${asked.taskId}[${mapIndex}]`));
  return pairOfTask ?? (run.pairs.length === 1 ? run.pairs[0] : null);
}

function draw() {
  const pair = pairOfTab();
  const key = pair?.key ?? options.selected;
  const account = accounts.find((each) => each.key === key);
  const state = JSON.stringify([rendered.version, accounts.map(({ tasks }) => tasks), options, key]);
  // What has not changed is left alone: the focus, a selection, an open table.
  if (state === drawnState) return;
  const [focused, opened] = [document.activeElement?.id, document.querySelector("#curve-table")?.open];
  main.replaceChildren(...present(content(account, pair)));
  drawnState = state;
  if (opened) document.querySelector("#curve-table")?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

function content(account, pair) {
  if (!accounts.length) return [message(NO_LIQUIDATION)];
  if (!account) return fleetView(accounts, rendered.fleet, rendered.footer, options, actions);
  return [pair ? null : backButton(), ...accountView(account.view, account.tasks, rendered.footer)];
}

function backButton() {
  const click = () => {
    const key = options.selected;
    actions.select(null);
    document.getElementById(`account-${key}`)?.focus();
  };
  return html("button", { id: "back", type: "button", class: "tc-link", click }, "\u2190 All accounts");
}

const actions = {
  sort(key) {
    options.descending = options.sort === key ? !options.descending : !["title", "status"].includes(key);
    options.sort = key;
    draw();
  },
  filter(onlyOpen) {
    options.onlyOpen = onlyOpen;
    draw();
  },
  select(key) {
    options.selected = key;
    draw();
    scrollTo(0, 0);
    // Its curve has not been read yet.
    if (key !== null) refresh();
  },
};

function showMessage(text) {
  drawnState = "";
  main.replaceChildren(message(text));
}

function message(text) {
  return html("p", { class: "tc-message" }, text);
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
