// One lead: what was decided and why, what is known of it and what to ask, what it did, and every decision with its receipt.

import { $, _, begin, call, clock, day, element, locale, may, percent, Refused, since, tenth, when, whole } from "./console.js";
import * as names from "./names.js";
import { between, dimensions, interval, limit, tag, who } from "./leads.js";
import { clock as countdown, moves, stateLine, track } from "./lifecycle.js";
import { course, whatIf } from "./outlook.js";
import { fact as factOf, missing, reason as reasonOf } from "./sentences.js";
import { verdict } from "./verdict.js";

const id = document.body.dataset.lead;
const path = `/v1/leads/${encodeURIComponent(id)}`;
const SOME = 40;
const ALL = 500;

async function load() {
  const [held, past] = await Promise.all([call(`${path}?limit=${SOME}`), call(`${path}/decisions?limit=50`)]);
  locate(held.answer.lifecycle);
  introduce(held.answer);
  const told = held.answer.decision;
  $("undecided").hidden = told !== null;
  for (const part of [$("decided"), ...document.querySelectorAll(".told")]) part.hidden = told === null;
  if (told) {
    decide(told, held.answer.since);
    $("verdict").replaceChildren(verdict(held.answer.lead_id, held.answer.feedback, $("name").textContent, held.answer.lifecycle.state, relocate));
    $("bant").replaceChildren(...dimensions.map((name) => dimension(name, told.bant[name])));
    explain(told.reasons);
    $("missing").replaceChildren(...told.missing.map((text) => missing(text)));
    $("missing-card").hidden = !told.missing.length;
  }
  timeline(held.answer);
  $("decisions").replaceChildren(...past.answer.decisions.map(entry));
  $("work").hidden = false;
  if (told) look(held.answer, past.answer.decisions);
}

/** Where it is on its way, and how long it waits. */
function locate({ state, since: from, owner, sla, moves: made }) {
  $("track").replaceChildren(track(state));
  const owned = owner && _("with {owner}", { owner });
  $("aside").replaceChildren(stateLine(state, from), owned ? ` · ${owned}` : "");
  $("moves").replaceChildren(...moves(made));
  const said = sla && countdown(sla);
  $("clock").hidden = !said;
  $("clock").replaceChildren(...(said ? [said] : []));
}

const relocate = async () => locate((await call(`${path}?limit=1`)).answer.lifecycle);

/** What takes the model a moment longer: its score over time, and with one thing more. Without them the page is whole all the same. */
async function look(held, decisions) {
  const [past, more] = await Promise.allSettled([call(`${path}/course`), call(`${path}/what-if`)]);
  const points = past.status === "fulfilled" ? past.value.answer.points : [];
  $("course").hidden = points.length < 2;
  if (points.length > 1) {
    const said = _("The score after each thing that happened, as today's model has it from what was known by then; below, what happened (hollow: machines).");
    $("course").replaceChildren(course(points, held.activities, decisions), element("figcaption", { class: "hint" }, said));
  }
  $("more-name").parentElement.hidden = more.status !== "fulfilled";
  if (more.status === "fulfilled") {
    const told = more.value.answer;
    $("more-now").textContent = _("Now {share} of leads like this one convert. With one thing more:", { share: percent.format(told.probability) });
    $("what-if").replaceChildren(...whatIf(told, held.decision.decision));
  }
}

function introduce({ lead_id: own, lead, account }) {
  const { first, rest } = who(own, lead);
  $("name").textContent = first;
  document.title = `${first} · Tamiz`;
  $("about").textContent = [rest, own].filter(Boolean).join(" · ");
  const facts = ["email", "phone", "company_domain", "industry", "employees", "country", "city", "source", "language"];
  const shown = facts.filter((name) => lead[name] !== undefined && lead[name] !== null);
  $("facts").replaceChildren(...shown.map((name) => {
    const value = typeof lead[name] === "number" ? whole.format(lead[name]) : String(lead[name]);
    return element("div", {}, element("dt", {}, names.facts[name]), element("dd", {}, value));
  }));
  if (!shown.length && account) $("facts").replaceChildren(element("div", {}, element("dt", {}, _("Domain")), element("dd", {}, account)));
}

function decide(told, from) {
  $("decision").replaceChildren(tag(told.decision), element("span", { class: "since" }, since(from)));
  $("rules").replaceChildren(...(told.rules ?? []).map((rule) => element("li", {}, inWords(rule))));
  if (told.override) $("rules").append(element("li", {}, _("{author}: {reason}", { author: told.override.author, reason: told.override.reason })));
  $("zero").textContent = percent.format(0);
  $("chance").textContent = percent.format(told.probability);
  const end = limit([told]);
  $("interval").replaceChildren(interval(told, end));
  $("end").textContent = percent.format(end);
  const horizon = told.horizon_days === null ? _("Of leads like this one, so many convert.") : _("Of leads like this one, so many convert within {days} days.", { days: whole.format(told.horizon_days) });
  $("meaning").textContent = [`${between(told)}.`, horizon, _("As of {when}.", { when: when(told.as_of) })].join(" ");
  const score = told.score === null ? [] : [[_("Score"), _("{score} of 100", { score: whole.format(told.score) })], [_("Grade"), told.grade]];
  const worth = told.expected_value === null ? [] : [[_("Worth on average"), whole.format(told.expected_value)]];
  $("figures").replaceChildren(...[...score, ...worth].map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** A rule as a sentence; a segment, an arm or a rule of a newer policy as it is called. */
function inWords(rule) {
  const [kind, name] = rule.split(/:(.*)/s);
  return name === undefined ? (names.rules[rule] ?? rule) : (names.named[kind]?.(name) ?? name);
}

// ------------------------------------------------------------------------------------------------ BANT, and why

function dimension(name, { status, evidence, question }) {
  const contradicted = evidence.some((fact) => fact.contradicts);
  return element("li", { class: `dimension ${status}` },
    element("h3", {}, names.dimensions[name], element("span", { class: "status" }, names.statuses[status]), contradicted && element("span", { class: "status clash" }, _("facts disagree"))),
    evidence.length ? element("ul", { class: "evidence" }, evidence.map((fact) => element("li", { class: fact.contradicts ? "contradicts" : "" },
      factOf(fact.fact),
      element("span", { class: "where" }, (names.sources[fact.source] ?? fact.source), " · ", fact.observed_at ? since(fact.observed_at) : _("no date"),
        fact.weight < 0 && element("span", {}, ` · ${_("speaks against")}`), fact.contradicts && element("strong", {}, ` · ${_("contradicts the strongest fact")}`))))) : element("p", { class: "hint" }, _("Nothing known.")),
    question && element("p", { class: "ask" }, element("span", {}, _("Ask: ")), _(question)));
}

function explain(reasons) {
  $("no-reasons").hidden = reasons.length > 0;
  const most = Math.max(...reasons.map((one) => Math.abs(one.contribution)), 1e-9);
  $("reasons").replaceChildren(...reasons.map((one) => {
    const up = one.contribution >= 0;
    const bar = element("span", { class: up ? "gain" : "loss" });
    bar.style.width = `${(Math.abs(one.contribution) / most) * 50}%`;
    const odds = _("odds × {factor}", { factor: new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(Math.exp(one.contribution)) });
    return element("li", {}, reasonOf(one, "span"),
      element("span", { class: "pull", "aria-hidden": "true" }, bar),
      element("span", { class: "where" }, `${up ? _("raises it") : _("lowers it")} · ${odds}`));
  }));
}

// ------------------------------------------------------------------------------------------------ what it did

function timeline({ activities, activities_total: total }) {
  $("nothing-done").hidden = activities.length > 0;
  const days = Map.groupBy ? Map.groupBy(activities, (one) => one.occurred_at.slice(0, 10)) : grouped(activities);
  $("timeline").replaceChildren(...[...days].map(([, done]) => element("li", {},
    element("h3", {}, day.format(new Date(done[0].occurred_at))),
    element("ol", {}, done.map((one) => element("li", { class: one.machine ? "machine" : "" },
      element("time", { datetime: one.occurred_at, title: when(one.occurred_at) }, clock.format(new Date(one.occurred_at))),
      element("div", {}, element("span", { class: "did" }, (names.activities[one.type] ?? one.type)), one.machine && element("span", { class: "status" }, _("machine")), element("span", { class: "where" }, details(one)))))))));
  $("machines").textContent = activities.some((one) => one.machine) ? _("What a machine did (mail scanners, privacy proxies, crawlers) is marked and does not count as interest.") : "";
  $("more").hidden = activities.length >= Math.min(total, ALL);
  $("more").textContent = _("Show {total}", { total: whole.format(Math.min(total, ALL)) });
  $("of-total").textContent = total ? _("{shown} of {total} activities, newest first", { shown: whole.format(activities.length), total: whole.format(total) }) : "";
}

function grouped(activities) {
  const days = new Map();
  for (const one of activities) days.set(one.occurred_at.slice(0, 10), [...(days.get(one.occurred_at.slice(0, 10)) ?? []), one]);
  return days;
}

const duration = (seconds) => (seconds < 90 ? _("{n} s", { n: tenth.format(seconds) }) : _("{n} min", { n: tenth.format(seconds / 60) }));

function details(one) {
  const lasted = one.duration_seconds ? duration(one.duration_seconds) : null;
  const about = one.type === "answer" ? names.dimensions[one.content] ?? one.content : one.content;
  return [one.url, about, one.value && `“${one.value}”`, one.campaign, lasted].filter(Boolean).join(" · ");
}

// ------------------------------------------------------------------------------------------------ decisions

function entry(one) {
  const { receipt } = one;
  const lines = [[_("Ledger entry"), receipt.decision_id], [_("As of"), when(one.as_of)], [_("Model"), receipt.model_version], [_("Policy"), receipt.policy_version], [_("Hash of the inputs"), receipt.input_hash]];
  return element("li", {},
    element("div", { class: "entry" }, tag(one.decision), element("strong", {}, percent.format(one.probability)), element("span", { class: "where" }, when(receipt.scored_at))),
    element("p", { class: "hint" }, (one.rules ?? []).map(inWords).join(" ")),
    element("details", {}, element("summary", {}, _("Receipt")), element("dl", { class: "receipt" }, lines.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value ?? "–"))))));
}

$("again").disabled = !may("score");
$("more").addEventListener("click", async () => timeline((await call(`${path}?limit=${ALL}`)).answer));
$("again").addEventListener("click", async () => {
  $("again").disabled = true;
  try {
    await call(`${path}/score`, { method: "POST" });
    await load();
    $("outcome").textContent = _("Scored as of now.");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    $("outcome").textContent = `${_("That did not work")}: ${error.message}`;
  } finally {
    $("again").disabled = !may("score");
  }
});
begin(load, { 404: _("There is no such lead"), 503: _("No model serves yet") });
