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

followTheme();
document.addEventListener("click", leaveTheFrame);
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-run]").forEach(tellWhatAirflowKnows);
});
