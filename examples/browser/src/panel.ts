import { type Feature, Strand } from "@rouse-examples/genome/messages";
import type { CallReport } from "./calls.ts";

/** The element of an id; the page is wrong without it. */
export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found as T;
}

const most = 60;

/** The list of calls, and the light that says whether somebody is being woken. */
export function callPanel(): (id: object, report: CallReport) => void {
  const list = element<HTMLOListElement>("calls");
  const status = element<HTMLOutputElement>("status");
  const rows = new WeakMap<object, HTMLLIElement>();
  const open = new Map<object, number>();
  /** What has answered before is warm, or nearly so. */
  const answered = new Set<string>();
  let verb = "Waking";
  let clock: ReturnType<typeof setInterval> | undefined;
  const tick = () => {
    const began = Math.min(...open.values());
    const seconds = (performance.now() - began) / 1_000;
    element("progress").classList.toggle("on", open.size > 0 && seconds > 0.15);
    if (open.size > 0 && seconds > 0.15) light("waiting", `${verb} … ${seconds.toFixed(1)} s`);
  };
  const light = (state: string, text: string) => {
    status.dataset.state = state;
    status.textContent = text;
  };
  return (id, report) => {
    let row = rows.get(id);
    if (row === undefined) {
      row = document.createElement("li");
      row.append(document.createElement("span"), document.createElement("span"));
      rows.set(id, row);
      list.prepend(row);
      while (list.children.length > most) list.lastElementChild?.remove();
    }
    const [what, how] = row.children;
    const time = report.first === undefined ? "…" : `${Math.round(report.first)} ms`;
    if (what) what.textContent = `${report.what} @${report.version}`;
    if (how)
      how.textContent =
        report.state === "failed" ? "failed" : report.messages > 1 ? `${report.messages} in ${time}` : time;
    row.className = report.state;
    row.title = report.error;
    // Waking is over with the first message; what comes then is work.
    const key = `${report.what} ${report.version}`;
    if (report.first === undefined && report.state === "waiting") {
      open.set(id, performance.now());
      verb = answered.has(key) ? "Loading" : "Waking";
    } else {
      open.delete(id);
      answered.add(key);
    }
    if (open.size > 0) clock ??= setInterval(tick, 100);
    else {
      clearInterval(clock);
      clock = undefined;
      element("progress").classList.remove("on");
      if (report.state === "failed") light("failed", "Failed");
      else light("ok", `Answered in ${time}`);
    }
  };
}

/** Shows what is known of a feature. */
export function showDetails(feature: Feature | undefined): void {
  const section = element("details");
  const hint = document.createElement("p");
  hint.textContent = "Click a feature.";
  section.replaceChildren(section.firstElementChild ?? "", feature === undefined ? hint : factsOf(feature));
}

function factsOf(feature: Feature): HTMLDListElement {
  const list = document.createElement("dl");
  const add = (name: string, value: string) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  };
  add("name", feature.name);
  add("type", feature.type);
  add("place", `${feature.start.toLocaleString("en")}–${feature.end.toLocaleString("en")}`);
  add("length", `${(feature.end - feature.start + 1).toLocaleString("en")} bases`);
  if (feature.strand !== Strand.STRAND_UNSPECIFIED)
    add("strand", feature.strand === Strand.STRAND_REVERSE ? "reverse" : "forward");
  for (const [name, value] of Object.entries(feature.attributes)) add(name, value);
  return list;
}

/** @param message empty: nothing is wrong. */
export function showError(message: string): void {
  const line = element("error");
  line.textContent = message;
  line.hidden = message === "";
}
