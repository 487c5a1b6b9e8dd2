// Where a lead is on its way to a customer, and how long it waits for sales: in words, and as a track of steps.

import { _, ahead, element, lasting, since, when } from "./console.js";
import * as names from "./names.js";

const way = ["nurture", "mql", "accepted", "sql", "opportunity", "customer"];
const crms = ["opportunity", "customer"];

/** The state as it is called, and since when. */
export const stateLine = (state, from) => element("span", { class: `state ${state}` }, element("span", { class: "state-name" }, names.places[state]), from && element("span", { class: "since" }, since(from)));

/** How the hand-over stands, in words; null where nothing was promised. */
export function clock(sla) {
  if (!sla?.status) return null;
  const overdue = (Date.now() - new Date(sla.due_at)) / 1000;
  // Whoever keeps the page open sees it run out: the answer is older than the clock.
  const status = sla.status === "running" && overdue >= 0 ? "breached" : sla.status;
  const said = {
    running: () => _("call {due}", { due: ahead(sla.due_at) }),
    breached: () => _("overdue by {time}", { time: lasting(overdue) }),
    met: () => _("taken care of in time"),
    late: () => _("taken care of too late"),
  }[status]();
  const due = _("Due {time}", { time: when(sla.due_at) });
  return element("span", { class: `clock ${status}`, title: due }, element("span", { class: "face", "aria-hidden": "true" }), said);
}

/** Why sales cannot say anything about a lead in this state; null: it can. */
export function beyondSales(state) {
  if (crms.includes(state)) return _("It is in the CRM's hands: its stages and outcomes move it.");
  if (state === "disqualified") return _("The policy keeps it away from sales.");
  return state === "new" ? _("Nothing has been decided yet.") : null;
}

/** The steps to a customer, with where the lead is; beside the way are those that sales rejected, were taken back, or kept away. */
export function track(state) {
  const here = way.indexOf(state);
  const steps = way.map((one, place) => element("li", { class: place < here ? "past" : place === here ? "here" : "", "aria-current": place === here ? "step" : null }, names.places[one]));
  return element("ol", { class: "track" }, steps);
}

/** Every move, newest first. */
export const moves = (made) => [...made].reverse().map((one) => element("li", {},
  element("div", { class: "entry" }, element("strong", {}, names.places[one.state]), element("span", { class: "where" }, when(one.at))),
  element("p", { class: "hint" }, [
    one.by && one.actor !== "policy" ? _("by {actor} ({name})", { actor: names.actors[one.actor], name: one.by }) : _("by {actor}", { actor: names.actors[one.actor] }),
    one.reason && (names.rejections[one.reason] ?? one.reason),
  ].filter(Boolean).join(" · "))));
