// What the model says of a lead, in the page's language: reasons, facts behind BANT, and what was missing. English is said as it comes;
// what has no text in another language stays English, and is marked as such.

import { _, element, locale, ngettext, whole } from "./console.js";
import * as names from "./names.js";

/** What each signal says in the page's language; null in English. */
const signals = JSON.parse(document.getElementById("sentences")?.textContent ?? "null");

/** A sentence of the model as it comes: English on every page. */
export const sentence = (text, name = "li") => element(name, { lang: "en" }, text);

const own = (text, english, name) => (text === null ? sentence(english, name) : element(name, {}, text));

/** What an input of the model is called: a signal in the page's language, a column as the customer has named it. */
export const called = (name) => signals?.[name]?.name ?? name.replace(/[_](\d+)d$/, " · $1 d").replaceAll("_", " ");

/** A reason as a sentence. */
export const reason = (one, name = "li") => own(signals && saidOfSignal(one), one.sentence, name);

/** A fact behind BANT. */
export const fact = (text, name = "span") => own(signals && matched(facts, text), text, name);

/** A note on what was missing. */
export const missing = (text, name = "li") => own(signals && matched(notes, text), text, name);

function saidOfSignal({ signal, sentence: english, value }) {
  if (value === null) return _("{name}: not known.", { name: capital(called(signal)) });
  const told = signals[signal];
  if (!told) {
    if (typeof value === "string") return _("{name}: {value}.", { name: called(signal), value });
    const yes = / is (yes|no)\.$/.exec(english);
    return _("{name}: {value}.", { name: called(signal), value: yes ? (yes[1] === "yes" ? _("yes") : _("no")) : new Intl.NumberFormat(locale).format(value) });
  }
  if (told.words) return capital(told.many.replace("{word}", told.words[Math.min(Math.max(Math.trunc(value), 0), told.words.length - 1)]));
  const written = format(told.as).format(value);
  return (told.one && written === "1" ? told.one : told.many).replace("{value}", written);
}

/** A number as Python's format writes it, in the page's language: `.0f`, `+.1f`, `.0%`. */
function format(as) {
  const [, sign, digits, kind] = /^(\+?),?\.(\d)([f%])$/.exec(as);
  return new Intl.NumberFormat(locale, {
    style: kind === "%" ? "percent" : "decimal", signDisplay: sign ? "always" : "auto", useGrouping: "always",
    minimumFractionDigits: Number(digits), maximumFractionDigits: Number(digits),
  });
}

const capital = (text) => text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);

function matched(known, text) {
  for (const [pattern, say] of known) {
    const found = pattern.exec(text);
    if (found) return say(...found.slice(1));
  }
  return null;
}

const visited = {
  "Looked at prices": () => _("Looked at prices"),
  "Read documentation or integrations": () => _("Read documentation or integrations"),
  "Compared us with competitors": () => _("Compared us with competitors"),
  "Looked at demo or trial pages": () => _("Looked at demo or trial pages"),
  "Attended a webinar": () => _("Attended a webinar"),
  "Asked for a demo, a trial or a call": () => _("Asked for a demo, a trial or a call"),
};
const about = (dimension) => names.dimensions[dimension].toLocaleLowerCase(locale);
const facts = [
  [/^Said about (\w+): “(.*)”$/s, (dimension, said) => _("Said about {dimension}: “{said}”", { dimension: about(dimension), said })],
  [/^Said earlier about (\w+): “(.*)”$/s, (dimension, said) => _("Said earlier about {dimension}: “{said}”", { dimension: about(dimension), said })],
  [/^(.+) \((\d+) visits? in 90 days\)$/, (did, times) => (visited[did] ? [visited[did](), " (", ngettext("{n} visit in 90 days", "{n} visits in 90 days", Number(times), { n: times }), ")"].join("") : null)],
  [/^Job title: (.*)$/s, (title) => _("Job title: {title}", { title })],
  [/^Company's annual revenue is about ([\d,]+)$/, (revenue) => _("Company's annual revenue is about {value}.", { value: whole.format(Number(revenue.replaceAll(",", ""))) })],
  [/^([^:]+): (.*)$/s, (column, value) => _("{name}: {value}", { name: column, value })],
  [/^(.+)$/s, (did) => visited[did]?.() ?? null],
];
const notes = [
  [/^not given: (.*)$/s, (columns) => _("not given: {names}", { names: columns })],
  [/^not used by this model: (.*)$/s, (columns) => _("not used by this model: {names}", { names: columns })],
  [/^(.+): this value was rare or absent in training$/s, (name) => _("{name}: this value was rare or absent in training", { name })],
  [/^account_activities not given: what colleagues do is not known$/, () => _("what colleagues do is not known")],
  [/^over half of what this model goes by is missing: this is little more than the base rate$/, () => _("over half of what this model goes by is missing: this is little more than the base rate")],
];
