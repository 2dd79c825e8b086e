import type { Feature } from "@rouse-examples/genome/messages";
import { draw } from "./draw.ts";
import { Loader } from "./loader.ts";
import { formatLocation, type Named, parseLocation } from "./location.ts";
import { callPanel, element, showDetails, showError } from "./panel.ts";
import type { Hit, Scene } from "./scene.ts";
import { type Sources, sourcesOf } from "./sources.ts";
import { basesOf, pan, type View, within, zoom } from "./view.ts";

const { edge } = (await (await fetch("config.json")).json()) as { edge: string };
const canvas = element<HTMLCanvasElement>("canvas");
const box = element<HTMLInputElement>("location");
const panel = callPanel();

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

function show(part: Partial<Scene>): void {
  scene = { ...scene, ...part };
  cancelAnimationFrame(drawn);
  drawn = requestAnimationFrame(() => {
    if (reference.length > 0) hits = draw(canvas, scene);
  });
}

const fail = (error: unknown) => showError(error instanceof Error ? error.message : String(error));
const loader = new Loader(sources("2"), show, fail);

/** Each call has a row of its own in the list of calls. */
function sources(version: string): Sources {
  const of = () => {
    const id = {};
    return sourcesOf(edge, version, (report) => panel(id, report));
  };
  return {
    references: () => of().references(),
    sequence: (...args) => of().sequence(...args),
    features: (...args) => of().features(...args),
    windows: (...args) => of().windows(...args),
  };
}

function go(view: View): void {
  show({ view });
  const { start, end } = basesOf(view);
  box.value = formatLocation(reference.name, start, end);
  loader.load(reference.name, view);
}

async function open(version: string): Promise<void> {
  showError("");
  const from = sources(version);
  loader.use(from);
  show({ features: [], windows: [], sequence: undefined, selected: undefined });
  showDetails(undefined);
  try {
    references = await from.references();
    const same = references.find(({ name }) => name === reference.name);
    const next = same ?? references[0];
    if (next === undefined) return;
    if (same === undefined)
      scene = { ...scene, view: within({ length: next.length, start: 0, span: next.length }) };
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
  } else find(location.name);
});

/** Names are looked for among what is loaded: browsers cannot send the stream of questions that LookUp takes. */
function find(name: string): void {
  const feature = scene.features.find((one) => one.name === name);
  if (feature === undefined) {
    showError(`No gene "${name}" in what is loaded; zoom out, or type a place.`);
    return;
  }
  const margin = Math.max(50, feature.end - feature.start) * 0.25;
  select(feature);
  go(
    within({ ...scene.view, start: feature.start - margin, span: feature.end - feature.start + 2 * margin }),
  );
}

function select(feature: Feature): void {
  show({ selected: feature });
  showDetails(feature);
}

element("in").addEventListener("click", () => go(zoom(scene.view, 0.5)));
element("out").addEventListener("click", () => go(zoom(scene.view, 2)));
element("all").addEventListener("click", () =>
  go(within({ length: reference.length, start: 0, span: reference.length })),
);

canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const at = event.offsetX / canvas.clientWidth;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY))
      go(pan(scene.view, event.deltaX / canvas.clientWidth));
    else go(zoom(scene.view, 1.0015 ** event.deltaY, at));
  },
  { passive: false },
);
canvas.addEventListener("pointerdown", (down) => {
  canvas.setPointerCapture(down.pointerId);
  const from = scene.view;
  const move = (event: PointerEvent) => go(pan(from, (down.offsetX - event.offsetX) / canvas.clientWidth));
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener(
    "pointerup",
    (up) => {
      canvas.removeEventListener("pointermove", move);
      if (Math.hypot(up.offsetX - down.offsetX, up.offsetY - down.offsetY) > 4) return;
      const hit = hits.find(
        ({ x, y, width, height }) =>
          up.offsetX >= x - 2 &&
          up.offsetX <= x + Math.max(width, 12) &&
          up.offsetY >= y &&
          up.offsetY <= y + height,
      );
      if (hit !== undefined) select(hit.feature);
    },
    { once: true },
  );
});
canvas.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") go(pan(scene.view, -0.2));
  else if (event.key === "ArrowRight") go(pan(scene.view, 0.2));
  else if (event.key === "+") go(zoom(scene.view, 0.5));
  else if (event.key === "-") go(zoom(scene.view, 2));
});
new ResizeObserver(() => show({})).observe(canvas);

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-version]"))
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-version]"))
      other.setAttribute("aria-pressed", String(other === button));
    void open(button.dataset.version ?? "2");
  });

await open("2");
