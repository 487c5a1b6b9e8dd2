// What the service says of a proposed policy: places used, who moves today, the threshold it recommends, and each segment.

import { $, _, element, ngettext, percent, tenth, whole } from "./console.js";

const queues = ["mql", "sql"];
export const count = (value) => (value >= 20 ? whole : tenth).format(value);

/** Shows an answer of `POST /v1/policy/preview`; `use` sets a threshold that is recommended. */
export function show(answer, use) {
  for (const queue of queues) places(queue, answer[queue].capacity);
  today(answer.today);
  recommended(answer.recommendation, use);
  segments(answer.by_segment, answer.per);
  $("holds").textContent = answer.level ? intervals(answer) : "";
  $("left-out").textContent = answer.left_out.length ? _("Not followed in these figures: {rules}.", { rules: answer.left_out.map((name) => parts[name] ?? name).join(", ") }) : "";
}

const parts = {
  bant: _("the BANT that SQL asks for"),
  require_consent: _("consent"),
  suppress: _("suppression lists"),
  hand_raise: _("raised hands"),
  cool_down_days: _("cool-down"),
  silence_days: _("recycling after silence"),
  explore: _("exploration"),
};

function intervals({ per, weeks }) {
  if (per !== "week") return _("Intervals hold the luck of the draw and how wrong the probabilities may be; leads without dates say nothing of how that moves in time.");
  return _("Intervals are for the average of the next eight weeks. They hold the luck of the draw, the unevenness of the last {weeks} weeks, and how wrong the probabilities may be; not a new campaign, price or team.", { weeks: whole.format(weeks) });
}

function places(queue, capacity) {
  const bar = $(`${queue}-used`);
  bar.hidden = !capacity;
  if (!capacity) return;
  const share = capacity.used ?? 1;
  bar.querySelector("meter").value = Math.min(share, 1);
  const full = percent.format(capacity.weeks_full);
  const said = capacity.a_week === 0 ? _("No places: nobody enters.")
    : capacity.weeks_full >= 0.005 ? _("{used} of the places used; full in {full} of weeks, {wanted} leads would want in.", { used: percent.format(share), full, wanted: count(capacity.wanted) })
      : _("{used} of the places used.", { used: percent.format(share) });
  bar.querySelector("span").textContent = said;
}

function today(found) {
  for (const queue of queues) {
    const { standing, enters, leaves, entering, leaving, complete } = found[queue];
    const box = $(`${queue}-today`);
    const more = complete ? "" : "≥ ";
    const said = [
      element("strong", { class: "gain-text" }, more, ngettext("{n} lead enters", "{n} leads enter", enters, { n: whole.format(enters) })), " · ",
      element("strong", { class: "loss-text" }, more, ngettext("{n} lead leaves", "{n} leads leave", leaves, { n: whole.format(leaves) })),
    ];
    const list = (rows, called) => (rows.length ? element("details", {}, element("summary", {}, called), element("ul", {}, rows.map(lead))) : null);
    box.replaceChildren(
      element("h3", {}, element("span", { class: `tag ${queue}` }, queue.toUpperCase()), element("span", { class: "since" }, ngettext("{n} lead in it now", "{n} leads in it now", standing, { n: whole.format(standing) }))),
      enters || leaves ? element("p", {}, ...said) : element("p", { class: "hint" }, _("Nobody moves.")),
      ...[list(entering, _("Who enters")), list(leaving, _("Who leaves"))].filter(Boolean),
    );
  }
}

function lead(one) {
  const called = one.name ?? one.company ?? one.job_title ?? one.lead_id;
  const rest = [one.job_title, one.company].filter((text) => text && text !== called).join(", ");
  return element("li", {}, element("a", { href: `/leads/${encodeURIComponent(one.lead_id)}` }, called), rest ? `, ${rest}` : null, " ", element("span", { class: "since" }, percent.format(one.probability)));
}

function recommended({ fills_capacity: fills, best_value: best }, use) {
  const lines = [];
  const offer = (threshold) => element("button", { class: "small", type: "button", onclick: () => use(threshold) }, _("Set MQL to {threshold}", { threshold: percent.format(threshold) }));
  if (fills && fills.threshold !== null) {
    const said = fills.everybody_fits ? _("{places} calls a week suffice for everybody.", { places: whole.format(fills.capacity) })
      : _("{threshold} fills {places} calls a week: {volume} leads, {low} to {high}.", { threshold: percent.format(fills.threshold), places: whole.format(fills.capacity), volume: count(fills.volume.value), low: count(fills.volume.low), high: count(fills.volume.high) });
    lines.push(element("li", {}, element("p", {}, said), offer(fills.threshold)));
  } else if (fills) {
    lines.push(element("li", {}, element("p", {}, fills.capacity ? _("No threshold is high enough for so few calls.") : _("Without calls there is nothing to fill."))));
  }
  if (best && best.threshold !== null) {
    const [low, high] = best.within_5_percent;
    const flat = high - low > 0.1 || high > 2 * low ? _("It is flat: anything from {low} to {high} is within 5% of it.", { low: percent.format(low), high: percent.format(high) })
      : _("From {low} to {high} it stays within 5% of it.", { low: percent.format(low), high: percent.format(high) });
    lines.push(element("li", {},
      element("p", {}, _("{threshold} is worth most: {value} a week, after {calls} calls at {cost} each.", { threshold: percent.format(best.threshold), value: whole.format(best.value_a_week), calls: count(best.volume.value), cost: tenth.format(best.cost_per_call) })),
      element("p", { class: "hint" }, flat, " ", _("Every conversion of a called lead counts {value}, also those that would have come anyway.", { value: whole.format(best.value_per_conversion) })),
      offer(best.threshold)));
  } else if (best) {
    lines.push(element("li", {}, element("p", {}, _("At that cost no threshold pays for its calls."))));
  }
  $("recommended").replaceChildren(...lines);
  $("recommended-none").hidden = lines.length > 0;
}

function segments(found, per) {
  const table = $("segments");
  table.hidden = !found;
  if (!found) return;
  const show = (estimate, format) => (estimate ? element("td", {}, format(estimate.value), element("span", { class: "range" }, `${format(estimate.low)} – ${format(estimate.high)}`)) : element("td", {}, "–"));
  const paid = found.mql.some((row) => row.revenue);
  table.replaceChildren(
    element("caption", { class: "visually-hidden" }, _("MQL by segment")),
    element("thead", {}, element("tr", {}, ...[_("Value"), per === "week" ? _("leads a week") : _("of 100 leads"), _("of them convert"), _("caught"), ...(paid ? [_("revenue a week")] : [])].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, found.mql.map((row) => element("tr", {},
      element("th", { scope: "row" }, row.value, element("span", { class: "range" }, ngettext("{n} lead tested", "{n} leads tested", row.leads, { n: whole.format(row.leads) }))),
      show(row.volume, count), show(row.precision, (value) => percent.format(value)), show(row.caught, (value) => percent.format(value)), paid ? show(row.revenue, (value) => whole.format(value)) : null))),
  );
}
