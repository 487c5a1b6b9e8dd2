// The A/B experiment of the thresholds page: setting one up in the draft, and how the arms of the one in force fare.

import { $, _, call, element, ngettext, percent, since, tenth, whole } from "./console.js";

const signed = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const points = (value) => _("{delta} points", { delta: signed.format(value * 100) });

/** Fetches how the arms fare and shows it; `policy` is the one in force. */
export async function fare(policy) {
  const { answer } = await call("/v1/policy/experiment");
  $("trial-none").hidden = answer.experiment !== null;
  $("trial-stop").hidden = answer.experiment === null;
  const box = $("trial");
  if (answer.experiment === null) return box.replaceChildren();
  const [control, ...arms] = answer.arms;
  const aside = (text) => element("span", { class: "range" }, text);
  const share = ({ value, low, high }, difference) => (value === null ? ["–"] : [
    percent.format(value), aside(`${percent.format(low)} – ${percent.format(high)}`),
    difference && difference.value !== null && aside(element("strong", {}, _("{delta} ({low} to {high})", { delta: points(difference.value), low: signed.format(difference.low * 100), high: signed.format(difference.high * 100) }))),
  ]);
  const called = (arm) => {
    const { mql, sql } = policy.experiment?.arms.find((one) => one.name === arm.name) ?? policy;
    return element("th", { scope: "row" }, arm.name === "control" ? _("Published thresholds") : arm.name,
      aside(_("{share} of the leads · MQL {mql} · SQL {sql}", { share: percent.format(arm.share), mql: percent.format(mql.enter), sql: percent.format(sql.enter) })));
  };
  const row = (arm) => element("tr", {}, called(arm), element("td", {}, whole.format(arm.leads)),
    ...["passing", "acceptance", "conversion"].map((name) => element("td", {}, ...share(arm[name], arm.differences?.[name]))),
    element("td", {}, arm.value_per_lead === null ? "–" : tenth.format(arm.value_per_lead)));
  return box.replaceChildren(
    element("p", {}, element("strong", {}, answer.experiment), " ", since(answer.since), " · ", element("a", { class: "download", href: "/v1/policy/experiment?format=csv", download: true }, _("Download as CSV"))),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": _("How the arms fare") }, element("table", { class: "figures-table" },
      element("thead", {}, element("tr", {}, ...[_("Arm"), _("Leads"), _("passed on"), _("accepted by sales"), _("converted"), _("revenue a lead")].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, [control, ...arms].map(row)))),
    element("p", { class: "hint" }, _("In bold: the difference to the published thresholds, with its 95% interval.")),
    ...arms.map((arm) => element("p", { class: `verdict-line ${arm.verdict}` }, verdict(arm))),
  );
}

function verdict(arm) {
  const { value, low, high } = arm.differences.conversion;
  if (arm.verdict === "too_early") {
    const { conversions, mature_leads: mature } = arm.missing;
    const waits = [conversions ? ngettext("{n} more conversion", "{n} more conversions", conversions, { n: whole.format(conversions) }) : null,
      mature ? ngettext("{n} more lead whose horizon has passed", "{n} more leads whose horizon has passed", mature, { n: whole.format(mature) }) : null].filter(Boolean);
    return _("{arm}: too early to say. Missing: {waits}.", { arm: arm.name, waits: waits.join(", ") });
  }
  const interval = { arm: arm.name, value: points(value), low: points(low), high: points(high) };
  return arm.verdict === "difference" ? _("{arm}: converts {value} against the published thresholds ({low} to {high}).", interval)
    : _("{arm}: no difference shown; it lies between {low} and {high}.", interval);
}

/** The experiment that the form describes, or what is wrong with it. */
export function described(typed) {
  const name = $("trial-name").value.trim();
  const [share, mql, sql] = ["share", "mql", "sql"].map((field) => typed($(`trial-${field}`).value));
  if (!name) return { wrong: _("Give the experiment a name.") };
  if (!(share > 0 && share < 1)) return { wrong: _("The share lies between 0 and 100%.") };
  if (!(mql >= 0 && sql <= 1 && mql <= sql)) return { wrong: _("Thresholds lie between 0 and 100%, and SQL not below MQL.") };
  const band = (enter) => ({ enter, exit: Math.floor(enter * 0.9 * 1000) / 1000 });
  return { experiment: { name, arms: [{ name: "B", share, mql: band(mql), sql: { ...band(sql), bant_met: 0, bant_required: [] } }] } };
}
