// The chart of the thresholds page: volume, shares and revenue over the threshold, each in its own panel, with bands and the week's capacity.

import { $, _, locale, plot } from "./console.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const queues = ["mql", "sql"];

/** Between two thresholds of the curves the figures are those of the upper one: an outline of steps, not of slopes. */
function around(x, { low, high }) {
  const steps = (series) => x.flatMap((at, i) => [[i ? x[i - 1] : at, series[i]], [at, series[i]]]);
  const outline = [...steps(high), ...steps(low).reverse()];
  return { x: outline.map(([at]) => at), y: outline.map(([, value]) => value) };
}

/** Draws the curves; `shown` says which thresholds are marked and how many places a week there are. */
export function draw(curves, shown) {
  const x = curves.thresholds;
  const fade = (hex) => `${hex}22`;
  const tones = { precision: color("--mql"), caught: color("--sql"), volume: color("--ink"), revenue: color("--good") };
  // A share of hardly anybody jumps up and down and shows nothing: its line ends there; the figures above go on.
  const enough = curves.volume.value.map((volume) => volume * (curves.weeks ?? curves.leads / 100) >= 10);
  const until = Math.max(2, enough.lastIndexOf(true) + 1);
  const part = (series, end) => Object.fromEntries(["value", "low", "high"].map((name) => [name, series[name].slice(0, end)]));
  const panel = (series, hex, name, format, yaxis, end = x.length) => {
    const [along, some] = [x.slice(0, end), part(series, end)];
    return [
      { ...around(along, some), fill: "toself", fillcolor: fade(hex), line: { width: 0 }, hoverinfo: "skip", showlegend: false, yaxis },
      { x: along, y: some.value, name, line: { color: hex, width: 2.5, shape: "vh" }, yaxis, hovertemplate: `%{y:${format}}`, showlegend: false },
    ];
  };
  const panels = [
    [[curves.volume, tones.volume, curves.per === "week" ? _("leads a week") : _("of 100 leads"), ",.1f"]],
    [[curves.caught, tones.caught, _("share of all conversions caught"), ".1%"], [curves.precision, tones.precision, _("share of them that converts"), ".1%", until]],
    ...(curves.revenue ? [[[curves.revenue, tones.revenue, _("revenue a week"), ",.0f"]]] : []),
  ];
  const small = window.innerWidth < 480;
  const height = 1 / panels.length;
  const axis = { gridcolor: color("--line"), zeroline: false, linecolor: color("--line"), fixedrange: true };
  const layout = {
    margin: small ? { l: 44, r: 8, t: 22, b: 40 } : { l: 60, r: 16, t: 24, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x unified", dragmode: false,
    font: { family: "system-ui, sans-serif", size: small ? 11 : 13, color: color("--ink") }, separators: locale === "es" ? ",." : ".,",
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } },
    xaxis: { ...axis, title: { text: _("probability threshold"), standoff: 8, font: { size: small ? 11 : 13 } }, tickformat: ".0%", range: [0, shown.limit], anchor: `y${panels.length > 1 ? panels.length : ""}` },
    annotations: [], shapes: [],
  };
  const traces = [];
  panels.forEach((lines, place) => {
    const name = place ? `y${place + 1}` : "y";
    const shares = place === 1;
    layout[place ? `yaxis${place + 1}` : "yaxis"] = {
      ...axis, domain: [1 - height * (place + 1) + (place < panels.length - 1 ? 0.04 : 0), 1 - height * place - 0.07], nticks: 5,
      ...(shares ? { tickformat: ".0%", range: [0, 1.02] } : { rangemode: "tozero", tickformat: place ? "~s" : "" }),
    };
    lines.forEach(([series, hex, said, format, end]) => traces.push(...panel(series, hex, said, format, name, end)));
  });
  headings(layout, panels, tones, height);
  return plot("chart", traces, layout).then(() => mark(curves, shown));
}

/** What each panel shows, as text above it in the line's colour: no legend to look up. */
function headings(layout, panels, tones, height) {
  const said = [
    `<b>${panels[0][0][2]}</b>`,
    `<span style="color:${tones.caught}"><b>${_("of all conversions caught")}</b></span>${window.innerWidth < 480 ? "<br>" : "    "}<span style="color:${tones.precision}"><b>${_("of them convert")}</b></span>`,
    `<span style="color:${tones.revenue}"><b>${_("revenue a week")}</b></span>`,
  ];
  layout.headings = panels.map((_panel, place) => ({ text: said[place], xref: "paper", yref: "paper", x: 0, y: 1 - height * place - 0.062, xanchor: "left", yanchor: "bottom", showarrow: false, align: "left", font: { size: window.innerWidth < 480 ? 11 : 13 } }));
  layout.annotations = layout.headings;
}

/** The thresholds (dashed: what is published) and the week's places. */
export function mark(curves, shown) {
  const chart = $("chart");
  if (!window.Plotly || !chart.data) return;
  // One line in each panel: a single one would run through the headings.
  const panels = ["y", "y2", "y3"].filter((axis) => chart.layout[axis.replace("y", "yaxis")]);
  const upright = (at, tone, dash, width) => panels.map((axis) => ({ type: "line", x0: at, x1: at, yref: `${axis} domain`, y0: 0, y1: 1, line: { color: tone, width, dash } }));
  const shapes = queues.flatMap((queue) => {
    const tone = color(`--${queue}`);
    const { now, before } = shown[queue];
    return [...(before === now ? [] : upright(before, tone, "dash", 1)), ...upright(now, tone, "solid", 2)];
  });
  // Beside its line, away from the other's: MQL is never above SQL.
  const left = (queue) => queue === "mql" && shown.mql.now > shown.limit * 0.12;
  const labels = queues.map((queue) => ({ x: shown[queue].now, yref: "paper", y: queue === "mql" || left("mql") ? 0.9 : 0.84, text: queue.toUpperCase(), showarrow: false, xanchor: left(queue) ? "right" : "left", xshift: left(queue) ? -4 : 4, font: { color: color(`--${queue}`), size: 12 } }));
  if (shown.places !== null && curves.per === "week") {
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: shown.places, y1: shown.places, line: { color: color("--bad"), width: 1.5, dash: "dot" } });
    labels.push({ xref: "paper", x: 1, xanchor: "right", yref: "y", y: shown.places, yanchor: "bottom", text: _("places a week"), showarrow: false, font: { color: color("--bad"), size: 12 } });
  }
  Plotly.relayout("chart", { shapes, annotations: [...(chart.layout.headings ?? []), ...labels], "xaxis.range": [0, shown.limit] });
}
