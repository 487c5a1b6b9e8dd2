// What all pages share: their language, how numbers and times are written, the API with its key, and how a page begins.

/** The page's language, and what it says for the English texts of these files; in English nothing is said otherwise. */
export const locale = document.documentElement.lang;
const catalogue = JSON.parse(document.getElementById("catalogue").textContent);

const filled = (text, values) => (values ? text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place) : text);

/** A text in the page's language, with its places filled: `_("{n} leads", { n: "12" })`. `make messages` finds it by the name `_`. */
export const _ = (text, values) => filled(catalogue[text] ?? text, values);

/** The same where a number decides between one and many: `ngettext("{n} lead", "{n} leads", 3, { n: "3" })`. */
export const ngettext = (one, many, count, values) => filled((catalogue[one] ?? [one, many])[count === 1 ? 0 : 1], values);
export const $ = (id) => document.getElementById(id);

export const whole = new Intl.NumberFormat(locale, { useGrouping: "always", maximumFractionDigits: 0 });
export const tenth = new Intl.NumberFormat(locale, { useGrouping: "always", maximumFractionDigits: 1 });
export const percent = new Intl.NumberFormat(locale, { useGrouping: "always", style: "percent", maximumFractionDigits: 1 });
const instant = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
export const day = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeZone: "UTC" });
export const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** A time of the API in words; all times of the console are UTC, and say so. */
export const when = (time) => `${instant.format(new Date(time))} UTC`;

/** How long ago that was, in the largest unit that fits. */
export function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  for (const [unit, size] of [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
  }
  return _("just now");
}

/** A colour of the page as it is now, light or dark. */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];

/** How far ahead that is, in the largest unit that fits. */
export function ahead(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  const [unit, size] = units.find(([, one]) => seconds >= one) ?? ["minute", 60];
  return relative.format(Math.max(1, Math.floor(seconds / size)), unit);
}

/** How long so many seconds are, in the largest unit that fits. */
export function lasting(seconds) {
  const [unit, size] = units.find(([, one]) => seconds >= one) ?? ["minute", 60];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(Math.max(1, Math.floor(seconds / size)));
}

/** An element with attributes and children; what is null or false is left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** A time as its distance from now, with the instant itself for whoever points at it or asks a machine. */
export const since = (time) => element("time", { datetime: time, title: when(time) }, ago(time));

// ------------------------------------------------------------------------------------------------ the API

const { token, rights } = document.body.dataset;

/** Whether whoever sits here may do this; the API says so again. */
export const may = (scope) => rights.split(" ").includes(scope);

/** Refusals that a page can meet, in its language; any other is said as the API says it, in English. */
const refusals = {
  "model-not-ready": () => _("No model has been loaded yet: run `tamiz promote`, or wait until the first one has been fetched."),
  "no-backtest": () => _("This model has no backtest to preview from: train one with `tamiz train`, which writes it with the model."),
  "no-signal": () => _("This model found no signal: it leaves every lead to nurture, whatever the threshold, so there is nothing to preview. Train on more leads, or on columns that say more of who converts."),
  "unknown-segment": (detail) => {
    const [, column, known] = /`(.*)`.*: it has (.*)\.$/s.exec(detail) ?? [null, "?", "?"];
    return _("There is no column “{column}” in this model's backtest to tell leads apart by: it has {known}.", { column, known });
  },
  "policy-of-another-model": () => _("Another model serves by now, and its probabilities mean something else. Reload the page, look at what these thresholds do there, and publish then."),
  "scope-missing": () => _("Your key does not allow this."),
  "token-missing": () => _("This page is too old to change anything: reload it."),
  "too-many-requests": () => _("Too much was asked in a short while: wait a moment, and try again."),
  "lead-not-known": () => _("There is no such lead."),
  "promotion-waiting": () => _("A promotion or rollback is waiting already: one at a time."),
};

export class Refused extends Error {
  constructor(status, problem) {
    super(refusals[problem?.code]?.(problem.detail) ?? problem?.detail ?? _("That did not work"));
    Object.assign(this, { status, problem });
  }
}

/** How many calls are not answered yet. */
let open = 0;

export async function call(path, { method = "GET", body, headers = {} } = {}) {
  let response;
  open += 1;
  try {
    response = await fetch(path, {
      method,
      headers: { ...headers, ...(method === "GET" ? {} : { "X-CSRF-Token": token }), ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Refused(0, { detail: _("The service does not answer. Is it still running?") });
  } finally {
    open -= 1;
  }
  const answer = await response.json().catch(() => null);
  if (response.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!response.ok) throw new Refused(response.status, answer);
  return { answer, etag: response.headers.get("ETag") };
}

/** Saves what a POST answers as a file: a link can only ask for what an address names. */
export async function save(path, body, name) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": token }, body: JSON.stringify(body) });
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
  const address = URL.createObjectURL(await response.blob());
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

// ------------------------------------------------------------------------------------------------ charts

let library;
/** The chart library, fetched when the first chart is drawn and all that was asked is answered: running it takes the better part of a
second, in which no page shows anything. */
function plotly() {
  library ??= answered().then(() => new Promise((resolve, reject) => {
    const script = element("script", { src: "/assets/plotly.min.js" });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("the chart library did not come")));
    document.head.append(script);
  }));
  return library;
}

async function answered() {
  do await new Promise((done) => setTimeout(done, 20)); // what is shown asks for more, a moment later
  while (open);
}

/** Draws a chart into the element with this id, or draws it anew. */
export const plot = async (id, traces, layout, more = {}) => (await plotly()).react(id, traces, layout, { displayModeBar: false, ...more });

// ------------------------------------------------------------------------------------------------ how a page begins

/** Runs `load` and shows what it has made; `titles` says what an answer's status means on this page. */
export function begin(load, titles = {}) {
  const start = async () => {
    $("notice").hidden = true;
    $("loading").hidden = false;
    try {
      await load();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      $("work").hidden = true;
      complain(titles[error.status] ?? _("That did not work"), error.message, start);
    } finally {
      $("loading").hidden = true;
    }
  };
  start();
  return start;
}

function complain(title, detail, again) {
  $("notice").replaceChildren(
    element("strong", {}, `${title}. `), detail, element("button", { class: "small", type: "button", onclick: again }, _("Try again")),
  );
  $("notice").hidden = false;
}
