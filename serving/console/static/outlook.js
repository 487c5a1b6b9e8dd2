// A lead's score over time as a drawing, and what leads come to with one thing more.

import { _, element, percent, when, whole } from "./console.js";
import * as names from "./names.js";
import { tag } from "./leads.js";

const WIDTH = 640;
const HEIGHT = 190;
const LEFT = 44;
const RIGHT = 12;
const TOP = 12;
const FLOOR = 132;
const DOTS = 156;
const short = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "short", timeZone: "UTC" });
const SHOWN = 60;

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The probability after each thing the lead did with its interval, decisions marked on it, and activities below, machines hollow. */
export function course(points, activities, decisions) {
  const times = points.map((one) => Date.parse(one.as_of));
  const [begin, end] = [Math.min(...times), Math.max(...times)];
  const top = Math.max(0.05, ...points.map((one) => one.probability_high)) * 1.08;
  const x = (time) => LEFT + ((time - begin) / Math.max(end - begin, 1)) * (WIDTH - LEFT - RIGHT);
  const y = (share) => FLOOR - (share / top) * (FLOOR - TOP);
  // A score holds until the next thing happens: steps, not slopes.
  const corners = (value) => points.flatMap((one, place) => [[x(times[place]), y(value(one))], [x(times[place + 1] ?? end), y(value(one))]]);
  const path = (places) => `M${places.map((place) => place.map((one) => one.toFixed(1)).join(" ")).join("L")}`;
  const band = [...corners((one) => one.probability_high), ...corners((one) => one.probability_low).reverse()];
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told(points) });
  for (const share of [0, top / 1.08 / 2, top / 1.08]) {
    svg.append(drawn("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share), class: "grid" }), drawn("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, percent.format(share)));
  }
  svg.append(drawn("path", { d: `${path(band)}Z`, class: "band" }), drawn("path", { d: path(corners((one) => one.probability)), class: "line" }));
  for (const one of decisions) {
    const at = Date.parse(one.as_of);
    if (at < begin || at > end) continue;
    const mark = drawn("circle", { cx: x(at), cy: y(one.probability), r: 5, class: `made ${one.decision}` });
    mark.append(drawn("title", {}, `${names.decisions[one.decision]} · ${percent.format(one.probability)} · ${when(one.as_of)}`));
    svg.append(mark);
  }
  for (const one of activities.slice(0, SHOWN)) {
    const at = Date.parse(one.occurred_at);
    if (at < begin - 1000 || at > end) continue;
    const dot = drawn("circle", { cx: x(Math.max(at, begin)), cy: DOTS, r: 4, class: one.machine ? "did machine" : "did" });
    dot.append(drawn("title", {}, `${names.activities[one.type] ?? one.type} · ${when(one.occurred_at)}`));
    svg.append(dot);
  }
  svg.append(drawn("text", { x: LEFT, y: HEIGHT - 6 }, short.format(begin)), drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, _("now")));
  return svg;
}

function told(points) {
  const [first, last] = [points[0], points.at(-1)];
  const most = points.reduce((one, other) => (other.probability > one.probability ? other : one));
  return _("From {first} on {begin} to {last} now; the highest was {most} on {day}.", {
    first: percent.format(first.probability), begin: short.format(new Date(first.as_of)), last: percent.format(last.probability),
    most: percent.format(most.probability), day: short.format(new Date(most.as_of)),
  });
}

const things = {
  call: () => _("A call that is taken"),
  meeting: () => _("A meeting"),
  demo_request: () => _("A demo asked for"),
};
const answers = {
  budget: () => _("The answer that there is a budget"),
  authority: () => _("The answer that this person decides"),
  need: () => _("The answer that the need is urgent"),
  timeline: () => _("The answer that it is for this quarter"),
};

/** A list of things, what leads like this convert at with each, drawn from what it is now; those that move nothing are counted. */
export function whatIf({ probability: now, what_if: more }, decision) {
  const end = Math.max(now, ...more.map((one) => one.probability), 0.01);
  const up = more.filter((one) => percent.format(one.probability) !== percent.format(now) && one.probability > now);
  const rest = more.length - up.length;
  return [
    ...up.map((one) => {
      const [from, gain] = [element("span", { class: "from" }), element("span", { class: "gain" })];
      from.style.width = `${(now / end) * 100}%`;
      gain.style.left = from.style.width;
      gain.style.width = `${((one.probability - now) / end) * 100}%`;
      return element("li", {},
        element("div", { class: "entry" }, element("span", {}, (things[one.thing] ?? answers[one.dimension] ?? (() => one.thing))(), " ", one.decision !== decision && tag(one.decision)), element("span", { class: "where" }, one.score === null ? "" : _("score {score}", { score: whole.format(one.score) })), element("strong", { class: "then" }, percent.format(one.probability))),
        element("span", { class: "step", "aria-hidden": "true" }, from, gain));
    }),
    rest > 0 && element("li", { class: "hint" }, up.length ? _("Whatever else sales could bring about now ({n} things looked at) leaves it where it is.", { n: whole.format(rest) }) : _("Nothing that sales could bring about now moves it, of {n} things looked at.", { n: whole.format(rest) })),
  ].filter(Boolean);
}
