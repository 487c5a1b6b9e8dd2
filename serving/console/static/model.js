// The model page: champion and challenger side by side, their curves, what the gates say, and asking for a change of what serves.

import { $, _, begin, call, color, element, locale, may, ngettext, percent, plot, Refused, when, whole } from "./console.js";
import * as names from "./names.js";
import { called, sentence } from "./sentences.js";

const SOME = 8;
const third = new Intl.NumberFormat(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const figures = {
  auc: { name: _("Tells who converts from who does not (AUC)"), show: (value) => third.format(value), better: 1 },
  pr_auc: { name: _("The same among the few that convert (PR-AUC)"), show: (value) => third.format(value), better: 1 },
  lift_at_10: { name: _("The best 10% convert so many times as often as all"), show: (value) => `× ${tenths.format(value)}`, better: 1 },
  precision_at_20: { name: _("Of the best 20% convert"), show: (value) => percent.format(value), better: 1 },
  ece: { name: _("Promised and observed differ on average by"), show: (value) => _("{n} points", { n: tenths.format(value * 100) }), better: -1 },
  log_loss: { name: _("Log loss"), show: (value) => third.format(value), better: -1 },
  brier: { name: _("Brier score"), show: (value) => third.format(value), better: -1 },
};

const date = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });

const state = { cards: null, all: false };

const title = (card) => (card.version === null ? card.model_version : _("version {version}", { version: card.version }));

async function load() {
  const [{ answer: cards }, { answer: asked }] = await Promise.all([call("/v1/model/cards"), call("/v1/model/promotions")]);
  state.cards = cards;
  const { champion, challenger, comparison } = cards;
  $("models").replaceChildren(
    champion ? about(champion, _("Champion: it serves")) : element("section", { class: "card" }, element("h2", {}, _("No model serves yet")), element("p", { class: "hint" }, _("Promote the challenger, or train a model first: tamiz train --promote."))),
    ...(challenger ? [about(challenger, _("Challenger: it would replace it"))] : []),
  );
  $("work").hidden = false;
  table();
  draw();
  gates(challenger, comparison);
  segments(champion?.segments ?? []);
  inputs(champion?.inputs ?? []);
  requests(asked);
}

// ------------------------------------------------------------------------------------------------ the cards

function about(card, role) {
  const fact = (name, value) => value !== null && value !== undefined && value !== "" && element("div", {}, element("dt", {}, name), element("dd", {}, value));
  const count = (value) => (value === null ? null : whole.format(value));
  const learnt = card.leads === null ? null : ngettext("{n} lead", "{n} leads", card.leads, { n: count(card.leads) });
  const measured = card.measured_rows === null ? null : ngettext("{n} later look", "{n} later looks", card.measured_rows, { n: count(card.measured_rows) });
  return element("section", { class: "card model" },
    element("p", { class: "role" }, role),
    element("h2", {}, title(card)),
    card.no_signal && element("p", { class: "notice" }, _("This model cannot tell leads apart: everybody gets the base rate.")),
    element("dl", { class: "facts" },
      fact(_("Trained"), card.trained_at && when(card.trained_at)),
      fact(_("On"), [card.title, learnt, card.conversions !== null && ngettext("{n} conversion", "{n} conversions", card.conversions, { n: count(card.conversions) })].filter(Boolean).join(" · ")),
      fact(_("Measured on"), measured && [measured, card.measured_from && _("since {when}", { when: date.format(new Date(card.measured_from)) })].filter(Boolean).join(" · ")),
      fact(_("Promises"), card.horizon_days === null ? null : ngettext("conversion within {n} day", "conversion within {n} days", card.horizon_days, { n: whole.format(card.horizon_days) })),
      fact(_("Convert on average"), card.base_rate === null ? null : percent.format(card.base_rate)),
      fact(_("Kind"), names.kinds[card.kind] ?? card.kind),
      fact(_("Calibration"), card.calibration && (names.calibrations[card.calibration] ?? card.calibration)),
    ),
    element("p", { class: "id" }, card.model_version));
}

/** The figures of both, side by side; the better one is marked, and whether the difference counts is for the gates to say. */
function table() {
  const { champion, challenger } = state.cards;
  const sides = [champion, challenger].filter(Boolean);
  $("figures-csv").href = `/v1/model/cards?format=csv&of=${champion ? "champion" : "challenger"}`;
  const of = (card, name) => card.figures.find((one) => one.name === name);
  const cell = (card, name) => {
    const [one, other] = [of(card, name), sides.length === 2 && of(sides.find((side) => side !== card), name)];
    if (!one) return element("td", {}, "–");
    const ahead = other && (one.value - other.value) * figures[name].better > 0 && figures[name].show(one.value) !== figures[name].show(other.value);
    const range = one.low === null ? "" : ` (${figures[name].show(one.low)} – ${figures[name].show(one.high)})`;
    return element("td", {}, element("strong", { class: ahead ? "ahead" : "" }, figures[name].show(one.value)), element("span", { class: "range" }, range), ahead && element("span", { class: "visually-hidden" }, ` ${_("the better of the two")}`));
  };
  const shown = Object.keys(figures).filter((name) => sides.some((side) => of(side, name)));
  $("figures").replaceChildren(
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, _("Figure")), sides.map((side) => element("th", { scope: "col" }, side === champion ? _("Champion") : _("Challenger"))))),
    element("tbody", {}, shown.map((name) => element("tr", {}, element("th", { scope: "row" }, figures[name].name), sides.map((side) => cell(side, name))))),
  );
}

// ------------------------------------------------------------------------------------------------ the curves

function draw() {
  const { champion, challenger } = state.cards;
  const sides = [[champion, color("--mql"), _("Champion")], [challenger, color("--sql"), _("Challenger")]].filter(([card]) => card);
  const axis = { gridcolor: color("--line"), zeroline: false, linecolor: color("--line"), fixedrange: true, tickformat: ".0%" };
  const title = (text) => ({ text, standoff: 8, font: { size: 12 } });
  const layout = (x, y) => ({
    margin: { l: 52, r: 12, t: 8, b: 46 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest",
    font: { family: "system-ui, sans-serif", size: 12, color: color("--ink") }, separators: locale === "es" ? ",." : ".,",
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } },
    showlegend: sides.length > 1, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { ...axis, ...x }, yaxis: { ...axis, ...y },
  });
  const diagonal = (end) => ({ x: [0, end], y: [0, end], mode: "lines", line: { color: color("--soft"), width: 1, dash: "dot" }, hoverinfo: "skip", showlegend: false });
  const most = Math.max(0.05, ...sides.flatMap(([card]) => card.bins.flatMap((bin) => [bin.promised, bin.high]))) * 1.05;
  plot("bins", [diagonal(most), ...sides.map(([card, tone, name]) => ({
    x: card.bins.map((bin) => bin.promised), y: card.bins.map((bin) => bin.observed), name, mode: "lines+markers", marker: { color: tone, size: 8 }, line: { color: tone, width: 1.5 },
    error_y: { type: "data", symmetric: false, array: card.bins.map((bin) => bin.high - bin.observed), arrayminus: card.bins.map((bin) => bin.observed - bin.low), color: tone, thickness: 1.2, width: 3 },
    hovertemplate: "%{x:.1%} → %{y:.1%}<extra></extra>",
  }))], layout({ title: title(_("promised")), range: [0, most] }, { title: title(_("observed")), range: [0, most] }), { responsive: true });
  plot("gain", [diagonal(1), ...sides.map(([card, tone, name]) => ({
    x: card.gain.map((one) => one.share), y: card.gain.map((one) => one.gain), name, mode: "lines", line: { color: tone, width: 2.5 }, hovertemplate: "%{x:.0%} → %{y:.0%}<extra></extra>",
  }))], layout({ title: title(_("the best so many of all leads")), range: [0, 1] }, { title: title(_("of all conversions")), range: [0, 1.02] }), { responsive: true });
  const [first] = sides[0] ?? [];
  const tenth = first?.gain.find((one) => one.share >= 0.1);
  $("gain").setAttribute("aria-label", tenth ? _("The best 10% hold {gain} of all conversions.", { gain: percent.format(tenth.gain) }) : _("Nothing was measured."));
  $("bins").setAttribute("aria-label", first?.bins.length ? first.bins.map((bin) => _("promised {promised}, observed {observed}", { promised: percent.format(bin.promised), observed: percent.format(bin.observed) })).join("; ") : _("Nothing was measured."));
}

// ------------------------------------------------------------------------------------------------ gates, segments, inputs

function gates(challenger, comparison) {
  $("no-challenger").hidden = challenger !== null;
  $("not-compared").hidden = challenger === null || comparison !== null;
  $("verdict").hidden = comparison === null;
  $("promote").disabled = challenger === null || !may("admin") || comparison?.final === true;
  $("gates").replaceChildren(...(comparison?.gates ?? []).map((gate) => element("li", { class: gate.verdict },
    element("span", { class: "gate" }, element("strong", names.gate(gate.name) ? {} : { lang: "en" }, names.gate(gate.name) ?? gate.name), element("span", { class: "status" }, names.verdictsOfGates[gate.verdict] ?? gate.verdict)),
    sentence(gate.figures, "span"))));
  if (!comparison) return;
  const go = comparison.verdict === "PROMOTE";
  $("verdict").className = `gates-verdict ${go ? "pass" : "fail"}`;
  $("verdict").textContent = `${go ? _("The gates let it through.") : comparison.final ? _("The gates say no, and no reason can overrule that.") : _("The gates say no; a reason can overrule them.")} ${when(comparison.at)}`;
}

function segments(found) {
  $("no-segments").hidden = found.length > 0;
  $("all-segments").hidden = state.all || found.length <= SOME;
  $("all-segments").textContent = _("Show all {n}", { n: whole.format(found.length) });
  const off = (one) => one.promised < one.low || one.promised > one.high;
  const sorted = [...found].sort((one, other) => off(other) - off(one) || other.leads - one.leads);
  const shown = state.all ? sorted : sorted.slice(0, SOME);
  const end = Math.max(0.01, ...shown.flatMap((one) => [one.high, one.promised]));
  $("segments").replaceChildren(...(found.length ? [
    element("thead", {}, element("tr", {}, [_("Group"), _("Leads"), _("Promised"), _("Observed"), _("Interval")].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, shown.map((one) => element("tr", { class: off(one) ? "off" : "" },
      element("th", { scope: "row" }, `${one.column}: ${one.value}`, off(one) && element("span", { class: "status clash" }, one.promised > one.high ? _("promises too much") : _("promises too little"))),
      element("td", {}, whole.format(one.leads)), element("td", {}, percent.format(one.promised)), element("td", {}, percent.format(one.observed)),
      element("td", {}, bar(one, end), element("span", { class: "range" }, percent.formatRange(one.low, one.high)))))),
  ] : []));
}

function bar({ promised, low, high }, end) {
  const [band, mark] = [element("span", { class: "band" }), element("span", { class: "mark" })];
  band.style.left = `${(low / end) * 100}%`;
  band.style.width = `${((high - low) / end) * 100}%`;
  mark.style.left = `${(promised / end) * 100}%`;
  return element("span", { class: "interval", "aria-hidden": "true" }, band, mark);
}

function inputs(found) {
  const out = found.filter((one) => !one.used);
  $("nothing-left-out").hidden = out.length > 0;
  $("left-out").replaceChildren(...out.map((one) => element("li", {},
    element("strong", {}, one.name), element("span", { class: `status ${one.verdict}` }, names.judgements[one.verdict] ?? one.verdict), sentence(one.evidence, "span"))));
  const leans = found.filter((one) => one.used && one.importance).slice(0, 10);
  const total = found.reduce((sum, one) => sum + (one.importance ?? 0), 0) || 1;
  $("leans").replaceChildren(...leans.map((one) => {
    const drawn = element("span", { class: "band" });
    drawn.style.width = `${(one.importance / leans[0].importance) * 100}%`;
    return element("li", {}, element("span", { class: "name" }, called(one.name)), element("span", { class: "share-bar", "aria-hidden": "true" }, drawn), element("span", { class: "range" }, percent.format(one.importance / total)));
  }));
}

// ------------------------------------------------------------------------------------------------ requests

let waiting;

function requests({ promotions, version }) {
  const line = (one) => {
    const what = one.kind === "rollback" ? _("Roll back") : one.version ? _("Promote version {version}", { version: one.version }) : _("Promote the challenger");
    const late = one.state === "queued" && Date.now() - new Date(one.requested_at) > 60_000;
    return element("li", { class: one.state },
      element("span", { class: "entry" }, element("strong", {}, what), element("span", { class: `status ${one.state}` }, names.states[one.state] ?? one.state)),
      element("span", { class: "where" }, `${one.author} · ${when(one.requested_at)}${one.finished_at ? ` → ${when(one.finished_at)}` : ""}`),
      one.why && element("span", { class: "where" }, one.why),
      one.message && sentence(one.message, "span"),
      late && element("span", { class: "bad" }, _("Nobody has begun it. Is tamiz pull --watch running?")));
  };
  const lines = promotions.map(line);
  if (promotions[0]?.state === "done" && version !== null) lines[0].append(element("span", { class: "confirmed" }, _("Confirmed: version {version} serves.", { version })));
  $("requests").replaceChildren(...(lines.length ? lines : [element("li", { class: "where" }, _("Nobody has asked for anything yet."))]));
  const open = promotions.some((one) => one.state === "queued" || one.state === "running");
  $("rollback").disabled = open || !may("admin");
  if (open) $("promote").disabled = true;
  clearTimeout(waiting);
  if (open) waiting = setTimeout(follow, 2000);
}

/** Looks again until nothing is under way, and then at the cards, which may be others now. */
async function follow() {
  const { answer } = await call("/v1/model/promotions");
  if (answer.promotions.some((one) => one.state === "queued" || one.state === "running")) requests(answer);
  else setTimeout(load, 1500); // the service takes a moment to load what was promoted
}

async function ask(body) {
  $("promote").disabled = $("rollback").disabled = true;
  $("outcome").classList.remove("bad");
  $("outcome").textContent = "";
  const { visitor } = document.body.dataset;
  try {
    await call("/v1/model/promotions", { method: "POST", body: { ...body, why: $("why").value.trim(), ...(visitor ? { author: visitor } : {}) } });
    $("why").value = "";
    $("outcome").textContent = _("Queued.");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $("outcome").classList.add("bad");
    $("outcome").textContent = `${_("That did not work")}: ${error.message}`;
  }
  gates(state.cards.challenger, state.cards.comparison);
  requests((await call("/v1/model/promotions")).answer);
}

$("change").addEventListener("submit", (event) => {
  event.preventDefault();
  const { version } = state.cards.challenger;
  ask({ kind: "promote", ...(version === null ? {} : { version }) });
});
$("rollback").addEventListener("click", () => ask({ kind: "rollback" }));
$("all-segments").addEventListener("click", () => { state.all = true; segments(state.cards.champion?.segments ?? []); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.cards && draw());
begin(load);
