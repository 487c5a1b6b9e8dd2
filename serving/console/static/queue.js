// The queue: who to call first. Filters and the page stand in the browser's history, so that going back finds them again.

import { $, _, ago, begin, call, element, locale, ngettext, percent, tenth, whole } from "./console.js";
import { address, interval, limit, marks, tag, who } from "./leads.js";
import { clock, stateLine } from "./lifecycle.js";
import { reason as reasonOf } from "./sentences.js";
import { verdict } from "./verdict.js";

const SIZE = 25;
const OLD = 3 * 86_400_000;
const heading = Object.fromEntries([...document.querySelectorAll("#table thead th")].map((one) => [one.className, one.textContent]));
const decisions = ["sql", "mql", "nurture", "disqualified"];

/** What is asked for; `cursors` leads from the first page to this one. */
const everyone = { decision: [...decisions], state: "", sla: "", owner: "", least: "", cursors: [] };
// Whom to call: not whom the CRM has made a deal of already, nor whom somebody has said no to.
let asked = { ...everyone, decision: ["sql", "mql"], state: $("state").options[0].value, sort: "-probability", ...history.state };

const money = (value) => (value === null ? null : element("span", { class: "worth" }, _("worth {value} on average", { value: (value < 100 ? tenth : whole).format(value) })));

/** That a score is of some days ago: what has not happened since counts, too. */
const old = (as_of) => (Date.now() - new Date(as_of) > OLD ? element("span", { class: "worth" }, _("as of {when}", { when: ago(as_of) })) : null);

async function load() {
  show();
  const query = new URLSearchParams({ sort: asked.sort, limit: SIZE });
  if (asked.decision.length && asked.decision.length < decisions.length) query.set("decision", asked.decision.join(","));
  for (const name of ["state", "sla", "owner"]) if (asked[name]) query.set(name, asked[name]);
  if (asked.least) query.set("min_probability", asked.least / 100);
  if (asked.cursors.length) query.set("cursor", asked.cursors.at(-1));
  const [{ answer }, waits] = await Promise.all([call(`/v1/leads?${query}`), call("/v1/hand-offs")]);
  waiting(waits.answer);
  query.set("limit", 500); // as many as one call gives
  $("csv").href = `/v1/leads?${query}&format=csv`;
  const first = asked.cursors.length * SIZE;
  const end = limit(answer.leads);
  $("rows").replaceChildren(...answer.leads.map((one, place) => row(one, first + place + 1, end)));
  $("table").hidden = !answer.leads.length;
  $("count").textContent = answer.leads.length ? _("Leads {from} to {to}. Bars run from 0 to {end}; the band is the interval.", { from: whole.format(first + 1), to: whole.format(first + answer.leads.length), end: percent.format(end) }) : "";
  $("previous").disabled = !asked.cursors.length;
  $("next").disabled = !answer.next;
  $("next").dataset.cursor = answer.next ?? "";
  $("pages").hidden = !answer.next && !asked.cursors.length;
  await explainEmptiness(answer.leads.length);
  $("work").hidden = false;
}

/** Nobody under these filters, or nobody at all: the first is for the filters, the second for whoever feeds leads. */
async function explainEmptiness(found) {
  $("nobody-here").hidden = $("nobody-at-all").hidden = true;
  if (found) return;
  const { answer } = await call("/v1/leads?limit=1");
  $(answer.leads.length ? "nobody-here" : "nobody-at-all").hidden = false;
}

function row(one, place, end) {
  const { first, rest } = who(one.lead_id, one.lead);
  const cell = (name, ...children) => element("td", { role: "cell", class: name, "data-label": heading[name] }, ...children);
  return element(
    "tr", { role: "row" },
    element("th", { role: "rowheader", scope: "row", class: "lead" },
      element("span", { class: "place", "aria-hidden": "true" }, whole.format(place)),
      element("div", {}, element("a", { href: address(one.lead_id) }, first), element("span", { class: "rest" }, rest), element("span", { class: "id" }, one.lead_id))),
    cell("chance",
      element("div", { class: "chance-line" }, element("strong", {}, percent.format(one.probability)), one.grade && element("span", { class: `grade grade-${one.grade}` }, element("span", { class: "visually-hidden" }, `${_("Grade")} `), one.grade)),
      interval(one, end), element("span", { class: "range" }, percent.formatRange(one.probability_low, one.probability_high)), money(one.expected_value), old(one.as_of)),
    stands(one, cell),
    cell("why", one.reasons.length ? element("ul", { class: "reasons" }, one.reasons.slice(0, 3).map((reason) => {
      const said = reasonOf(reason);
      said.className = reason.contribution >= 0 ? "up" : "down";
      said.prepend(element("span", { class: "visually-hidden", lang: locale }, `${reason.contribution >= 0 ? _("raises it") : _("lowers it")}: `));
      return said;
    })) : _("Nothing stands out.")),
    cell("bant", marks(one.bant)),
    cell("verdict", verdict(one.lead_id, one.feedback, first, one.state, () => restate(one, cell))),
  );
}

const stands = (one, cell) => cell("decision", tag(one.decision), stateLine(one.state, one.state_since), clock(one.sla), one.owner && element("span", { class: "owner" }, _("with {owner}", { owner: one.owner })));

/** What sales said has moved the lead: its own row says where it is now. */
async function restate(one, cell) {
  const { answer } = await call(`/v1/leads/${encodeURIComponent(one.lead_id)}?limit=1`);
  const { state, since: state_since, owner, sla } = answer.lifecycle;
  const row = [...$("rows").children].find((each) => each.querySelector(".id").textContent === one.lead_id);
  row?.querySelector(".decision").replaceWith(stands({ decision: answer.decision.decision, state, state_since, owner, sla }, cell));
  waiting((await call("/v1/hand-offs")).answer);
}

/** How many leads wait for sales, if the policy promises anything; and whose they are, for the filter. */
function waiting({ running, breached, in_time: share, by_owner: owners, days }) {
  $("owners").replaceChildren(...owners.filter((one) => one.owner).map((one) => element("option", { value: one.owner })));
  $("waiting").hidden = running + breached === 0 && share === null;
  const late = ngettext("{n} lead waits for sales longer than promised.", "{n} leads wait for sales longer than promised.", breached, { n: whole.format(breached) });
  const rest = ngettext("{n} waits within the promise.", "{n} wait within the promise.", running, { n: whole.format(running) });
  const past = share === null ? null : _("Of those of the last {days} days, {share} were taken care of in time.", { days: whole.format(days), share: percent.format(share) });
  const show = element("button", { type: "button", class: "small", onclick: () => ask({ ...everyone, sla: "breached", sort: "due_at" }) }, _("Show those that wait too long"));
  $("waiting").classList.toggle("breached", breached > 0);
  $("waiting").replaceChildren(element("span", {}, element("strong", {}, late), ` ${rest}`, past && ` ${past}`), ...(breached ? [show] : []));
}

// ------------------------------------------------------------------------------------------------ filters and pages

function show() {
  for (const name of decisions) $(`decision-${name}`).checked = asked.decision.includes(name);
  for (const name of ["sort", "state", "sla", "owner"]) $(name).value = asked[name];
  $("least").value = asked.least;
}

function ask(changes) {
  asked = { ...asked, ...changes };
  history.pushState(asked, "");
  again();
}

function filter() {
  const least = Number.parseFloat($("least").value.replace(",", "."));
  ask({
    decision: decisions.filter((name) => $(`decision-${name}`).checked), sort: $("sort").value,
    state: $("state").value, sla: $("sla").value, owner: $("owner").value.trim(),
    least: least >= 0 && least <= 100 ? String(least) : "", cursors: [],
  });
}

function turn(cursors) {
  ask({ cursors });
  $("main").focus();
  window.scrollTo(0, 0);
}

$("filters").addEventListener("change", filter);
$("filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
$("everyone").addEventListener("click", () => ask(everyone));
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = $("lead-id").value.trim();
  if (id) location.assign(address(id));
});
$("next").addEventListener("click", () => turn([...asked.cursors, $("next").dataset.cursor]));
$("previous").addEventListener("click", () => turn(asked.cursors.slice(0, -1)));
addEventListener("popstate", (event) => { asked = { ...asked, cursors: [], ...event.state }; again(); });
history.replaceState(asked, "");
const again = begin(load, { 503: _("No model serves yet") });
