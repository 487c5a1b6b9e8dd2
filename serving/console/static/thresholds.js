// The thresholds page: curves come once, and every move of a slider is answered from them here; what else a policy would do, and
// publishing it, goes to the API.

import { $, _, begin, call, element, locale, may, ngettext, percent, Refused, save, when, whole } from "./console.js";
import { count, show as showAhead } from "./threshold_ahead.js";
import { draw as drawChart, mark as markChart } from "./threshold_chart.js";
import { described, fare } from "./threshold_trial.js";

const queues = ["mql", "sql"];
const figureNames = ["volume", "precision", "caught", "revenue"];

/** Everything that changes: the curves that are shown, what is published (with its ETag), what the page proposes, and for whom: a segment's place, or nobody's in particular. */
const state = { curves: null, everyone: null, published: null, etag: null, draft: null, segment: null };

const hundredth = new Intl.NumberFormat(locale, { maximumFractionDigits: 2, useGrouping: false });
const signed = new Intl.NumberFormat(locale, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const copy = (policy) => structuredClone(policy);

/** The thresholds that the sliders move: everybody's, or a segment's; and the same of what is published. */
const bands = () => (state.segment === null ? state.draft : state.draft.segments[state.segment]);
function bandsBefore() {
  const { policy } = state.published;
  if (state.segment === null) return policy;
  return policy.segments?.find((one) => one.name === bands().name) ?? policy;
}

// ------------------------------------------------------------------------------------------------ reading the curves

/** The figures of those who reach a threshold: the lowest threshold of the curves that is not below it. */
function at(threshold) {
  const { thresholds } = state.curves;
  let low = 0;
  let high = thresholds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (thresholds[middle] < threshold - 1e-9) low = middle + 1;
    else high = middle;
  }
  if (low === thresholds.length) return null;
  const pick = (series) => series && { value: series.value[low], low: series.low[low], high: series.high[low], week: series.week_low ? [series.week_low[low], series.week_high[low]] : null };
  return Object.fromEntries(figureNames.map((name) => [name, pick(state.curves[name])]));
}

const written = { volume: count, precision: (value) => percent.format(value), caught: (value) => percent.format(value), revenue: (value) => whole.format(value) };

function figures(queue) {
  const now = at(bands()[queue].enter);
  const before = at(bandsBefore()[queue].enter);
  const card = $(`${queue}-figures`);
  const set = (kind, name, text) => { card.querySelector(`[data-${kind}="${name}"]`).textContent = text; };
  card.querySelector('[data-name="volume"]').textContent = state.curves.per === "week" ? _("leads a week") : _("of 100 leads");
  card.querySelector('[data-tile="revenue"]').hidden = !state.curves.revenue;
  for (const name of figureNames) {
    const write = written[name];
    const estimate = now?.[name];
    set("figure", name, estimate ? write(estimate.value) : "–");
    set("range", name, estimate ? _("95% interval: {low} to {high}", { low: write(estimate.low), high: write(estimate.high) }) : "");
    const [from, to] = [before?.[name]?.value, estimate?.value];
    if (from === undefined || to === undefined) {
      set("delta", name, "");
      continue;
    }
    const shares = name === "precision" || name === "caught";
    const moved = shares ? _("{delta} points", { delta: signed.format((to - from) * 100) }) : signed.format(name === "revenue" ? Math.round(to - from) : to - from);
    set("delta", name, Math.abs(to - from) < 5e-4 ? _("as published") : _("{delta} against published", { delta: moved }));
  }
  const single = now?.volume.week;
  $(`${queue}-week`).textContent = single && state.curves.per === "week" ? _("A single week brings {low} to {high} leads.", { low: whole.format(single[0]), high: whole.format(single[1]) }) : "";
  $(`${queue}-nobody`).hidden = now !== null;
  return now;
}

// ------------------------------------------------------------------------------------------------ the two thresholds

/** Moves a threshold; its exit keeps its distance, and SQL never falls below MQL: the other one gives way. */
function move(queue, enter) {
  const value = Math.min(1, Math.max(0, Math.round(enter * 10000) / 10000));
  place(queue, value);
  if (queue === "mql" && bands().sql.enter < value) place("sql", value);
  if (queue === "sql" && bands().mql.enter > value) place("mql", value);
  show();
}

function place(queue, enter) {
  const published = bandsBefore()[queue];
  const ratio = published.enter > 0 ? published.exit / published.enter : 0.9;
  const exit = enter === published.enter ? published.exit : Math.floor(enter * ratio * 1000) / 1000;
  bands()[queue] = { ...bands()[queue], enter, exit };
}

function moveExit(queue, exit) {
  bands()[queue] = { ...bands()[queue], exit: Math.min(Math.max(0, exit), bands()[queue].enter) };
  show();
}

/** How many may enter a queue each week; empty: as many as reach it. */
function bound(queue, text) {
  const wanted = /^\s*\d+\s*$/.test(text) ? Number(text) : null;
  const capacity = { mql: null, sql: null, ...state.draft.capacity, [queue]: wanted };
  if (capacity.mql === null && capacity.sql === null) delete state.draft.capacity;
  else state.draft.capacity = capacity;
  show();
}

/** Within how many hours sales takes care of a lead; empty: nothing is promised, and no clock runs. */
function promised(text) {
  const hours = amount(text);
  if (hours > 0 && hours <= 720) state.draft.hand_off = { ...state.draft.hand_off, within_hours: hours };
  else if (!text.trim()) delete state.draft.hand_off;
  show();
}

let saying;
function show() {
  const spoken = [];
  for (const queue of queues) {
    const { enter, exit } = bands()[queue];
    const text = percent.format(enter);
    if (document.activeElement !== $(`${queue}-number`)) $(`${queue}-number`).value = tidy(enter);
    if (document.activeElement !== $(`${queue}-exit`)) $(`${queue}-exit`).value = tidy(exit);
    if (document.activeElement !== $(`${queue}-places`)) $(`${queue}-places`).value = state.draft.capacity?.[queue] ?? "";
    $(`${queue}-slider`).value = enter;
    $(`${queue}-slider`).setAttribute("aria-valuetext", text);
    const now = figures(queue);
    const volume = state.curves.per === "week" ? _("leads a week") : _("of 100 leads");
    spoken.push(`${queue.toUpperCase()} ${text}: ${now ? `${count(now.volume.value)} ${volume}, ${percent.format(now.precision.value)} ${_("of them convert")}, ${percent.format(now.caught.value)} ${_("of all conversions caught")}` : _("No lead of the backtest reached this probability.")}`);
  }
  if (document.activeElement !== $("promise")) $("promise").value = hoursOf(state.draft);
  $("arms-apart").hidden = !state.draft.experiment && !state.draft.segments?.length;
  changes();
  markChart(state.curves, marks());
  clearTimeout(saying); // a screen reader hears where the slider came to rest, not each step; and the API is asked then, too
  saying = setTimeout(() => { $("spoken").textContent = spoken.join(". "); }, 600);
  ask();
}

/** A share as its field shows it, and back: in the page's language, and read with a comma or a point. */
const tidy = (share) => hundredth.format(share * 100);
const typed = (text) => (/^\s*\d*[.,]?\d*\s*%?\s*$/.test(text) && /\d/.test(text) ? Number.parseFloat(text.replace(",", ".")) / 100 : NaN);
const amount = (text) => (/^\s*\d+([.,]\d+)?\s*$/.test(text) ? Number.parseFloat(text.replace(",", ".")) : null);

const hoursOf = (policy) => (policy.hand_off ? hundredth.format(policy.hand_off.within_hours) : "");

const marks = () => ({
  limit: limit(),
  places: state.segment === null ? state.draft.capacity?.mql ?? null : null,
  ...Object.fromEntries(queues.map((queue) => [queue, { now: bands()[queue].enter, before: bandsBefore()[queue].enter }])),
});

// ------------------------------------------------------------------------------------------------ what differs

/** What differs between two policies, in words. */
function differences(from, to) {
  const lines = [];
  const arrow = (what, before, after) => lines.push(_("{queue}: {before} → {after}", { queue: what, before, after }));
  const both = (before, after, prefix) => {
    for (const queue of queues) {
      for (const [edge, called] of [["enter", ""], ["exit", `, ${_("Leaves again below").toLowerCase()}`]]) {
        if (before[queue][edge] !== after[queue][edge]) arrow(`${prefix}${queue.toUpperCase()}${called}`, percent.format(before[queue][edge]), percent.format(after[queue][edge]));
      }
    }
  };
  both(from, to, "");
  for (const queue of queues) {
    const [before, after] = [from.capacity?.[queue] ?? null, to.capacity?.[queue] ?? null];
    const said = (value) => (value === null ? _("unlimited") : whole.format(value));
    if (before !== after) arrow(_("{queue} places a week", { queue: queue.toUpperCase() }), said(before), said(after));
  }
  const hours = (policy) => (policy.hand_off ? _("{n} h", { n: hoursOf(policy) }) : _("no promise"));
  if (hours(from) !== hours(to)) arrow(_("Sales promises a call within"), hours(from), hours(to));
  const named = (list) => new Map((list ?? []).map((one) => [one.name, one]));
  const [before, after] = [named(from.segments), named(to.segments)];
  for (const [name, one] of after) {
    if (!before.has(name)) lines.push(_("New segment {name}: MQL {mql}, SQL {sql}", { name, mql: percent.format(one.mql.enter), sql: percent.format(one.sql.enter) }));
    else both(before.get(name), one, `${name} · `);
  }
  for (const name of before.keys()) if (!after.has(name)) lines.push(_("Segment {name} ends", { name }));
  if (!same(from.experiment ?? null, to.experiment ?? null)) lines.push(to.experiment ? _("Experiment {name} begins", { name: to.experiment.name }) : _("Experiment {name} ends", { name: from.experiment.name }));
  const known = new Set(["mql", "sql", "capacity", "segments", "experiment"]);
  const ruled = (policy, key) => (key === "hand_off" && policy.hand_off ? { ...policy.hand_off, within_hours: 0 } : policy[key] ?? null);
  const differs = (key) => !same(ruled(from, key), ruled(to, key)) && !(key === "hand_off" && !(from.hand_off && to.hand_off));
  const others = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((key) => !known.has(key) && differs(key));
  for (const key of others) lines.push(_("Another rule differs: {rule}", { rule: key }));
  for (const queue of queues) {
    const rest = (band) => ({ ...band, enter: 0, exit: 0 });
    if (!same(rest(from[queue]), rest(to[queue]))) lines.push(_("Another rule differs: {rule}", { rule: `${queue}.bant` }));
  }
  return lines;
}

function changes() {
  const lines = differences(state.published.policy, state.draft);
  $("changes").replaceChildren(...(lines.length ? lines : [_("Nothing differs from what is published.")]).map((line) => element("li", {}, line)));
  $("reset").disabled = lines.length === 0;
  $("publish-button").disabled = lines.length === 0 || !may("policy");
}

// ------------------------------------------------------------------------------------------------ what the service says

let asking;
let asked = 0;
function ask() {
  clearTimeout(asking);
  asking = setTimeout(ahead, asked ? 250 : 0); // the first is not waited for: no slider has moved
}

async function ahead() {
  const number = ++asked;
  const cost = amount($("cost").value);
  const worth = amount($("worth").value);
  const calls = amount($("calls").value);
  const body = { policy: state.draft, ...($("by").value ? { by: $("by").value } : {}), ...(calls !== null ? { capacity: Math.round(calls) } : {}), ...(cost !== null ? { cost_per_call: cost } : {}), ...(worth ? { value_per_conversion: worth } : {}) };
  try {
    const { answer } = await call("/v1/policy/preview", { method: "POST", body });
    if (number !== asked) return; // the sliders have moved on
    showAhead(answer, (threshold) => move("mql", threshold));
    $("ahead-wrong").textContent = "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (number === asked) $("ahead-wrong").textContent = error.message;
  }
}

/** Everybody is scored again by the published policy, as a job; nobody has to wait for it on this page. */
async function rescore() {
  const say = (text) => { $("rescored").textContent = text; };
  $("rescore").disabled = true;
  try {
    let { answer: job } = await call("/v1/jobs", { method: "POST", body: { kind: "rescore" } });
    while (job.state === "waiting" || job.state === "running") {
      say(job.total ? _("{done} of {total} leads are scored.", { done: whole.format(job.done), total: whole.format(job.total) }) : _("It begins in a moment."));
      await new Promise((later) => setTimeout(later, 700));
      ({ answer: job } = await call(`/v1/jobs/${job.job_id}`));
    }
    say(job.state === "done" ? ngettext("{n} lead was scored again.", "{n} leads were scored again.", job.done, { n: whole.format(job.done) }) : _("It did not come to its end: the health page says more."));
    ask();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message);
  }
  $("rescore").disabled = false;
}

// ------------------------------------------------------------------------------------------------ segments

function tabs() {
  const segments = state.draft.segments ?? [];
  const tab = (place, name) => element("button", { type: "button", role: "tab", id: `tab-${place ?? "all"}`, "aria-selected": String(state.segment === place), "aria-controls": "sliders", tabindex: state.segment === place ? "0" : "-1", onclick: () => choose(place) }, name);
  $("tabs").replaceChildren(tab(null, _("Everyone")), ...segments.map((one, place) => tab(place, one.name)));
  $("segment-end").hidden = state.segment === null;
  const one = state.segment === null ? null : segments[state.segment];
  $("segment-said").textContent = one ? _("{column}: {values}. These leads go by thresholds of their own.", { column: one.column, values: one.values.join(", ") }) : "";
}

/** The lines of the chart as a table: those of the segment that is shown. */
function offerCurves() {
  const query = new URLSearchParams([["format", "csv"]]);
  if (state.segment !== null) {
    const { column, values } = state.draft.segments[state.segment];
    for (const pair of [["column", column], ...values.map((value) => ["value", value])]) query.append(...pair);
  }
  $("curves-csv").href = `/v1/policy/curves?${query}`;
}

async function saveSegments() {
  try {
    await save("/v1/policy/preview?format=csv", { policy: state.draft, by: $("by").value || null }, "preview.csv");
    $("ahead-wrong").textContent = "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $("ahead-wrong").textContent = error.message;
  }
}

/** Shows the curves and thresholds of a segment, or of everyone. */
async function choose(place, focus = true) {
  state.segment = place;
  tabs();
  if (place === null) state.curves = state.everyone;
  else {
    const { column, values } = state.draft.segments[place];
    const query = new URLSearchParams([["column", column], ...values.map((value) => ["value", value])]);
    try {
      const { answer } = await call(`/v1/policy/curves?${query}`);
      if (state.segment !== place) return;
      state.curves = answer;
      $("segment-wrong").textContent = "";
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      state.segment = null;
      state.curves = state.everyone;
      tabs();
      $("segment-wrong").textContent = error.message;
    }
  }
  redraw();
  if (focus) document.getElementById(`tab-${state.segment ?? "all"}`).focus();
}

function values() {
  const column = $("segment-column").value;
  $("segment-value").replaceChildren(...(state.everyone.columns[column] ?? []).map((value) => element("option", { value }, value)));
}

function addSegment(event) {
  event.preventDefault();
  const [column, value] = [$("segment-column").value, $("segment-value").value];
  if (!column || !value) return;
  const taken = state.draft.segments ?? [];
  const there = taken.findIndex((one) => one.column === column && one.values.includes(value));
  if (there < 0) {
    const { mql, sql } = copy(state.draft);
    state.draft.segments = [...taken, { name: `${column} ${value}`.slice(0, 100), column, values: [value], mql, sql }];
  }
  choose(there < 0 ? taken.length : there);
}

function endSegment() {
  state.draft.segments = state.draft.segments.filter((_one, place) => place !== state.segment);
  if (!state.draft.segments.length) delete state.draft.segments;
  choose(null);
}

// ------------------------------------------------------------------------------------------------ the chart

function redraw() {
  offerCurves();
  for (const queue of queues) $(`${queue}-slider`).max = Math.ceil(limit() * 1000) / 1000;
  drawChart(state.curves, marks());
  show();
}

/** How far the axis and the sliders go: a little beyond the highest probability, and beyond any threshold in force. */
function limit() {
  const policy = bandsBefore();
  return Math.min(1, Math.max(...state.everyone.thresholds, policy.mql.enter, policy.sql.enter, bands().sql.enter) * 1.08);
}

// ------------------------------------------------------------------------------------------------ publishing

async function publish(event) {
  event.preventDefault();
  await change(async () => {
    const body = { policy: state.draft, note: $("note").value.trim(), feature_set: state.everyone.feature_set, ...author() };
    const { answer } = await call("/v1/policy", { method: "PUT", body, headers: { "If-Match": state.etag } });
    $("note").value = "";
    return _("Published as version {version}. The next score obeys.", { version: answer.version });
  });
}

async function goBack(version) {
  await change(async () => {
    const { answer } = await call("/v1/policy/rollback", { method: "POST", body: { to: Number(version), ...author() }, headers: { "If-Match": state.etag } });
    return _("Version {version} is in force again. The next score obeys.", { version: answer.version });
  });
}

/** Runs a change, says how it went, and shows what is in force afterwards; a refused draft stays where it is. */
async function change(act) {
  $("publish-button").disabled = true;
  $("conflict").hidden = true;
  const base = state.published.policy;
  let said;
  let bad = false;
  try {
    said = await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    bad = true;
    const meanwhile = error.problem?.published;
    said = error.status === 412 && meanwhile ? _("Version {version} was published by {author} meanwhile. It is shown as the one in force now; your thresholds are kept. Publish again if you still want them.", { version: meanwhile.version, author: meanwhile.author ?? "–" }) : `${_("That did not work")}: ${error.message}`;
    if (error.status === 412 && meanwhile) conflict(base, meanwhile);
  }
  await readPolicy(bad);
  $("outcome").classList.toggle("bad", bad);
  $("outcome").textContent = said;
}

/** Theirs and yours side by side, against what both began from. */
function conflict(base, { policy, author: who }) {
  const column = (title, lines, button) => element("div", {}, element("h3", {}, title), element("ul", {}, (lines.length ? lines : [_("nothing")]).map((line) => element("li", {}, line))), button);
  const take = element("button", { class: "small", type: "button", onclick: () => { state.draft = copy(state.published.policy); $("conflict").hidden = true; tabs(); choose(null, false); } }, _("Take theirs"));
  const keep = element("button", { class: "small", type: "button", onclick: () => { $("conflict").hidden = true; $("publish-button").focus(); } }, _("Keep mine"));
  $("conflict").replaceChildren(
    column(who ? _("Theirs ({author})", { author: who }) : _("Theirs"), differences(base, policy), take),
    column(_("Yours"), differences(base, state.draft), keep),
  );
  $("conflict").hidden = false;
}

const author = () => ($("author").value.trim() ? { author: $("author").value.trim() } : {});

async function readPolicy(keepDraft = false) {
  const [{ answer, etag }, history] = await Promise.all([call("/v1/policy"), call("/v1/policy/versions")]);
  Object.assign(state, { published: answer, etag });
  $("work").hidden = false; // a chart has no width in what is hidden
  if (!keepDraft || !state.draft) state.draft = copy(answer.policy);
  if (state.segment !== null && !state.draft.segments?.[state.segment]) Object.assign(state, { segment: null, curves: state.everyone });
  const at = answer.published_at ? when(answer.published_at) : "";
  $("in-force").textContent = answer.version === "default" ? _("the model's default; nothing has been published yet") : _("version {version} by {author}, {when}", { version: answer.version, author: answer.author, when: at });
  list(history.answer.versions);
  tabs();
  redraw();
  await fare(state.published.policy);
}

function list(versions) {
  if (!versions.length) return $("history").replaceChildren(element("li", { class: "who" }, _("The first version that you publish will stand here.")));
  $("history").replaceChildren(...versions.map((one, place) => {
    const { mql, sql } = one.policy;
    const again = () => element("button", { class: "small", type: "button", "aria-label": _("Publish version {version} again", { version: one.version }), onclick: () => goBack(one.version) }, _("Publish again"));
    const before = versions[place + 1];
    const lines = before ? differences(before.policy, one.policy) : [];
    return element("li", {},
      element("span", { class: "what" }, `${one.version} · MQL ${percent.format(mql.enter)} · SQL ${percent.format(sql.enter)}`),
      element("span", { class: "who" }, `${one.author}, ${when(one.published_at)}`),
      element("span", { class: "why" }, one.note || _("no note")),
      lines.length ? element("details", { class: "diff" }, element("summary", {}, _("What it changed")), element("ul", {}, lines.map((line) => element("li", {}, line)))) : null,
      place === 0 ? element("span", { class: "now" }, _("In force")) : may("policy") && again());
  }));
}

// ------------------------------------------------------------------------------------------------ starting

async function load() {
  const { answer } = await call("/v1/policy/curves");
  state.curves = state.everyone = answer;
  const columns = Object.keys(answer.columns);
  for (const [id, first] of [["segment-column", null], ["by", _("no column")]]) {
    $(id).replaceChildren(...(first ? [element("option", { value: "" }, first)] : []), ...columns.map((name) => element("option", { value: name }, name)));
  }
  $("segment-new").hidden = columns.length === 0;
  $("by-row").hidden = columns.length === 0;
  if (columns.length) $("by").value = columns.includes("source") ? "source" : columns[0];
  $("worth").placeholder = answer.mean_amount ? whole.format(answer.mean_amount) : "";
  values();
  await readPolicy();
  introduce();
}

function introduce() {
  const { everyone: curves } = state;
  $("model").textContent = _("Model {version}", { version: curves.model_version });
  $("model").hidden = false;
  const rate = percent.format(curves.base_rate);
  const leads = whole.format(curves.leads);
  const weeks = curves.weeks ? _("Volumes are those of {weeks} weeks.", { weeks: whole.format(curves.weeks) }) : "";
  $("source").textContent = [_("Measured on {leads} leads that the model had never seen.", { leads }), _("{rate} of them converted.", { rate }), weeks].filter(Boolean).join(" ");
}

for (const queue of queues) {
  $(`${queue}-slider`).addEventListener("input", (event) => move(queue, event.target.valueAsNumber));
  for (const [field, edge, set] of [["number", "enter", move], ["exit", "exit", moveExit]]) {
    const input = $(`${queue}-${field}`);
    const settle = () => { input.value = tidy(bands()[queue][edge]); };
    input.addEventListener("input", () => Number.isNaN(typed(input.value)) || set(queue, typed(input.value)));
    input.addEventListener("change", settle);
    input.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 0.001, ArrowDown: -0.001 }[event.key];
      if (!step) return;
      event.preventDefault();
      set(queue, Math.round((bands()[queue][edge] + step) * 10000) / 10000);
      settle();
    });
  }
  $(`${queue}-places`).addEventListener("input", (event) => bound(queue, event.target.value));
  $(`${queue}-places`).addEventListener("change", (event) => { event.target.value = state.draft.capacity?.[queue] ?? ""; });
}
$("promise").addEventListener("input", (event) => promised(event.target.value));
$("promise").addEventListener("change", (event) => { event.target.value = hoursOf(state.draft); });
for (const id of ["calls", "cost", "worth"]) $(id).addEventListener("input", ask);
$("by").addEventListener("change", ask);
$("rescore")?.addEventListener("click", rescore);
$("segments-csv").addEventListener("click", saveSegments);
$("segment-column").addEventListener("change", values);
$("segment-new").addEventListener("submit", addSegment);
$("segment-end").addEventListener("click", endSegment);
$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const tabsThere = [...$("tabs").children];
  if (step) tabsThere[(tabsThere.indexOf(document.activeElement) + step + tabsThere.length) % tabsThere.length].click();
});
$("trial-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { experiment, wrong } = described(typed);
  $("trial-wrong").textContent = wrong ?? "";
  if (!experiment) return;
  state.draft.experiment = experiment;
  show();
  $("publish-button").focus();
});
$("trial-stop").addEventListener("click", () => { delete state.draft.experiment; show(); $("publish-button").focus(); });
$("publish").addEventListener("submit", publish);
$("reset").addEventListener("click", () => { state.draft = copy(state.published.policy); choose(null, false); });
// The card's width changes without the window's: when a scroll bar appears, for one.
new ResizeObserver(() => {
  if (!state.draft || !$("chart").data || !$("chart").clientWidth) return;
  drawChart(state.curves, marks());
  Plotly.Plots.resize("chart");
}).observe($("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.draft && drawChart(state.curves, marks()));
begin(load, { 404: _("There is no backtest yet"), 503: _("No model serves yet") });
