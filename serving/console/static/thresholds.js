// The thresholds page: curves come once, and every move of a slider is answered from them here; publishing goes to the API.

import { $, _, begin, call, color, element, locale, may, percent, Refused, tenth, when, whole } from "./console.js";

const queues = ["mql", "sql"];

/** Everything that changes: the curves, what is published (with its ETag), and what the page proposes. */
const state = { curves: null, published: null, etag: null, draft: null };

const hundredth = new Intl.NumberFormat(locale, { maximumFractionDigits: 2, useGrouping: false });
const signed = new Intl.NumberFormat(locale, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const count = (value) => (value >= 20 ? whole : tenth).format(value);

// ------------------------------------------------------------------------------------------------ reading the curves

/** The figures of those who reach a threshold: the lowest threshold of the curves that is not below it. */
function at(threshold) {
  const { thresholds, volume, precision, caught, usual_weeks: usual } = state.curves;
  let low = 0;
  let high = thresholds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (thresholds[middle] < threshold - 1e-9) low = middle + 1;
    else high = middle;
  }
  if (low === thresholds.length) return null;
  const pick = (series) => ({ value: series.value[low], low: series.low[low], high: series.high[low] });
  return { volume: pick(volume), precision: pick(precision), caught: pick(caught), usual: usual ? [usual.low[low], usual.high[low]] : null };
}

function figures(queue) {
  const now = at(state.draft[queue].enter);
  const before = at(state.published.policy[queue].enter);
  const card = $(`${queue}-figures`);
  const set = (kind, name, text) => { card.querySelector(`[data-${kind}="${name}"]`).textContent = text; };
  card.querySelector('[data-name="volume"]').textContent = state.curves.per === "week" ? _("leads a week") : _("of 100 leads");
  for (const name of ["volume", "precision", "caught"]) {
    const show = name === "volume" ? count : (value) => percent.format(value);
    const estimate = now?.[name];
    set("figure", name, estimate ? show(estimate.value) : "–");
    const usual = name === "volume" && now?.usual;
    const range = usual ? _("usually {low} to {high}", { low: count(usual[0]), high: count(usual[1]) }) : null;
    set("range", name, range ?? (estimate ? _("95% interval: {low} to {high}", { low: show(estimate.low), high: show(estimate.high) }) : ""));
    const [from, to] = [before?.[name]?.value, estimate?.value];
    if (from === undefined || to === undefined) {
      set("delta", name, "");
      continue;
    }
    const moved = name === "volume" ? signed.format(to - from) : _("{delta} points", { delta: signed.format((to - from) * 100) });
    set("delta", name, Math.abs(to - from) < 5e-4 ? _("as published") : _("{delta} against published", { delta: moved }));
  }
  $(`${queue}-nobody`).hidden = now !== null;
  return now;
}

// ------------------------------------------------------------------------------------------------ the two thresholds

/** Moves a threshold; its exit keeps its distance, and SQL never falls below MQL: the other one gives way. */
function move(queue, enter) {
  const value = Math.min(1, Math.max(0, Math.round(enter * 10000) / 10000));
  place(queue, value);
  if (queue === "mql" && state.draft.sql.enter < value) place("sql", value);
  if (queue === "sql" && state.draft.mql.enter > value) place("mql", value);
  show();
}

function place(queue, enter) {
  const published = state.published.policy[queue];
  const ratio = published.enter > 0 ? published.exit / published.enter : 0.9;
  const exit = enter === published.enter ? published.exit : Math.floor(enter * ratio * 1000) / 1000;
  state.draft[queue] = { ...state.draft[queue], enter, exit };
}

function moveExit(queue, exit) {
  state.draft[queue] = { ...state.draft[queue], exit: Math.min(Math.max(0, exit), state.draft[queue].enter) };
  show();
}

let saying;
function show() {
  const spoken = [];
  for (const queue of queues) {
    const { enter, exit } = state.draft[queue];
    const text = percent.format(enter);
    if (document.activeElement !== $(`${queue}-number`)) $(`${queue}-number`).value = tidy(enter);
    if (document.activeElement !== $(`${queue}-exit`)) $(`${queue}-exit`).value = tidy(exit);
    $(`${queue}-slider`).value = enter;
    $(`${queue}-slider`).setAttribute("aria-valuetext", text);
    const now = figures(queue);
    const volume = state.curves.per === "week" ? _("leads a week") : _("of 100 leads");
    spoken.push(`${queue.toUpperCase()} ${text}: ${now ? `${count(now.volume.value)} ${volume}, ${percent.format(now.precision.value)} ${_("of them convert")}, ${percent.format(now.caught.value)} ${_("of all conversions caught")}` : _("No lead of the backtest reached this probability.")}`);
  }
  changes();
  mark();
  clearTimeout(saying); // a screen reader hears where the slider came to rest, not each step
  saying = setTimeout(() => { $("spoken").textContent = spoken.join(". "); }, 600);
}

/** A share as its field shows it, and back: in the page's language, and read with a comma or a point. */
const tidy = (share) => hundredth.format(share * 100);
const typed = (text) => (/^\s*\d*[.,]?\d*\s*%?\s*$/.test(text) && /\d/.test(text) ? Number.parseFloat(text.replace(",", ".")) / 100 : NaN);
const different = () => queues.flatMap((queue) => ["enter", "exit"].filter((edge) => state.draft[queue][edge] !== state.published.policy[queue][edge]).map((edge) => [queue, edge]));

function changes() {
  const found = different();
  const lines = found.map(([queue, edge]) => _("{queue}: {before} → {after}", {
    queue: edge === "enter" ? queue.toUpperCase() : `${queue.toUpperCase()}, ${_("Leaves again below").toLowerCase()}`,
    before: percent.format(state.published.policy[queue][edge]),
    after: percent.format(state.draft[queue][edge]),
  }));
  $("changes").replaceChildren(...(lines.length ? lines : [_("Nothing differs from what is published.")]).map((line) => element("li", {}, line)));
  $("reset").disabled = found.length === 0;
  $("publish-button").disabled = found.length === 0 || !may("policy");
}

// ------------------------------------------------------------------------------------------------ the chart

/** Between two thresholds of the curves the figures are those of the upper one, as in `at`: an outline of steps, not of slopes. */
function around(x, { low, high }) {
  const steps = (series) => x.flatMap((at, i) => [[i ? x[i - 1] : at, series[i]], [at, series[i]]]);
  const outline = [...steps(high), ...steps(low).reverse()];
  return { x: outline.map(([at]) => at), y: outline.map(([, value]) => value) };
}

function draw() {
  const { curves } = state;
  const x = curves.thresholds;
  const fade = (hex) => `${hex}26`;
  const band = (series, hex, yaxis, along = x) => ({ ...around(along, series), fill: "toself", fillcolor: fade(hex), line: { width: 0 }, hoverinfo: "skip", showlegend: false, yaxis });
  const line = (series, hex, name, format, yaxis, dash) => ({ x, y: series.value, name, line: { color: hex, width: 2.5, dash, shape: "vh" }, yaxis, hovertemplate: `%{y:${format}}` });
  const tones = { precision: color("--mql"), caught: color("--sql"), volume: color("--soft") };
  const volume = curves.per === "week" ? _("leads a week") : _("of 100 leads");
  const axis = { gridcolor: color("--line"), zeroline: false, linecolor: color("--line"), fixedrange: true };
  const layout = {
    margin: { l: 48, r: 52, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x unified", dragmode: false,
    font: { family: "system-ui, sans-serif", size: 13, color: color("--ink") }, separators: locale === "es" ? ",." : ".,",
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { ...axis, title: { text: _("probability threshold"), standoff: 8, font: { size: 13 } }, tickformat: ".0%", range: [0, limit()] },
    yaxis: { ...axis, tickformat: ".0%", range: [0, 1.02] },
    yaxis2: { ...axis, overlaying: "y", side: "right", showgrid: false, rangemode: "tozero", tickmode: "auto", nticks: 5 },
    shapes: [], annotations: [],
  };
  if (window.innerWidth < 480) Object.assign(layout, { margin: { l: 40, r: 38, t: 8, b: 40 }, font: { ...layout.font, size: 11 } });
  // A share of fewer than ten leads jumps up and down and shows nothing: its line ends there; the figures above go on.
  const leads = curves.volume.value.map((volume) => volume * (curves.weeks ?? curves.leads / 100));
  const until = Math.max(2, leads.filter((count) => count >= 10).length);
  const cut = (trace) => ({ ...trace, x: trace.x.slice(0, until), y: trace.y.slice(0, until) });
  const precision = Object.fromEntries(["value", "low", "high"].map((name) => [name, curves.precision[name].slice(0, until)]));
  const traces = [
    band(curves.caught, tones.caught, "y"), band(precision, tones.precision, "y", x.slice(0, until)), band(curves.volume, tones.volume, "y2"),
    line(curves.caught, tones.caught, _("share of all conversions caught"), ".1%", "y"), cut(line(curves.precision, tones.precision, _("share of them that converts"), ".1%", "y")),
    line(curves.volume, tones.volume, volume, ",.1f", "y2", "dot"),
  ];
  Plotly.react("chart", traces, layout, { displayModeBar: false }).then(mark);
}

function mark() {
  if (!window.Plotly || !$("chart").data) return;
  const upright = (at, tone, dash, width) => ({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line: { color: tone, width, dash } });
  const shapes = queues.flatMap((queue) => {
    const tone = color(`--${queue}`);
    const [now, before] = [state.draft[queue].enter, state.published.policy[queue].enter];
    return [...(before === now ? [] : [upright(before, tone, "dash", 1)]), upright(now, tone, "solid", 2)];
  });
  const annotations = queues.map((queue) => ({ x: state.draft[queue].enter, yref: "paper", y: queue === "mql" ? 1 : 0.9, text: queue.toUpperCase(), showarrow: false, xanchor: "left", xshift: 4, font: { color: color(`--${queue}`), size: 12 } }));
  Plotly.relayout("chart", { shapes, annotations, "xaxis.range": [0, limit()] });
}

/** How far the axis and the sliders go: a little beyond the highest probability, and beyond any threshold in force. */
function limit() {
  const policy = state.published.policy;
  return Math.min(1, Math.max(...state.curves.thresholds, policy.mql.enter, policy.sql.enter, state.draft.sql.enter) * 1.08);
}

// ------------------------------------------------------------------------------------------------ publishing

async function publish(event) {
  event.preventDefault();
  const policy = { ...state.published.policy, ...state.draft };
  await change(async () => {
    const body = { policy, note: $("note").value.trim(), ...author() };
    const { answer } = await call("/v1/policy", { method: "PUT", body, headers: { "If-Match": state.etag } });
    $("note").value = "";
    return _("Published as version {version}. The next score obeys.", { version: answer.version });
  }, true);
}

async function goBack(version) {
  await change(async () => {
    const { answer } = await call("/v1/policy/rollback", { method: "POST", body: { to: Number(version), ...author() }, headers: { "If-Match": state.etag } });
    return _("Version {version} is in force again. The next score obeys.", { version: answer.version });
  }, true);
}

/** Runs a change, says how it went, and shows what is in force afterwards; a refused draft stays where it is. */
async function change(act) {
  $("publish-button").disabled = true;
  let said;
  let bad = false;
  try {
    said = await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    bad = true;
    const meanwhile = error.problem?.published;
    said = error.status === 412 && meanwhile ? _("Version {version} was published by {author} meanwhile. It is shown as the one in force now; your thresholds are kept. Publish again if you still want them.", { version: meanwhile.version, author: meanwhile.author ?? "–" }) : `${_("That did not work")}: ${error.message}`;
  }
  await readPolicy(bad);
  $("outcome").classList.toggle("bad", bad);
  $("outcome").textContent = said;
}

const author = () => ($("author").value.trim() ? { author: $("author").value.trim() } : {});

async function readPolicy(keepDraft = false) {
  const [{ answer, etag }, history] = await Promise.all([call("/v1/policy"), call("/v1/policy/versions")]);
  Object.assign(state, { published: answer, etag });
  if (!keepDraft || !state.draft) state.draft = { mql: { ...answer.policy.mql }, sql: { ...answer.policy.sql } };
  const at = answer.published_at ? when(answer.published_at) : "";
  $("in-force").textContent = answer.version === "default" ? _("the model's default; nothing has been published yet") : _("version {version} by {author}, {when}", { version: answer.version, author: answer.author, when: at });
  list(history.answer.versions);
  for (const queue of queues) $(`${queue}-slider`).max = Math.ceil(limit() * 1000) / 1000;
  draw();
  show();
}

function list(versions) {
  if (!versions.length) return $("history").replaceChildren(element("li", { class: "who" }, _("The first version that you publish will stand here.")));
  $("history").replaceChildren(...versions.map((one, place) => {
    const { mql, sql } = one.policy;
    const again = () => element("button", { class: "small", type: "button", "aria-label": _("Publish version {version} again", { version: one.version }), onclick: () => goBack(one.version) }, _("Publish again"));
    return element("li", {},
      element("span", { class: "what" }, `${one.version} · MQL ${percent.format(mql.enter)} · SQL ${percent.format(sql.enter)}`),
      element("span", { class: "who" }, `${one.author}, ${when(one.published_at)}`),
      element("span", { class: "why" }, one.note || _("no note")),
      place === 0 ? element("span", { class: "now" }, _("In force")) : may("policy") && again());
  }));
}

// ------------------------------------------------------------------------------------------------ starting

async function load() {
  const { answer } = await call("/v1/policy/curves");
  state.curves = answer;
  $("work").hidden = false;
  await readPolicy();
  introduce();
}

function introduce() {
  const { curves } = state;
  $("model").textContent = _("Model {version}", { version: curves.model_version });
  $("model").hidden = false;
  const rate = percent.format(curves.base_rate);
  const [leads, weeks] = [whole.format(curves.leads), whole.format(curves.weeks ?? 0)];
  const measured = curves.weeks ? _("Measured on {leads} leads over {weeks} weeks that the model had never seen.", { leads, weeks }) : _("Measured on {leads} leads that the model had never seen.", { leads });
  const converted = _("{rate} of them converted.", { rate });
  $("source").textContent = `${measured} ${converted}`;
}

for (const queue of queues) {
  $(`${queue}-slider`).addEventListener("input", (event) => move(queue, event.target.valueAsNumber));
  for (const [field, edge, set] of [["number", "enter", move], ["exit", "exit", moveExit]]) {
    const input = $(`${queue}-${field}`);
    const settle = () => { input.value = tidy(state.draft[queue][edge]); };
    input.addEventListener("input", () => Number.isNaN(typed(input.value)) || set(queue, typed(input.value)));
    input.addEventListener("change", settle);
    input.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 0.001, ArrowDown: -0.001 }[event.key];
      if (!step) return;
      event.preventDefault();
      set(queue, Math.round((state.draft[queue][edge] + step) * 10000) / 10000);
      settle();
    });
  }
}
$("publish").addEventListener("submit", publish);
$("reset").addEventListener("click", () => { state.draft = { mql: { ...state.published.policy.mql }, sql: { ...state.published.policy.sql } }; show(); });
// The card's width changes without the window's: when a scroll bar appears, for one.
new ResizeObserver(() => {
  if (!state.curves || !$("chart").data || !$("chart").clientWidth) return;
  draw();
  Plotly.Plots.resize("chart");
}).observe($("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.curves && draw());
begin(load, { 404: _("There is nothing to preview from"), 503: _("No model serves yet") });
