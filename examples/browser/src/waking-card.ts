import { element } from "./panel.ts";
import type { ServiceProgress, Waking } from "./waking.ts";

const steps = [
  ["held", "call held"],
  ["starting", "instance starts"],
  ["warm", "answers"],
] as const;

/** Calls that wait for their first answer. */
export interface Pending {
  readonly service: string;
  /** Version spec that was asked for, such as "2"; "": the release. */
  readonly spec: string;
  /** performance.now() when the first of them began. */
  readonly since: number;
}

/** A warm service answers before anybody could read the card. */
const quietMs = 200;

/** The card over the tracks that says which services are being woken, and how far they are. */
export function wakingCard(waking: () => Waking, pending: () => readonly Pending[]): () => void {
  const card = element("waking");
  const list = element("waking-services");
  const wakes = element("wakes");
  let timer: ReturnType<typeof setInterval> | undefined;
  const draw = () => {
    const waiting = pending().filter(({ since }) => performance.now() - since > quietMs);
    card.hidden = waiting.length === 0;
    const asleep = waiting.some((one) => stateOf(one, waking())?.state !== "warm");
    element("waking-title").textContent = asleep ? "Waking services" : "Waiting for answers";
    const rows = waiting.map((one) => rowOf(one, waking()));
    if (rows.join() !== list.dataset.rows)
      list.replaceChildren(...waiting.map((one) => rowElement(one, waking())));
    else for (const [i, one] of waiting.entries()) updateClock(list.children[i], one, waking());
    list.dataset.rows = rows.join();
    drawWakes(wakes, waking());
    if (pending().length > 0) timer ??= setInterval(draw, 100);
    else {
      clearInterval(timer);
      timer = undefined;
    }
  };
  return draw;
}

/** The state of what a spec means: the release of several versions cannot be told from here, so the one that moves. */
function stateOf({ service, spec }: Pending, waking: Waking): ServiceProgress | undefined {
  const all = waking.states().filter((state) => state.service === service);
  const fitting = all.filter(
    ({ version }) => spec === "" || version === spec || version.startsWith(`${spec}.`),
  );
  return fitting.find(({ state }) => state === "starting") ?? fitting.at(-1);
}

function rowOf(pending: Pending, waking: Waking): string {
  const state = stateOf(pending, waking);
  return `${pending.service}@${pending.spec}:${state?.version}:${state?.state}:${state?.host}`;
}

function rowElement(pending: Pending, waking: Waking): HTMLLIElement {
  const state = stateOf(pending, waking);
  const row = document.createElement("li");
  const name = document.createElement("strong");
  name.textContent = `${pending.service} ${state?.version ?? pending.spec}`;
  const what = document.createElement("span");
  what.textContent = sentence(state);
  const clock = document.createElement("span");
  clock.className = "clock";
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", `Waking ${pending.service}`);
  const stages = document.createElement("ol");
  // A call to a cold version is held already: an instance registers only when it serves.
  const at = steps.findIndex(([step]) => step === (state?.state === "cold" ? "starting" : state?.state));
  for (const [i, [, text]] of steps.entries()) {
    const stage = document.createElement("li");
    stage.textContent = text;
    stage.className = i < at ? "past" : i === at ? "now" : "";
    stages.append(stage);
  }
  row.append(name, what, clock, bar, ...(at < 0 ? [] : [stages]));
  updateClock(row, pending, waking);
  return row;
}

function updateClock(row: Element | undefined, pending: Pending, waking: Waking): void {
  const elapsed = performance.now() - pending.since;
  const { version = "", state = "" } = stateOf(pending, waking) ?? {};
  const usual = state === "warm" ? 0 : waking.usualMs(pending.service, version);
  const clock = row?.querySelector(".clock");
  if (clock) clock.textContent = `${seconds(elapsed)}${usual > 0 ? ` of usually ${seconds(usual)}` : ""}`;
  const bar = row?.querySelector("progress");
  if (bar && usual > 0) bar.value = Math.min(0.97, elapsed / usual);
}

function sentence(state: ServiceProgress | undefined): string {
  if (state === undefined) return "waiting for the first answer";
  switch (state.state) {
    case "cold":
      return "was asleep: this call wakes it";
    case "standby":
      return "was frozen: this call thaws it";
    case "starting":
      return `wakes: an instance starts${state.host === "" ? "" : ` on ${state.host}`}`;
    case "warm":
      return "runs, and works on the answer";
    default:
      return `is ${state.state}${state.reason === "" ? "" : `: ${state.reason}`}`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Wakes since the page was opened, with the time of each stage. */
function drawWakes(list: HTMLElement, waking: Waking): void {
  const wakes = waking.wakes().slice(0, 6);
  const key = wakes.map(({ service, heldAtMs }) => `${service}${heldAtMs}`).join();
  element("wakes-section").hidden = wakes.length === 0;
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(
    ...wakes.map(({ service, version, stages, error }) => {
      const row = document.createElement("li");
      const sum = stages.reduce((all, { durationMs }) => all + durationMs, 0);
      const head = document.createElement("div");
      head.textContent = `${service.split(".").at(-1)} ${version} · ${error === "" ? `${Math.round(sum)} ms` : error}`;
      const bar = document.createElement("div");
      bar.className = "stages";
      bar.setAttribute("aria-hidden", "true");
      const text = document.createElement("p");
      text.textContent = stages
        .filter(({ durationMs }) => durationMs > 0)
        .map(({ name, durationMs }) => `${name} ${Math.round(durationMs)} ms`)
        .join(", ");
      for (const { name, durationMs } of stages) {
        const part = document.createElement("span");
        part.className = `stage ${name}`;
        part.style.flexGrow = String(durationMs);
        bar.append(part);
      }
      row.append(head, bar, text);
      return row;
    }),
  );
}
