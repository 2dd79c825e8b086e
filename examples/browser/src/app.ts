import { type Feature, Strand } from "@rouse-examples/genome/messages";
import { draw } from "./draw.ts";
import { listenForGestures } from "./gestures.ts";
import { Loader } from "./loader.ts";
import { formatLocation, type Named, parseLocation } from "./location.ts";
import { callPanel, element, showDetails, showError, showFeatureList } from "./panel.ts";
import type { Hit, Scene } from "./scene.ts";
import { Names } from "./search.ts";
import { type Sources, services, sourcesOf } from "./sources.ts";
import { onThemeChange } from "./theme.ts";
import { choices, filterOf } from "./types.ts";
import { basesOf, type View, within, zoom } from "./view.ts";
import { type Waking, watchWaking } from "./waking.ts";
import { wakingCard } from "./waking-card.ts";

const { edge } = (await (await fetch("config.json")).json()) as { edge: string };
const canvas = element<HTMLCanvasElement>("canvas");
const box = element<HTMLInputElement>("location");
const names = new Names();
const chosen = new Set(["genes", "operators"]);
const quiet: Waking = { states: () => [], wakes: () => [], usualMs: () => 0 };
let waking = quiet;

const panel = callPanel(() => drawWaking());
const drawWaking = wakingCard(
  () => waking,
  () => panel.pending(),
);
waking = watchWaking(edge, services, drawWaking);

let references: Named[] = [];
let reference: Named = { name: "", length: 0 };
let scene: Scene = {
  view: { length: 1, start: 0, span: 1 },
  features: [],
  selected: undefined,
  windows: [],
  sequence: undefined,
};
let hits: Hit[] = [];
let drawn = 0;
let source = sources("2");
let version = "2";

/** Features of the view, by their start. */
function seen(): Feature[] {
  const { start, span } = scene.view;
  return scene.features.filter((feature) => feature.end > start && feature.start <= start + span);
}

function show(part: Partial<Scene>): void {
  scene = { ...scene, ...part };
  if (part.features !== undefined) remember(part.features);
  cancelAnimationFrame(drawn);
  drawn = requestAnimationFrame(() => {
    if (reference.length === 0) return;
    hits = draw(canvas, scene);
    const { start, end } = basesOf(scene.view);
    const features = seen();
    const what = `${formatLocation(reference.name, start, end)}, ${features.length} features`;
    canvas.setAttribute("aria-label", `Tracks of ${what}: ruler, GC content, sequence, features`);
    showFeatureList(features, scene.selected, select);
  });
}

let suggested = 0;
function remember(features: readonly Feature[]): void {
  names.add(features);
  const all = names.suggestions();
  if (all.length === suggested) return;
  suggested = all.length;
  element("names").replaceChildren(
    ...all.map((name) => {
      const option = document.createElement("option");
      option.value = name;
      return option;
    }),
  );
}

const fail = (error: unknown) => showError(error instanceof Error ? error.message : String(error), retry);
const loader = new Loader(source, filterOf(chosen), show, fail);

function retry(): void {
  showError("");
  if (reference.length === 0) void open(version);
  else go(scene.view);
}

/** Each call has a row of its own in the list of calls. */
function sources(spec: string): Sources {
  const of = () => {
    const id = {};
    return sourcesOf(edge, spec, (report) => panel.report(id, report));
  };
  return {
    references: () => of().references(),
    sequence: (...args) => of().sequence(...args),
    features: (...args) => of().features(...args),
    windows: (...args) => of().windows(...args),
  };
}

function go(view: View): void {
  const next = within(view);
  show({ view: next });
  const { start, end } = basesOf(next);
  if (document.activeElement !== box || box.value === "")
    box.value = formatLocation(reference.name, start, end);
  loader.load(reference.name, next);
}

async function open(spec: string): Promise<void> {
  showError("");
  version = spec;
  source = sources(spec);
  loader.use(source);
  names.clear();
  show({ features: [], windows: [], sequence: undefined, selected: undefined });
  showDetails(undefined, actions);
  try {
    references = await source.references();
    const same = references.find(({ name }) => name === reference.name);
    const next = same ?? references[0];
    if (next === undefined) {
      showError("The genome service has no references.");
      return;
    }
    if (same === undefined) scene = { ...scene, view: { length: next.length, start: 0, span: next.length } };
    reference = next;
    element("title").textContent = reference.name;
    go(scene.view);
  } catch (error) {
    fail(error);
  }
}

element("go").addEventListener("submit", (event) => {
  event.preventDefault();
  showError("");
  const location = parseLocation(box.value, references, reference);
  if (location.kind === "error") showError(location.message);
  else if (location.kind === "place") {
    reference = location.reference;
    go(location.view);
  } else {
    const found = names.find(location.name);
    if (found.kind === "none") showError(found.message);
    else focus(found.feature);
  }
});
// The next click is to replace what is written.
box.addEventListener("focus", () => box.select());

/** Selects a feature and goes to it. */
function focus(feature: Feature): void {
  select(feature);
  const margin = Math.max(50, feature.end - feature.start) * 0.25;
  go({ ...scene.view, start: feature.start - margin, span: feature.end - feature.start + 2 * margin });
  const { start, end } = basesOf(scene.view);
  box.value = formatLocation(reference.name, start, end);
}

const actions = {
  show: focus,
  sequence: (feature: Feature) =>
    source.sequence(
      { reference: feature.reference, start: feature.start, end: feature.end },
      feature.strand === Strand.STRAND_REVERSE,
      AbortSignal.timeout(120_000),
    ),
};

function select(feature: Feature): void {
  show({ selected: feature });
  showDetails(feature, actions);
}

const whole = () => go({ length: reference.length, start: 0, span: reference.length });
element("in").addEventListener("click", () => go(zoom(scene.view, 0.5)));
element("out").addEventListener("click", () => go(zoom(scene.view, 2)));
element("all").addEventListener("click", whole);

listenForGestures(canvas, {
  view: () => scene.view,
  go: (view) => {
    if (reference.length > 0) go(view);
  },
  tap(x, y) {
    const hit = hits.find(
      (one) =>
        x >= one.x - 2 && x <= one.x + Math.max(one.width, 12) && y >= one.y && y <= one.y + one.height,
    );
    if (hit !== undefined) select(hit.feature);
  },
  step(by) {
    const features = seen();
    const at = scene.selected === undefined ? -1 : features.indexOf(scene.selected);
    const next = features[at < 0 ? (by > 0 ? 0 : features.length - 1) : at + by];
    if (next !== undefined) select(next);
  },
  fit(what) {
    if (what === "all") whole();
    else if (scene.selected !== undefined) focus(scene.selected);
  },
});
new ResizeObserver(() => show({})).observe(canvas);
onThemeChange(() => show({}));

for (const { id, title } of choices) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "checkbox";
  input.checked = chosen.has(id);
  input.addEventListener("change", () => {
    if (input.checked) chosen.add(id);
    else chosen.delete(id);
    loader.filter(filterOf(chosen));
    show({ features: [] });
    if (reference.length > 0) go(scene.view);
  });
  label.append(input, title);
  element("types").append(label);
}

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-version]"))
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-version]"))
      other.setAttribute("aria-pressed", String(other === button));
    void open(button.dataset.version ?? "2");
  });

// Not awaited: the browser would show the page as loading until the services have woken.
void open("2");
