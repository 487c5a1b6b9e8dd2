// How a lead is shown wherever it is: its name, its probability with the interval drawn, its decision, and BANT as four marks.

import { _, element, percent } from "./console.js";
import * as names from "./names.js";

export const dimensions = ["budget", "authority", "need", "timeline"];

/** The page of a lead. */
export const address = (id) => `/leads/${encodeURIComponent(id)}`;

/** Who it is: a name if it has one, else what it does, else its id; and where, in one line. */
export function who(id, lead) {
  const name = lead.name ?? [lead.first_name, lead.last_name].filter(Boolean).join(" ");
  const [title, company] = [lead.job_title, lead.company ?? lead.company_domain];
  const first = name || title || company || id;
  const rest = [name && title, (name || title) && company, lead.country].filter(Boolean);
  return { first: String(first), rest: rest.join(" · ") };
}

export const tag = (decision) => element("span", { class: `tag ${decision}` }, names.decisions[decision]);

/** Where the lines end on which probabilities are drawn: at a round share above all of these. */
export const limit = (leads) => Math.min(1, Math.max(0.1, Math.ceil(Math.max(0, ...leads.map((one) => one.probability_high)) * 10) / 10));

/** The probability on a line from 0 to `end`: a band from low to high, and a mark where it lies. */
export function interval({ probability, probability_low: low, probability_high: high }, end) {
  const band = element("span", { class: "band" });
  const mark = element("span", { class: "mark" });
  band.style.left = `${(low / end) * 100}%`;
  band.style.width = `${((high - low) / end) * 100}%`;
  mark.style.left = `${(probability / end) * 100}%`;
  return element("span", { class: "interval", "aria-hidden": "true" }, band, mark);
}

export const between = ({ probability_low: low, probability_high: high }) => _("between {low} and {high}", { low: percent.format(low), high: percent.format(high) });

/** Four letters; what each says stands beside it for whoever does not see them. */
export function marks(bant) {
  return element("ul", { class: "marks", role: "list" }, dimensions.map((name) => {
    const said = `${names.dimensions[name]}: ${names.statuses[bant[name].status]}`;
    return element("li", { class: bant[name].status, title: said }, element("span", { "aria-hidden": "true" }, "BANT"[dimensions.indexOf(name)]), element("span", { class: "visually-hidden" }, said));
  }));
}
