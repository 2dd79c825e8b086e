import { pan, type View, zoom } from "./view.ts";

/** What the gestures on the canvas do. */
export interface GestureTarget {
  view(): View;
  go(view: View): void;
  /** A click or tap, in CSS pixels of the canvas. */
  tap(x: number, y: number): void;
  /** Selects the next feature (1) or the one before (-1). */
  step(by: 1 | -1): void;
  /** Shows the selected feature, or all. */
  fit(what: "selected" | "all"): void;
}

/** Wheel, drag, pinch and keys on the canvas. */
export function listenForGestures(canvas: HTMLCanvasElement, target: GestureTarget): void {
  canvas.addEventListener("wheel", (event) => onWheel(canvas, target, event), { passive: false });
  listenForPointers(canvas, target);
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act(target);
  });
}

const keys: Readonly<Record<string, (target: GestureTarget) => void>> = {
  ArrowLeft: (target) => target.go(pan(target.view(), -0.2)),
  ArrowRight: (target) => target.go(pan(target.view(), 0.2)),
  ArrowUp: (target) => target.go(zoom(target.view(), 0.5)),
  ArrowDown: (target) => target.go(zoom(target.view(), 2)),
  "+": (target) => target.go(zoom(target.view(), 0.5)),
  "=": (target) => target.go(zoom(target.view(), 0.5)),
  "-": (target) => target.go(zoom(target.view(), 2)),
  PageUp: (target) => target.go(pan(target.view(), -0.9)),
  PageDown: (target) => target.go(pan(target.view(), 0.9)),
  Home: (target) => target.go({ ...target.view(), start: 0 }),
  End: (target) => target.go(pan(target.view(), Number.MAX_SAFE_INTEGER / 1e6)),
  n: (target) => target.step(1),
  p: (target) => target.step(-1),
  Enter: (target) => target.fit("selected"),
  "0": (target) => target.fit("all"),
};

/** A wheel zooms; sideways, or with Shift, it moves. Trackpads send a pinch as a wheel with Ctrl, in smaller steps. */
function onWheel(canvas: HTMLCanvasElement, target: GestureTarget, event: WheelEvent): void {
  event.preventDefault();
  const { view, go } = target;
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
  const sideways = event.shiftKey ? event.deltaY : event.deltaX;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    go(pan(view(), (sideways * lines) / canvas.clientWidth));
    return;
  }
  const base = event.ctrlKey ? 1.01 : 1.0015;
  go(zoom(view(), base ** (event.deltaY * lines), event.offsetX / canvas.clientWidth));
}

/** One pointer drags, two pinch; one that hardly moves taps. */
function listenForPointers(canvas: HTMLCanvasElement, target: GestureTarget): void {
  const down = new Map<number, { x: number; y: number }>();
  let moved = 0;
  let from: { view: View; x: number; distance: number } | undefined;
  const middle = () => {
    const [a, b = a] = [...down.values()];
    return { x: ((a?.x ?? 0) + (b?.x ?? 0)) / 2, distance: Math.abs((a?.x ?? 0) - (b?.x ?? 0)) };
  };
  /** What is under the fingers stays there: begun anew whenever a finger comes or goes. */
  const begin = () => {
    from = { view: target.view(), ...middle() };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (down.size === 0) moved = 0;
    down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    begin();
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (last === undefined || from === undefined) return;
    moved += Math.hypot(event.offsetX - last.x, event.offsetY - last.y);
    down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    const width = canvas.clientWidth;
    const { x, distance } = middle();
    const closer =
      down.size > 1
        ? zoom(from.view, Math.max(from.distance, 20) / Math.max(distance, 20), from.x / width)
        : from.view;
    target.go(pan(closer, (from.x - x) / width));
  });
  const end = (event: PointerEvent) => {
    if (!down.delete(event.pointerId)) return;
    if (down.size > 0) begin();
    else if (event.type === "pointerup" && moved <= 6) target.tap(event.offsetX, event.offsetY);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
