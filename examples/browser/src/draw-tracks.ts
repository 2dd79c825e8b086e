import { bases } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { currentTheme } from "./theme.ts";
import { pixelOf, ticks, type View } from "./view.ts";

export function label(context: CanvasRenderingContext2D, text: string, x: number, y: number): void {
  context.fillStyle = currentTheme().soft;
  context.font = "600 10.5px system-ui, 'DejaVu Sans', sans-serif";
  context.textAlign = "left";
  context.fillText(text, x, y);
}

/** The whole reference, and the part of it that is seen. */
export function drawOverview(
  context: CanvasRenderingContext2D,
  { view }: Scene,
  width: number,
  y: number,
): void {
  context.fillStyle = currentTheme().track;
  context.beginPath();
  context.roundRect(14, y, width - 28, 8, 4);
  context.fill();
  const x = (edge: number) => 14 + (edge / view.length) * (width - 28);
  context.fillStyle = currentTheme().accent;
  context.beginPath();
  context.roundRect(x(view.start), y, Math.max(4, x(view.start + view.span) - x(view.start)), 8, 4);
  context.fill();
}

export function drawRuler(context: CanvasRenderingContext2D, view: View, width: number, y: number): void {
  context.strokeStyle = currentTheme().line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, y + 0.5);
  context.lineTo(width, y + 0.5);
  const marks = ticks(view, width);
  for (const mark of marks) {
    const x = Math.round(pixelOf(view, mark - 0.5, width)) + 0.5;
    context.moveTo(x, y);
    context.lineTo(x, y + 6);
  }
  context.stroke();
  context.fillStyle = currentTheme().soft;
  context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  context.textAlign = "center";
  for (const mark of marks)
    context.fillText(mark.toLocaleString("en"), pixelOf(view, mark - 0.5, width), y - 6);
}

/** GC content as an area around its mean. */
export function drawGc(
  context: CanvasRenderingContext2D,
  { view, windows }: Scene,
  width: number,
  y: number,
  height: number,
): void {
  label(
    context,
    windows.length === 0 ? "GC" : `GC ${percent(mean(windows.map((w) => w.gc ?? 0)))}`,
    14,
    y - 8,
  );
  const [low, high] = [0.25, 0.75];
  const at = (gc: number) => y + height * (1 - (Math.min(Math.max(gc, low), high) - low) / (high - low));
  context.strokeStyle = currentTheme().line;
  context.setLineDash([3, 4]);
  context.beginPath();
  context.moveTo(0, Math.round(at(0.5)) + 0.5);
  context.lineTo(width, Math.round(at(0.5)) + 0.5);
  context.stroke();
  context.setLineDash([]);
  for (const window of windows) {
    if (window.gc === undefined) continue;
    const left = pixelOf(view, window.start - 1, width);
    const right = pixelOf(view, window.end, width);
    const top = Math.min(at(window.gc), at(0.5));
    context.fillStyle = window.gc >= 0.5 ? "#44aa99" : "#cc6677";
    context.fillRect(
      left,
      top,
      Math.max(1, right - left) + 0.3,
      Math.max(1, Math.abs(at(window.gc) - at(0.5))),
    );
  }
}

/** Letters when there is room for them, else coloured bars, else nothing. */
export function drawSequence(
  context: CanvasRenderingContext2D,
  { view, sequence }: Scene,
  width: number,
  y: number,
): void {
  const pixels = width / view.span;
  label(context, sequence === undefined ? "SEQUENCE · zoom in to read it" : "SEQUENCE", 14, y - 8);
  if (sequence === undefined) return;
  context.textAlign = "center";
  context.font = `600 ${Math.min(15, pixels * 1.4)}px ui-monospace, 'DejaVu Sans Mono', monospace`;
  const first = Math.max(0, Math.floor(view.start) - sequence.start + 1);
  const last = Math.min(sequence.residues.length, first + Math.ceil(view.span) + 1);
  for (let i = first; i < last; i++) {
    const base = sequence.residues[i]?.toUpperCase() ?? "";
    const x = pixelOf(view, sequence.start - 1 + i, width);
    context.fillStyle = bases[base] ?? currentTheme().ink;
    if (pixels >= 8) context.fillText(base, x + pixels / 2, y + 13);
    else context.fillRect(x, y, Math.max(0.6, pixels - 0.4), 18);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
