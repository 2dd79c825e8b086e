import { type Feature, Strand } from "@rouse-examples/genome/messages";
import { label } from "./draw-tracks.ts";
import { lanesOf } from "./lanes.ts";
import { colorOf } from "./palette.ts";
import type { Hit, Scene } from "./scene.ts";
import { pixelOf } from "./view.ts";

const laneHeight = 34;
const boxHeight = 15;

/** Features in lanes: arrows where the strand is known, boxes where not, with their names. */
export function drawFeatures(
  context: CanvasRenderingContext2D,
  { view, features, selected }: Scene,
  width: number,
  top: number,
  height: number,
): Hit[] {
  label(context, `FEATURES · ${features.length}`, 14, top - 8);
  context.font = "11.5px system-ui, 'DejaVu Sans', sans-serif";
  const pixels = width / view.span;
  const shown = features.filter((f) => f.end > view.start && f.start <= view.start + view.span);
  const lanes = lanesOf(shown, (feature) => (context.measureText(feature.name).width + 12) / pixels);
  const hits: Hit[] = [];
  for (const [i, feature] of shown.entries()) {
    const y = top + (lanes[i] ?? 0) * laneHeight;
    if (y + laneHeight > height) continue;
    const x = Math.max(-20, pixelOf(view, feature.start - 1, width));
    const right = Math.min(width + 20, pixelOf(view, feature.end, width));
    const box = { feature, x, y, width: Math.max(2.5, right - x), height: boxHeight };
    drawArrow(context, box);
    if (feature === selected) {
      context.strokeStyle = "#1d2733";
      context.lineWidth = 2;
      context.stroke();
    }
    context.fillStyle = "#1d2733";
    context.textAlign = "left";
    const room = width - context.measureText(feature.name).width - 6;
    context.fillText(feature.name, Math.max(6, Math.min(x, room)), y + boxHeight + 12);
    hits.push({ ...box, height: laneHeight - 4 });
  }
  return hits;
}

function drawArrow(context: CanvasRenderingContext2D, { feature, x, y, width, height }: Hit): void {
  const tip = feature.strand === Strand.STRAND_UNSPECIFIED ? 0 : Math.min(8, width / 2);
  const [left, right] = feature.strand === Strand.STRAND_REVERSE ? [tip, 0] : [0, tip];
  context.fillStyle = colorOf(feature);
  context.globalAlpha = isPart(feature) ? 0.55 : 1;
  context.beginPath();
  context.moveTo(x + left, y);
  context.lineTo(x + width - right, y);
  context.lineTo(x + width, y + (right > 0 ? height / 2 : 0));
  context.lineTo(x + width, y + (right > 0 ? height / 2 : height));
  context.lineTo(x + width - right, y + height);
  context.lineTo(x + left, y + height);
  context.lineTo(x, y + (left > 0 ? height / 2 : height));
  context.lineTo(x, y + (left > 0 ? height / 2 : 0));
  context.closePath();
  context.fill();
  context.globalAlpha = 1;
}

function isPart(feature: Feature): boolean {
  return feature.parents.length > 0;
}
