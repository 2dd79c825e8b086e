import { type Feature, Strand } from "@rouse-examples/genome/messages";
import type { CallReport } from "./calls.ts";
import type { Pending } from "./waking-card.ts";

/** The element of an id; the page is wrong without it. */
export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found as T;
}

const most = 60;

/** The list of calls, and what of them is waited for. */
export interface CallPanel {
  report(id: object, report: CallReport): void;
  /** Services whose first answers are waited for. */
  pending(): readonly Pending[];
}

/**
 * The list of calls, and the light that says whether somebody is being waited for.
 *
 * @param changed is called whenever there is more or less to wait for.
 */
export function callPanel(changed: () => void): CallPanel {
  const list = element<HTMLOListElement>("calls");
  const status = element<HTMLOutputElement>("status");
  const rows = new WeakMap<object, HTMLLIElement>();
  const open = new Map<object, Pending>();
  const light = (state: string, text: string) => {
    status.dataset.state = state;
    status.textContent = text;
  };
  return {
    pending() {
      const byService = new Map<string, Pending>();
      for (const one of open.values()) {
        const key = `${one.service}@${one.spec}`;
        const known = byService.get(key);
        if (known === undefined || known.since > one.since) byService.set(key, one);
      }
      return [...byService.values()];
    },
    report(id, report) {
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
      if (report.first === undefined && report.state === "waiting")
        open.set(id, { service: report.service, spec: report.spec, since: performance.now() });
      else open.delete(id);
      if (open.size > 0) light("waiting", "Waiting …");
      else if (report.state === "failed") light("failed", "Failed");
      else light("ok", `Answered in ${time}`);
      changed();
    },
  };
}

/** What can be done with a feature that is shown. */
export interface DetailActions {
  /** Goes to it. */
  show(feature: Feature): void;
  /** Reads its bases, on its strand. */
  sequence(feature: Feature): Promise<string>;
}

/** Shows what is known of a feature. */
export function showDetails(feature: Feature | undefined, actions: DetailActions): void {
  const section = element("details");
  const hint = document.createElement("p");
  hint.textContent = "Click a feature, or choose one with n and p.";
  section.replaceChildren(
    section.firstElementChild ?? "",
    ...(feature === undefined ? [hint] : [factsOf(feature), buttonsOf(feature, actions)]),
  );
}

function buttonsOf(feature: Feature, actions: DetailActions): HTMLElement {
  const row = document.createElement("div");
  row.className = "actions";
  const bases = document.createElement("pre");
  bases.hidden = true;
  bases.tabIndex = 0;
  const button = (text: string, act: () => void) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  const read = async () => {
    bases.hidden = false;
    bases.textContent = "Reading …";
    try {
      const residues = await actions.sequence(feature);
      const lines = residues.match(/.{1,60}/g) ?? [];
      bases.textContent = `>${feature.name} ${feature.reference}:${feature.start}-${feature.end}\n${lines.join("\n")}`;
    } catch (error) {
      bases.textContent = error instanceof Error ? error.message : String(error);
    }
  };
  row.append(
    button("Zoom to it", () => actions.show(feature)),
    button("Sequence", () => void read()),
    bases,
  );
  return row;
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

/** @param message empty: nothing is wrong. @param retry what may help; undefined: nothing of the page's. */
export function showError(message: string, retry?: () => void): void {
  const line = element("error");
  line.hidden = message === "";
  line.textContent = message;
  if (retry === undefined || message === "") return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Try again";
  button.addEventListener("click", retry);
  line.append(" ", button);
}

/** The features that are seen, for those who do not see the canvas or have no pointer. */
export function showFeatureList(
  features: readonly Feature[],
  selected: Feature | undefined,
  choose: (feature: Feature) => void,
): void {
  const list = element<HTMLOListElement>("feature-list");
  const shown = features.slice(0, 200);
  element("feature-count").textContent =
    `${features.length.toLocaleString("en")} in view${features.length > shown.length ? `, the first ${shown.length} here` : ""}`;
  list.replaceChildren(
    ...shown.map((feature) => {
      const row = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(feature === selected));
      const strand =
        feature.strand === Strand.STRAND_REVERSE ? "−" : feature.strand === Strand.STRAND_FORWARD ? "+" : "";
      const [name, place] = [document.createElement("span"), document.createElement("span")];
      name.textContent = `${feature.name || feature.type} ${strand}`;
      place.textContent = feature.start.toLocaleString("en");
      button.append(name, place);
      button.addEventListener("click", () => choose(feature));
      row.append(button);
      return row;
    }),
  );
}
