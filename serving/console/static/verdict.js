// What sales makes of a lead: accepted or rejected, with the reason, without leaving the place.

import { _, call, element, Refused, since } from "./console.js";
import { beyondSales } from "./lifecycle.js";
import * as names from "./names.js";

const reasons = ["wrong_person", "no_need", "no_budget", "bad_timing", "unreachable", "competitor", "other"];

/**
 * The two buttons, or what was said last (`said`) with a way to change it. `name` tells the buttons of two leads apart, `state` says
 * whether sales moves the lead at all, and `after` is told when something was said.
 */
export function verdict(id, said, name, state, after = () => {}) {
  const why_not = beyondSales(state);
  const place = element("div", { class: "verdict-box" });
  const ask = () => place.replaceChildren(
    element("div", { class: "choice" }, button(_("Accept"), _("Accept {name}", { name }), "small primary", () => send({ verdict: "accepted" })), button(_("Reject"), _("Reject {name}", { name }), "small", why)),
  );
  const button = (text, label, look, act) => element("button", { type: "button", class: look, "aria-label": label, onclick: act }, text);

  function tell(one) {
    const reason = one.reason ? (names.rejections[one.reason] ?? one.reason) : null;
    place.replaceChildren(element("div", {},
      element("p", { class: `said ${one.verdict}`, role: "status" }, names.verdicts[one.verdict], reason && element("span", {}, ` · ${reason}`)),
      one.note && element("p", { class: "where" }, one.note),
      element("p", { class: "where" }, one.author, " · ", since(one.given_at)),
      why_not ? element("p", { class: "where" }, why_not) : button(_("Change"), _("Change what was said of {name}", { name }), "small link", ask),
    ));
  }

  function why() {
    const pick = element("select", { required: true }, element("option", { value: "" }, _("Choose …")), reasons.map((one) => element("option", { value: one }, names.rejections[one])));
    const note = element("input", { maxlength: 2000, autocomplete: "off" });
    const form = element("form", { class: "why-not", onsubmit: (event) => { event.preventDefault(); send({ verdict: "rejected", reason: pick.value, note: note.value.trim() || undefined }); } },
      element("label", {}, _("Reason"), pick), element("label", {}, _("Note"), note),
      element("div", { class: "choice" }, element("button", { class: "small primary" }, _("Reject")), button(_("Cancel"), _("Cancel: do not reject {name}", { name }), "small", ask)));
    place.replaceChildren(form);
    pick.focus();
  }

  async function send(body) {
    // A name of its own: accepting again after rejecting is said anew, and not taken for the first time's double.
    const feedback_id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    try {
      tell((await call(`/v1/leads/${encodeURIComponent(id)}/feedback`, { method: "POST", body: { ...body, feedback_id } })).answer);
      place.querySelector("button")?.focus();
      await after();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      ask();
      place.append(element("p", { class: "outcome bad", role: "alert" }, `${_("That did not work")}: ${error.message}`));
    }
  }

  if (said) tell(said);
  else if (why_not) place.replaceChildren(element("p", { class: "where" }, why_not));
  else ask();
  return place;
}
