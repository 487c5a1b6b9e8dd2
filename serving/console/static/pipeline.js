// The pipeline page: bottlenecks, the forecast with what it is made of, stages, our own funnel and cohorts.

import { $, _, begin, call, color, element, locale, ngettext, percent, plot, tenth, when, whole } from "./console.js";

const money = new Intl.NumberFormat(locale, { useGrouping: "always", maximumFractionDigits: 0 });
const short = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
const month = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", timeZone: "UTC" });
const points = new Intl.NumberFormat(locale, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const leads = new Intl.NumberFormat(locale, { useGrouping: "always", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const steps = { created: _("created"), scored: _("scored"), mql: "MQL", accepted: _("accepted by sales"), sql: "SQL", won: _("won") };

const state = { pipeline: null, forecast: null };

/** Days as people say them: minutes and hours where a day is too much. */
function lasting(days) {
  if (days >= 1) return _("{n} d", { n: tenth.format(days) });
  if (days >= 1 / 24) return _("{n} h", { n: tenth.format(days * 24) });
  return _("{n} min", { n: tenth.format(days * 1440) });
}

/** An interval in brackets; one end of it may be beyond what was seen. */
function ends({ low, high }, show) {
  if (low === null && high === null) return "";
  if (high === null) return _(" ({low} or more)", { low: show(low) });
  return low === null ? _(" (up to {high})", { high: show(high) }) : ` (${show(low)} – ${show(high)})`;
}
const cell = (figure, show) => element("td", {}, figure === null ? "–" : [element("strong", {}, show(figure.value)), element("span", { class: "range" }, ends(figure, show))]);
const head = (names) => element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col" }, name))));
const row = (name, ...cells) => element("tr", {}, element("th", { scope: "row" }, name), cells.map((one) => (one instanceof Element ? one : element("td", {}, one))));

async function load() {
  const days = $("days").value;
  const [{ answer: pipeline }, { answer: forecast }] = await Promise.all([call(`/v1/pipeline?days=${days}`), call("/v1/forecast")]);
  Object.assign(state, { pipeline, forecast });
  for (const table of ["bottlenecks", "stages", "funnel", "cohorts"]) $(`${table}-csv`).href = `/v1/pipeline?days=${days}&format=csv&table=${table}`;
  $("made").textContent = _("As of {when}", { when: when(pipeline.as_of) });
  $("work").hidden = false;
  tiles();
  bottlenecks();
  stages();
  funnel();
  cohorts();
  ahead();
}

// ------------------------------------------------------------------------------------------------ what was closed

function tiles() {
  const { deals, deals_before: before, open } = state.pipeline;
  const tile = (name, value, range, was) => element("div", {}, element("dt", {}, name), element("dd", {}, element("strong", {}, value), range && element("span", { class: "range" }, range), was !== null && was !== undefined && element("span", { class: "was" }, _("before: {value}", { value: was }))));
  $("tiles").replaceChildren(
    tile(_("Won"), whole.format(deals.won), deals.amount === null ? "" : money.format(deals.amount), whole.format(before.won)),
    deals.win_rate ? tile(_("Win rate"), percent.format(deals.win_rate.value), ends(deals.win_rate, (value) => percent.format(value)), before.win_rate && percent.format(before.win_rate.value)) : tile(_("Win rate"), "–", _("nothing was closed"), null),
    deals.average_deal ? tile(_("Average deal"), money.format(deals.average_deal.value), ends(deals.average_deal, (value) => money.format(value)), before.average_deal && money.format(before.average_deal.value)) : tile(_("Average deal"), "–", _("outcomes carry no amounts"), null),
    tile(_("Days to win"), deals.median_days_to_win === null ? "–" : lasting(deals.median_days_to_win), _("half of the wins are faster"), before.median_days_to_win === null ? null : lasting(before.median_days_to_win)),
    deals.velocity ? tile(_("Velocity, a day"), money.format(deals.velocity.value), ends(deals.velocity, (value) => money.format(value)), before.velocity && money.format(before.velocity.value)) : false || tile(_("Open leads"), whole.format(open), "", null),
  );
}

function bottlenecks() {
  const { bottlenecks: found } = state.pipeline;
  $("no-bottlenecks").hidden = found.length > 0;
  const p = (value) => (value < 0.001 ? _("p < 0.001") : `p = ${new Intl.NumberFormat(locale, { maximumFractionDigits: 3 }).format(value)}`);
  const said = {
    fewer: (one) => _("{stage}: {now} move on instead of {before}.", { stage: one.stage, now: percent.format(one.value), before: percent.format(one.before) }),
    longer: (one) => _("{stage}: half of the leads stay longer than {now} instead of {before}.", { stage: one.stage, now: lasting(one.value), before: lasting(one.before) }),
    wait: (one) => _("{stage}: {now} leads wait instead of {before} when the period began.", { stage: one.stage, now: whole.format(one.value), before: whole.format(one.before) }),
  };
  const change = {
    fewer: (one) => _("Change {low} to {high} points", { low: points.format(one.low * 100), high: points.format(one.high * 100) }),
    longer: (one) => (one.low === null || one.high === null ? "" : _("Change {low} to {high} days", { low: points.format(one.low), high: points.format(one.high) })),
    wait: (one) => _("Change {low} to {high} leads", { low: leads.format(one.low), high: leads.format(one.high) }),
  };
  $("bottlenecks").replaceChildren(...found.map((one) => element("li", {}, element("strong", {}, said[one.kind](one)),
    element("span", { class: "range" }, [change[one.kind](one), _("{now} leads entered, {before} before", { now: whole.format(one.count), before: whole.format(one.count_before) }), p(one.p)].filter(Boolean).join(" · ")))));
}

// ------------------------------------------------------------------------------------------------ stages

function stages() {
  const { stages: found, time_of_wins: spent } = state.pipeline;
  $("no-stages").hidden = found.length > 0;
  const share = (value) => percent.format(value);
  const against = (stage) => {
    if (!stage.change) return "–";
    const sure = stage.change.low > 0 || stage.change.high < 0;
    return element("span", { class: sure ? (stage.change.low > 0 ? "gained" : "changed") : "" }, _("{n} points", { n: points.format(stage.change.value * 100) }), element("span", { class: "range" }, ends(stage.change, (value) => points.format(value * 100))));
  };
  $("stages").replaceChildren(...(found.length ? [
    head([_("Stage"), _("Entered"), _("Move on"), _("Against before"), _("Lost"), _("Half leave within"), _("Four in five within"), _("There now"), _("Overdue")]),
    element("tbody", {}, found.map((stage) => row([stage.name, stage.aside && element("span", { class: "status" }, _("aside"))].filter(Boolean).map((part) => (typeof part === "string" ? part : part)),
      whole.format(stage.now.entered), cell(stage.now.conversion, share), element("td", {}, against(stage)), whole.format(stage.now.lost),
      cell(stage.now.median_days, lasting), cell(stage.now.p80_days, lasting), whole.format(stage.waiting), whole.format(stage.overdue)))),
  ] : []));
  const longest = Object.entries(spent).sort(([, one], [, other]) => other.value - one.value)[0];
  $("time-of-wins").textContent = longest ? _("Leads won in this period spent {share} of their days in {stage}{range}.", { share: percent.format(longest[1].value), stage: longest[0], range: ends(longest[1], share) }) : "";
}

function funnel() {
  const { funnel: found, funnel_before: before } = state.pipeline;
  const most = Math.max(1, ...found.map((step) => step.leads));
  $("funnel").replaceChildren(...found.map((step, place) => {
    const bar = element("span", { class: "fill" });
    bar.style.width = `${(step.leads / most) * 100}%`;
    const was = before[place]?.name === step.name ? before[place] : null;
    return element("li", {}, element("span", { class: "named" }, steps[step.name]), element("span", { class: "meter", "aria-hidden": "true" }, bar),
      element("span", { class: "count" }, whole.format(step.leads)),
      element("span", { class: "range" }, step.share ? [step.name === "won" ? _("{share} of those that were SQL", { share: percent.format(step.share.value) }) : _("{share} of the step before", { share: percent.format(step.share.value) }), ends(step.share, (value) => percent.format(value)), was?.share ? ` · ${_("before: {value}", { value: percent.format(was.share.value) })}` : ""].join("") : was ? _("before: {value}", { value: whole.format(was.leads) }) : ""));
  }));
}

function cohorts() {
  const { cohorts: found, stages: known } = state.pipeline;
  const names = known.slice(0, 6).map((stage) => stage.name);
  $("cohorts").replaceChildren(head([_("Month"), _("Leads"), ...names, _("Won"), _("Lost"), _("Still open"), _("Won so far"), _("Amount")]),
    element("tbody", {}, [...found].reverse().map((one) => row(month.format(new Date(`${one.month}-01T00:00:00Z`)), whole.format(one.leads), ...names.map((name) => whole.format(one.reached[name] ?? 0)),
      whole.format(one.won), whole.format(one.lost), whole.format(one.open), cell(one.win_share, (value) => percent.format(value)), one.amount === null ? "–" : money.format(one.amount)))));
}

// ------------------------------------------------------------------------------------------------ the forecast

function ahead() {
  const { forecast } = state;
  const range = (one, show) => `${show.format(one.expected)} (${show.format(one.low)} – ${show.format(one.high)})`;
  $("forecast").replaceChildren(...(forecast.total ? [
    element("strong", {}, _("{n} conversions in the next {weeks} weeks", { n: range(forecast.total, whole), weeks: whole.format(forecast.weeks.length) })),
    forecast.revenue_total && element("span", {}, _("worth {amount}", { amount: range(forecast.revenue_total, money) })),
    element("span", { class: "range" }, _("In brackets: where nine such sums in ten should lie.")),
  ].filter(Boolean) : forecast.open_total ? [element("strong", {}, _("{n} of the open leads convert, sooner or later", { n: range(forecast.open_total, whole) }))] : []));
  chart(forecast);
  const parts = forecast.parts;
  $("parts").textContent = parts ? _("The interval: {luck} luck of the draw, {calibration} what calibration may be off by, {months} good and bad months, {arrivals} how many leads come.", Object.fromEntries(Object.entries(parts).map(([name, share]) => [name, percent.format(share)]))) : "";
  const check = forecast.kept.of >= 4 ? forecast.kept : forecast.backtest;
  const of = { by: check === forecast.kept ? _("weeks that this installation forecast") : check.by === "week" ? _("past weeks of the backtest") : _("past months of the backtest") };
  $("held").textContent = check.of ? _("Held against what happened: {held} of {of} {by} lay inside ({coverage}; {low} – {high} with so few). Nine in ten should.", { ...of, held: whole.format(check.held), of: whole.format(check.of), coverage: percent.format(check.coverage), low: percent.format(check.low), high: percent.format(check.high) }) : "";
  $("unsaid").replaceChildren(...unsaid(forecast).map((text) => element("li", {}, text)));
  tables(forecast);
}

/** What could not be said, and what it needs. */
function unsaid(forecast) {
  return [
    forecast.model_version === null && _("No model serves, so open leads are not counted: tamiz promote."),
    forecast.model_version !== null && forecast.horizon_days === null && _("The model was trained without dates: it does not say when leads convert."),
    forecast.arrivals_per_week === null && _("Leads still to come are not counted: too few have come and converted within a year."),
    forecast.revenue_total === null && forecast.weeks.length > 0 && _("No revenue: outcomes carry no amounts."),
    forecast.weeks.length > 0 && forecast.spread.periods === 0 && _("Too few past months to know how much they differ: a quarter up or down is assumed."),
    forecast.backtest.of === 0 && forecast.kept.of === 0 && _("Nothing to hold it against yet: the backtest has too few periods, and no forecast of this installation is over."),
    forecast.unscored > 0 && ngettext("{n} open lead has not been scored and is not counted.", "{n} open leads have not been scored and are not counted.", forecast.unscored, { n: whole.format(forecast.unscored) }),
    forecast.outdated > 0 && ngettext("{n} lead's score is older than the horizon: score it again.", "{n} leads' scores are older than the horizon: score them again.", forecast.outdated, { n: whole.format(forecast.outdated) }),
  ].filter(Boolean);
}

function chart({ past, weeks }) {
  $("weeks").hidden = weeks.length === 0 && past.every((one) => one.conversions === 0);
  if ($("weeks").hidden) return;
  const axis = { gridcolor: color("--line"), zeroline: false, linecolor: color("--line"), fixedrange: true };
  const middle = (one) => new Date((new Date(one.begins).getTime() + new Date(one.ends).getTime()) / 2).toISOString();
  const times = weeks.map(middle);
  const open = weeks.map((one) => one.of_open?.expected ?? 0);
  const fresh = weeks.map((one) => one.of_new?.expected ?? 0);
  const hover = (name) => `%{x|%Y-%m-%d}: %{y:.1f} ${name}<extra></extra>`;
  const traces = [
    { type: "bar", x: past.map(middle), y: past.map((one) => one.conversions), name: _("happened"), marker: { color: color("--soft") }, hovertemplate: hover(_("happened")) },
    { type: "bar", x: times, y: open, name: _("expected of open leads"), marker: { color: color("--mql") }, hovertemplate: hover(_("expected of open leads")) },
    { type: "bar", x: times, y: fresh, name: _("expected of leads to come"), marker: { color: color("--sql") }, hovertemplate: hover(_("expected of leads to come")) },
    { type: "scatter", mode: "markers", x: times, y: weeks.map((one) => one.conversions.expected), name: _("nine weeks in ten"), marker: { color: color("--ink"), size: 4 },
      error_y: { type: "data", symmetric: false, array: weeks.map((one) => one.conversions.high - one.conversions.expected), arrayminus: weeks.map((one) => one.conversions.expected - one.conversions.low), color: color("--ink"), thickness: 1.2, width: 3 }, hoverinfo: "skip" },
  ];
  plot("weeks", traces, {
    barmode: "stack", margin: { l: 40, r: 8, t: 8, b: 36 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, bargap: 0.25,
    font: { family: "system-ui, sans-serif", size: 12, color: color("--ink") }, separators: locale === "es" ? ",." : ".,",
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { ...axis, type: "date", tickmode: "array", tickvals: [...past, ...weeks].filter((_one, place) => place % 4 === 0).map(middle), ticktext: [...past, ...weeks].filter((_one, place) => place % 4 === 0).map((one) => short.format(new Date(middle(one)))) },
    yaxis: { ...axis, rangemode: "tozero", title: { text: _("conversions a week"), standoff: 6, font: { size: 12 } } },
  }, { responsive: true });
  const [first] = weeks;
  $("weeks").setAttribute("aria-label", first ? _("Next week {expected} conversions, between {low} and {high}. The table below has every week.", { expected: tenth.format(first.conversions.expected), low: whole.format(first.conversions.low), high: whole.format(first.conversions.high) }) : _("What the past weeks brought."));
}

function tables(forecast) {
  const range = (one, show) => (one === null ? "–" : `${show.format(one.expected)} (${show.format(one.low)} – ${show.format(one.high)})`);
  $("weeks-table").replaceChildren(head([_("Week from"), _("Conversions"), _("Of open leads"), _("Of leads to come"), _("Revenue")]),
    element("tbody", {}, forecast.weeks.map((week) => row(short.format(new Date(week.begins)), range(week.conversions, tenth), range(week.of_open, tenth), range(week.of_new, tenth), range(week.revenue, money)))));
  $("checked").hidden = forecast.backtest.of === 0;
  $("checked-table").replaceChildren(head([_("From"), _("Expected"), _("Interval"), _("Came"), _("Inside")]),
    element("tbody", {}, forecast.backtest.periods.map((one) => row(short.format(new Date(one.begins)), tenth.format(one.expected), `${whole.format(one.low)} – ${whole.format(one.high)}`, whole.format(one.actual), one.held ? _("yes") : _("no")))));
  $("ages").hidden = forecast.ages.length === 0;
  $("ages-table").replaceChildren(head([_("Age in days"), _("Open leads"), _("Promised"), _("Such leads before"), _("Of them won"), _("Factor")]),
    element("tbody", {}, forecast.ages.map((one) => row(one.to_days === null ? _("{n} and more", { n: whole.format(one.from_days) }) : `${whole.format(one.from_days)} – ${whole.format(one.to_days)}`,
      whole.format(one.open_leads), percent.format(one.promised), whole.format(one.past_leads), `${whole.format(one.past_won)} (${percent.format(one.past_leads ? one.past_won / one.past_leads : 0)})`, `× ${new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(one.factor)}`))));
}

const again = begin(load);
$("days").addEventListener("change", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.forecast && chart(state.forecast));
