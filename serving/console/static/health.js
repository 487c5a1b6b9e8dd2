// The health page: alarms, what promises became, drift signal by signal, and the work behind.

import { $, _, begin, call, element, lasting, locale, ngettext, percent, since, tenth, when, whole } from "./console.js";
import { called } from "./sentences.js";

const SOME = 12;
const third = new Intl.NumberFormat(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const second = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const state = { monitor: null, all: false };

/** What an alarm says, in the page's language. */
const said = {
  score_drift: (alarm) => _("Scores are spread otherwise than in training: index {value}.", { value: second.format(alarm.value) }),
  signal_drift: (alarm) => _("Signals that carry {value} of the model have drifted.", { value: percent.format(alarm.value) }),
  missing: (alarm) => {
    const { missing_before: before, missing: now } = state.monitor.drift.signals.find((one) => one.name === alarm.subject);
    return _("“{name}” is missing in {now} of recent leads, in {before} in training.", { name: called(alarm.subject), now: percent.format(now), before: percent.format(before) });
  },
  calibration: (alarm) => _("Within {subject} days {value} of the conversions came that were promised.", { subject: alarm.subject, value: percent.format(alarm.value) }),
  ranking: (alarm) => _("Within {subject} days leads were ranked worse than in the test: AUC {value}.", { subject: alarm.subject, value: third.format(alarm.value) }),
  model_age: (alarm) => _("The model knows nothing of the last {value} days.", { value: whole.format(alarm.value) }),
  waiting: (alarm) => _("A lead has waited for {time} to be scored.", { time: lasting(alarm.value * 60) }),
  lag: (alarm) => _("One activity in ten is told {value} hours late or later.", { value: tenth.format(alarm.value) }),
  silence: (alarm) => _("Nothing has come for {time}.", { time: lasting(alarm.value * 3600) }),
  failed_jobs: (alarm) => _("{value} jobs had leads that failed.", { value: whole.format(alarm.value) }),
  dead_messages: (alarm) => _("{value} webhooks were given up: tamiz webhooks replay.", { value: whole.format(alarm.value) }),
  unread_messages: (alarm) => _("{value} messages to receivers could not be read.", { value: whole.format(alarm.value) }),
};
const reasons = {
  score_drift: _("scores have drifted"), signal_drift: _("signals have drifted"), missing: _("signals have gone missing"),
  calibration: _("promises do not hold"), ranking: _("leads are ranked worse"), model_age: _("the model is old"),
};
const states = { waiting: _("waiting"), running: _("running"), done: _("done"), failed: _("failed"), cancelled: _("cancelled") };

const ends = (figure, show) => (figure.low === null ? "" : ` (${show.format(figure.low)} – ${show.format(figure.high)})`);
const cell = (figure, show) => element("td", {}, figure === null ? "–" : [element("strong", {}, show.format(figure.value)), element("span", { class: "range" }, ends(figure, show))]);
const head = (names) => element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col" }, name))));
const fact = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value ?? "–"));

async function load() {
  const { answer: monitor } = await call("/v1/monitor");
  state.monitor = monitor;
  $("made").textContent = _("As of {when}", { when: when(monitor.as_of) });
  $("work").hidden = false;
  alarms(monitor);
  tiles(monitor);
  promises(monitor);
  signals(monitor);
  work(monitor);
}

function alarms({ alarms: found, retrain, retrain_because: because }) {
  $("well").hidden = found.length > 0;
  const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const limits = {
    signal_drift: percent.format, missing: percent.format, calibration: (limit) => percent.formatRange(1 - limit, 1 + limit),
    waiting: (limit) => lasting(limit * 60), lag: (limit) => lasting(limit * 3600), silence: (limit) => lasting(limit * 3600),
    ranking: (limit) => _("{n} below the test", { n: plain.format(limit) }), model_age: (limit) => lasting(limit * 86_400),
  };
  const limited = (alarm) => _("limit {limit}", { limit: (limits[alarm.name] ?? plain.format)(alarm.limit) });
  $("alarms").replaceChildren(...found.map((alarm) => element("li", { class: "alarm" }, element("strong", {}, said[alarm.name]?.(alarm) ?? alarm.message), element("span", { class: "range" }, limited(alarm)))));
  $("retrain").hidden = !retrain;
  $("retrain").textContent = retrain ? _("We recommend to train again, because {reasons}: tamiz train.", { reasons: new Intl.ListFormat(locale).format(because.map((name) => reasons[name] ?? name)) }) : "";
}

function tiles({ model, drift, ingestion, work: done }) {
  const tile = (name, value, hint) => element("div", {}, element("dt", {}, name), element("dd", {}, element("strong", {}, value), hint && element("span", { class: "range" }, hint)));
  $("tiles").replaceChildren(
    tile(_("Score drift"), drift.score ? second.format(drift.score.psi) : "–", drift.score ? _("luck alone: up to {n}", { n: second.format(drift.score.psi_by_luck) }) : _("nothing to compare")),
    tile(_("Drifted signals"), drift.signals.length ? _("{n} of {all}", { n: whole.format(drift.signals.filter((one) => one.drifted).length), all: whole.format(drift.signals.length) }) : "–", drift.drifted_importance === null ? _("nothing to compare") : _("{share} of the model", { share: percent.format(drift.drifted_importance) })),
    tile(_("The model knows up to"), model.age_days === null ? "–" : ngettext("{n} day ago", "{n} days ago", Math.round(model.age_days), { n: whole.format(model.age_days) }), model.model_version ?? _("No model serves yet")),
    tile(_("Leads that wait"), whole.format(ingestion.leads_waiting), ingestion.oldest_waiting_minutes === null ? "" : _("the oldest for {time}", { time: lasting(ingestion.oldest_waiting_minutes * 60) })),
    tile(_("Webhooks given up"), whole.format(done.messages_dead), _("{n} wait", { n: whole.format(done.messages_waiting) })),
  );
}

function promises({ promises: found, tested_auc: tested }) {
  $("no-promises").hidden = found.length > 0;
  $("no-promises").textContent = found.length ? "" : _("No model serves, so nothing is promised.");
  const kind = (one) => (one.kind === "expected" ? _("expected of open leads") : _("what came"));
  const days = (one) => (one.within_days === null ? _("ever") : ngettext("within {n} day", "within {n} days", one.within_days, { n: whole.format(one.within_days) }));
  $("promises").replaceChildren(...(found.length ? [
    head([_("What"), _("Leads"), _("Promised"), _("Came"), _("Came of promised"), "AUC", _("Log loss"), _("Calibration error")]),
    element("tbody", {}, found.map((one) => element("tr", {}, element("th", { scope: "row" }, `${kind(one)}, ${days(one)}`), element("td", {}, whole.format(one.leads)), element("td", {}, tenth.format(one.promised)),
      element("td", {}, one.kind === "expected" ? "–" : whole.format(one.conversions)), cell(one.ratio, second), cell(one.auc, third), cell(one.log_loss, third), cell(one.ece, third))),
    tested !== null && element("tr", {}, element("th", { scope: "row" }, _("In the test, when it was trained")), ["–", "–", "–", "–"].map((text) => element("td", {}, text)), element("td", {}, third.format(tested)), element("td", {}, "–"), element("td", {}, "–"))),
  ] : []));
}

function signals({ drift, days }) {
  const found = drift.signals;
  $("looked-at").textContent = drift.reference ? _("{recent} inputs of the last {days} days against {reference} that the model was calibrated on. The index (PSI) is 0 where nothing has changed; below 0.1 is little, above 0.25 is much.", { recent: whole.format(drift.inputs), days: whole.format(days), reference: whole.format(drift.reference) }) : "";
  $("no-signals").hidden = found.length > 0;
  $("no-signals").textContent = found.length ? "" : state.monitor.model.model_version === null ? _("No model serves, so there is nothing to compare.") : drift.reference === 0 || drift.score ? _("The model was trained before its inputs were kept: train again, and drift is told signal by signal.") : _("Too few leads were scored of late to say anything of drift.");
  const shown = state.all ? found : found.slice(0, SOME);
  const more = (before, now) => (now === null ? "–" : element("span", { class: now - before > 0.05 ? "changed" : "" }, `${percent.format(before)} → ${percent.format(now)}`));
  $("signals").replaceChildren(...(found.length ? [
    head([_("Signal"), _("Index"), _("Luck alone"), _("Distance (KS)"), _("Missing"), _("Unseen"), _("Mean"), _("Part of the model")]),
    element("tbody", {}, shown.map((one) => element("tr", { class: one.drifted ? "off" : "" },
      element("th", { scope: "row" }, called(one.name), one.drifted && element("span", { class: "status clash" }, _("drifted"))),
      element("td", {}, element("strong", {}, third.format(one.psi))), element("td", {}, third.format(one.psi_by_luck)), element("td", {}, one.ks === null ? "–" : second.format(one.ks)),
      element("td", {}, more(one.missing_before, one.missing)), element("td", {}, more(one.unseen_before, one.unseen)),
      element("td", {}, one.mean === null || one.mean_before === null ? "–" : `${tenth.format(one.mean_before)} → ${tenth.format(one.mean)}`), element("td", {}, percent.format(one.importance))))),
  ] : []));
  $("all-signals").hidden = state.all || found.length <= SOME;
  $("all-signals").textContent = _("Show all {n}", { n: whole.format(found.length) });
}

function work({ ingestion, work: done, model }) {
  const hours = (value) => (value === null ? null : value < 1 ? _("{n} min", { n: tenth.format(value * 60) }) : _("{n} h", { n: tenth.format(value) }));
  $("ingestion").replaceChildren(
    fact(_("Last activity"), ingestion.last_activity_at && since(ingestion.last_activity_at)),
    fact(_("Half of it is told within"), hours(ingestion.lag_median_hours)),
    fact(_("Nine in ten are told within"), hours(ingestion.lag_p90_hours)),
    fact(_("Leads that wait"), whole.format(ingestion.leads_waiting)),
    fact(_("Pushes that could not be read"), whole.format(done.unread)),
  );
  const jobs = Object.entries(done.jobs).map(([name, count]) => `${whole.format(count)} ${states[name] ?? name}`);
  $("done").replaceChildren(
    fact(_("Workers"), whole.format(done.workers)),
    fact(_("Jobs"), jobs.length ? jobs.join(", ") : _("none of late")),
    fact(_("Jobs with failures"), whole.format(done.jobs_with_failures)),
    fact(_("Models taken into service since the start"), model.swaps === null ? null : whole.format(model.swaps)),
    fact(_("Models refused"), model.refused === null ? null : whole.format(model.refused)),
    fact(_("Last promotion"), model.last_promoted_at && since(model.last_promoted_at)),
  );
}

begin(load);
$("all-signals").addEventListener("click", () => {
  state.all = true;
  signals(state.monitor);
});
