// What the codes of the API are called: decisions, rules, activities, facts. A code that is not here is shown as it is.

import { _, percent } from "./console.js";

export const decisions = {
  sql: _("SQL"),
  mql: _("MQL"),
  nurture: _("Nurture"),
  disqualified: _("Disqualified"),
};

export const dimensions = {
  budget: _("Budget"),
  authority: _("Authority"),
  need: _("Need"),
  timeline: _("Timeline"),
};

export const statuses = {
  met: _("met"),
  unmet: _("not met"),
  unknown: _("not known"),
};

export const rules = {
  sql_enter: _("It reached the threshold for sales."),
  sql_stay: _("It was with sales and has not fallen below the threshold at which it leaves."),
  mql_enter: _("It reached the marketing threshold."),
  mql_stay: _("It was marketing-qualified and has not fallen below the threshold at which it leaves."),
  below_mql: _("It is below the marketing threshold."),
  sql_bant_missing: _("Likely enough for sales, but not the BANT that the policy asks for."),
  rejected: _("Sales rejected it a short while ago: it rests."),
  hand_raise: _("It asked for a demo, a trial or a call."),
  silent: _("It has been silent for too long."),
  cool_down: _("The decision before was too recent to change."),
  explored: _("Drawn by lot, to learn what becomes of leads like it."),
  sql_full: _("This week's places with sales are taken."),
  mql_full: _("This week's places for marketing-qualified leads are taken."),
  no_signal: _("The model could not tell leads apart, so nobody is passed on."),
  no_consent: _("Consent was refused."),
  customer: _("The company is a customer already."),
  competitor: _("The company is a competitor."),
  student: _("By its title it is a student."),
  unsubscribed: _("It has unsubscribed."),
  override: _("A person decided."),
};

export const verdicts = {
  accepted: _("Accepted"),
  rejected: _("Rejected"),
};

export const places = {
  new: _("New"),
  nurture: _("In nurture"),
  mql: _("Handed to sales"),
  accepted: _("Accepted by sales"),
  sql: _("Sales-qualified"),
  opportunity: _("Opportunity"),
  customer: _("Customer"),
  rejected: _("Rejected by sales"),
  recycled: _("Recycled"),
  disqualified: _("Disqualified"),
};

export const actors = {
  policy: _("the policy"),
  sales: _("sales"),
  crm: _("the CRM"),
};

export const rejections = {
  wrong_person: _("wrong person"),
  no_need: _("no need"),
  no_budget: _("no budget"),
  bad_timing: _("bad timing"),
  unreachable: _("cannot be reached"),
  competitor: _("bought elsewhere"),
  other: _("other"),
};

export const activities = {
  page_view: _("Visited a page"),
  email_delivered: _("Was sent an e-mail"),
  email_sent: _("Was sent an e-mail"),
  email_open: _("Opened an e-mail"),
  email_click: _("Clicked in an e-mail"),
  answer: _("Answered a question"),
  call: _("Call"),
  meeting: _("Meeting"),
  form_submit: _("Sent a form"),
  demo_request: _("Asked for a demo"),
  trial_start: _("Started a trial"),
  contact_sales: _("Asked to talk to sales"),
  chat: _("Chat"),
  webinar_attended: _("Attended a webinar"),
  unsubscribe: _("Unsubscribed"),
};

export const facts = {
  email: _("E-mail"),
  phone: _("Phone"),
  company_domain: _("Domain"),
  industry: _("Industry"),
  employees: _("Employees"),
  country: _("Country"),
  city: _("City"),
  source: _("Came by"),
  language: _("Language"),
};

export const sources = {
  answer: _("answer"),
  column: _("field"),
  "job title": _("job title"),
  company: _("company"),
  behaviour: _("behaviour"),
};

export const named = {
  segment: (name) => _("It goes by the thresholds of the segment {name}.", { name }),
  arm: (name) => _("It is in the arm {name} of an experiment.", { name }),
};

export const kinds = {
  scorecard: _("scorecard"),
  naive_bayes: _("naive Bayes"),
  logistic: _("logistic regression"),
  boosted: _("boosted trees"),
  blend: _("blend of several models"),
};

export const calibrations = {
  venn_abers: _("Venn–Abers, with an interval for each probability"),
  sigmoid: _("a curve of two figures, for want of data"),
};

export const judgements = {
  ok: _("ok"),
  drift: _("drifts"),
  suspect: _("suspect"),
  blocked: _("blocked"),
};

export const verdictsOfGates = {
  pass: _("passed"),
  fail: _("not passed"),
  note: _("note"),
};

const gates = {
  "signal": _("There is a signal"),
  "same question": _("Both answer the same question"),
  "enough data": _("Enough data"),
  "ranks better than chance": _("Ranks better than chance"),
  "ranks only faintly": _("Ranks only faintly"),
  "beats the base rate": _("Beats the base rate"),
  "no worse than the scorecard": _("No worse than the scorecard"),
  "calibration": _("Calibration"),
  "log loss against the champion": _("Log loss against the champion"),
  "PR-AUC against the champion": _("PR-AUC against the champion"),
  "calibration against the champion": _("Calibration against the champion"),
  "harm to groups of leads": _("Harm to groups of leads"),
  "against the champion": _("Against the champion"),
};

/** What a gate is called; null for one that has no name here. */
export function gate(name) {
  const lift = /^lift in the top (\S+) % against the champion$/.exec(name);
  if (lift) return _("Lift in the top {share}% against the champion", { share: lift[1] });
  const kept = /^(MQL|SQL) threshold (\S+) kept$/.exec(name);
  if (kept) return _("{queue} threshold of {threshold} is kept", { queue: kept[1], threshold: percent.format(Number(kept[2])) });
  return gates[name] ?? null;
}

export const states = {
  queued: _("queued"),
  running: _("under way"),
  done: _("done"),
  held: _("held by a gate"),
  failed: _("failed"),
};
