// Without this the page works too: it follows Airflow's theme, leads out of Airflow's frame, and asks Airflow's API.
"use strict";

const framed = (() => {
  try {
    return window.parent !== window && Boolean(window.parent.document);
  } catch {
    return false;
  }
})();

function followTheme() {
  if (!framed) return;
  const theirs = window.parent.document.documentElement;
  const follow = () => {
    const isDark = theirs.classList.contains("dark");
    const isLight = theirs.classList.contains("light");
    if (isDark || isLight) document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  follow();
  new MutationObserver(follow).observe(theirs, { attributes: true, attributeFilter: ["class"] });
}

// A sandboxed frame may not navigate the window around it; a link in that window may.
function leaveTheFrame(event) {
  const link = event.target.closest("a[data-airflow]");
  if (!link || !framed || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const theirs = window.parent.document.createElement("a");
  theirs.href = link.href;
  window.parent.document.body.append(theirs);
  theirs.click();
  theirs.remove();
}

// Our pages are at <base>/dirops/<page>, Airflow's API at <base>/api/v2.
const api = (...path) => new URL(`../api/v2/${path.map(encodeURIComponent).join("/")}`, document.baseURI);

async function ask(url, options) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, ...options });
  const text = await answer.text();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = { detail: text.slice(0, 500) };
  }
  if (!answer.ok) {
    const detail = typeof value.detail === "string" ? value.detail : JSON.stringify(value.detail);
    throw new Error(`${answer.status}: ${detail}`);
  }
  return value;
}

async function tellWhatAirflowKnows(section) {
  const { dag, id, task, index } = section.dataset;
  const said = section.querySelector("[data-said]");
  const list = section.querySelector("[data-known]");
  const url = api("dags", dag, "dagRuns", id, "taskInstances", task, "xcomEntries", "return_value");
  if (index) url.searchParams.set("map_index", index);
  try {
    const { value } = await ask(url);
    const known = typeof value === "string" ? JSON.parse(value) : value;
    for (const [name, what] of Object.entries(known)) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = typeof what === "object" ? JSON.stringify(what) : String(what);
      list.append(term, text);
    }
    said.textContent = "From the XCom of the task.";
  } catch (error) {
    said.textContent = `Airflow has no outcome of this task: ${error.message}`;
  }
}

const MOST_TARGETS = 200;

// Airflow keeps the address that a task's link has; only its own pages' part is taken, as a link beside this page.
function ours(link) {
  const found = /\/dirops\/((?:snapshot|failures)\?[^#]*)$/.exec(link);
  return found ? found[1] : undefined;
}

async function targetOf(dag, run, entry) {
  const read = async (key) => {
    const url = api("dags", dag, "dagRuns", run, "taskInstances", entry.task_id, "xcomEntries", key);
    url.searchParams.set("map_index", entry.map_index);
    const { value } = await ask(url);
    return typeof value === "string" && key === "return_value" ? JSON.parse(value) : value;
  };
  const link = ours(await read("_link_SnapshotLink"));
  const outcome = link?.startsWith("snapshot") ? await read("return_value").catch(() => undefined) : undefined;
  return { entry, link, outcome };
}

function cellsOfTarget({ entry, link, outcome }) {
  const target = document.createElement("a");
  target.href = link;
  target.textContent = new URLSearchParams(link.split("?")[1]).get("target") || "its target";
  const label = entry.map_index < 0 ? "" : ` [${entry.map_index}]`;
  const counts = outcome?.counts ?? {};
  const came = outcome?.outcome ?? (link.startsWith("failures") ? "nothing committed" : "");
  return [`${entry.task_id}${label}`, target, came, counts.entries ?? "", counts.computed ?? "", counts.quarantined ?? ""];
}

async function showTargetsOf(section) {
  const { dag, id } = section.dataset;
  const said = section.querySelector("[data-said]");
  const table = section.querySelector("table");
  try {
    const url = api("dags", dag, "dagRuns", id, "taskInstances", "~", "xcomEntries");
    url.search = new URLSearchParams({ xcom_key_pattern: "_link_SnapshotLink", limit: String(MOST_TARGETS) });
    const { xcom_entries: entries, total_entries: total } = await ask(url);
    const told = await Promise.all(entries.map((entry) => targetOf(dag, id, entry)));
    const targets = told.filter(({ link }) => link);
    for (const each of targets) {
      const row = table.tBodies[0].insertRow();
      cellsOfTarget(each).forEach((cell, column) => {
        const data = row.insertCell();
        data.append(cell);
        if (column > 2) data.className = "number";
      });
    }
    table.hidden = !targets.length;
    if (!targets.length) said.textContent = "No stage of this run has ended yet, or it has none.";
    else if (total > entries.length) said.textContent = `The first ${entries.length} of ${total}.`;
    else said.textContent = "";
  } catch (error) {
    said.textContent = `Airflow does not say: ${error.message}`;
  }
}

const MOST_RUNS = 31;

// A run for each partition, started by Airflow as whoever is logged in; this page itself starts nothing.
async function startRuns(button) {
  const { dag } = button.dataset;
  const said = button.parentElement.querySelector("[data-said]");
  const partitions = JSON.parse(button.dataset.partitions).slice(-MOST_RUNS);
  if (partitions.length > 1 && !button.dataset.sure) {
    // A sandboxed frame has no confirm().
    button.dataset.sure = "yes";
    button.textContent = `Really start ${partitions.length} runs of ${dag}?`;
    return;
  }
  button.disabled = true;
  try {
    const details = await ask(api("dags", dag, "details"));
    const hasField = Boolean(details.params && "partition" in details.params);
    const started = [];
    for (const partition of partitions) {
      const body = hasField ? { conf: { partition } } : { partition_key: partition };
      const run = await ask(api("dags", dag, "dagRuns"), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ logical_date: null, ...body }),
      });
      started.push(run.dag_run_id);
    }
    const link = document.createElement("a");
    const one = started.length === 1;
    link.href = `../dags/${encodeURIComponent(dag)}/runs${one ? `/${encodeURIComponent(started[0])}` : ""}`;
    link.dataset.airflow = "";
    link.textContent = one ? "Started a run" : `Started ${started.length} runs`;
    said.replaceChildren(link);
  } catch (error) {
    said.textContent = `Airflow refused: ${error.message}`;
    button.disabled = false;
  }
}

const PROGRESS_EVERY_MS = 3000;

function cellsOf(task, told) {
  const bar = document.createElement("progress");
  if (told.total) Object.assign(bar, { max: told.total, value: told.done });
  bar.textContent = `${told.done ?? "?"} of ${told.total ?? "?"}`;
  const run = document.createElement("a");
  run.href = `../dags/${encodeURIComponent(task.dag_id)}/runs/${encodeURIComponent(task.dag_run_id)}`;
  run.dataset.airflow = "";
  run.textContent = task.rendered_map_index ?? task.dag_run_id;
  const left = told.seconds_left == null ? "" : `${told.seconds_left} s`;
  return [run, bar, told.done == null ? "begins" : `${told.done} of ${told.total}`, told.per_second ?? "", left,
    told.quarantined ?? "", told.current ?? ""];
}

async function progressOf(task) {
  const where = ["dags", task.dag_id, "dagRuns", task.dag_run_id, "taskInstances", task.task_id];
  const url = api(...where, "state-store", "dirops_progress");
  url.searchParams.set("map_index", task.map_index);
  try {
    const { value } = await ask(url);
    return value.try_number === task.try_number ? value : {};
  } catch {
    return {}; // it has just begun
  }
}

async function showProgress(place) {
  const { dag, task } = place.dataset;
  const said = place.querySelector("[data-said]");
  const table = place.querySelector("table");
  try {
    const url = api("dags", dag, "dagRuns", "~", "taskInstances");
    url.search = new URLSearchParams({ task_id: task, state: "running", limit: "50" });
    const running = (await ask(url)).task_instances.filter((each) => each.task_id === task);
    const told = await Promise.all(running.map(progressOf));
    table.tBodies[0].replaceChildren(
      ...running.map((each, number) => {
        const row = document.createElement("tr");
        cellsOf(each, told[number]).forEach((cell, column) => {
          const data = row.insertCell();
          data.append(cell);
          if (column > 1 && column < 6) data.className = "number";
        });
        return row;
      }),
    );
    table.hidden = !running.length;
    said.textContent = running.length ? `${running.length} at work` : "No run of it is at work now.";
  } catch (error) {
    said.textContent = `Airflow does not say: ${error.message}`;
  }
}

function keepShowing(place) {
  showProgress(place);
  setInterval(() => document.hidden || showProgress(place), PROGRESS_EVERY_MS);
}

// A part of the page as it is now, without losing one's place on the rest.
async function renew(part) {
  if (document.hidden) return;
  const answer = await fetch(document.location.href).catch(() => undefined);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (fresh) part.replaceChildren(...fresh.childNodes);
}

// In the grid the arrow keys go from square to square.
function stepInGrid(event) {
  const cell = event.target.closest(".grid td");
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !steps) return;
  const rows = [...cell.closest("tbody").rows];
  let row = rows.indexOf(cell.parentElement);
  let column = cell.cellIndex;
  do {
    row += steps[0];
    column += steps[1];
  } while (rows[row]?.cells[column] && !rows[row].cells[column].querySelector("a"));
  const next = rows[row]?.cells[column]?.querySelector("a");
  if (!next) return;
  event.preventDefault();
  next.focus();
}

followTheme();
document.addEventListener("keydown", stepInGrid);
document.addEventListener("click", leaveTheFrame);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-trigger]");
  if (button) startRuns(button);
});
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-run]").forEach(tellWhatAirflowKnows);
  document.querySelectorAll("[data-targets-of]").forEach(showTargetsOf);
  document.querySelectorAll("[data-progress]").forEach(keepShowing);
  document.querySelectorAll("[data-live]").forEach((part) => setInterval(() => renew(part), PROGRESS_EVERY_MS));
  // The newest partitions are at the right.
  document.querySelectorAll(".grid").forEach((grid) => grid.scrollTo({ left: grid.scrollWidth }));
});
