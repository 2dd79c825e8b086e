import { type Feature, Strand } from "@rouse-examples/genome/messages";
import { label } from "./draw-tracks.ts";
import { lanesOf } from "./lanes.ts";
import { colorOf } from "./palette.ts";
import type { Hit, Scene } from "./scene.ts";
import { currentTheme } from "./theme.ts";
import { pixelOf } from "./view.ts";

const laneHeight = 32;
const boxHeight = 14;
const gap = 22;

/** One group of lanes for each strand; version 1 of the service tells none. */
const groups: readonly { readonly strand: Feature["strand"]; readonly title: string }[] = [
  { strand: Strand.STRAND_FORWARD, title: "FORWARD STRAND →" },
  { strand: Strand.STRAND_REVERSE, title: "REVERSE STRAND ←" },
  { strand: Strand.STRAND_UNSPECIFIED, title: "NO STRAND" },
];

/** Features in lanes below the title of their strand: arrows where it is known, boxes where not, with their names. */
export function drawFeatures(
  context: CanvasRenderingContext2D,
  { view, features, selected }: Scene,
  width: number,
  top: number,
  height: number,
): Hit[] {
  const seen = features.filter((f) => f.end > view.start && f.start <= view.start + view.span);
  const hits: Hit[] = [];
  let y = top;
  for (const { strand, title } of groups) {
    const own = seen.filter((feature) => feature.strand === strand);
    if (own.length === 0) continue;
    label(context, `${title} · ${own.length}`, 14, y - 8);
    y = drawLanes(context, own, { view, selected, width, top: y, height, hits }) + gap;
  }
  if (seen.length === 0) label(context, "NO FEATURES HERE", 14, y - 8);
  return hits;
}

interface Lanes {
  readonly view: Scene["view"];
  readonly selected: Feature | undefined;
  readonly width: number;
  readonly top: number;
  readonly height: number;
  readonly hits: Hit[];
}

/** @returns the lower edge of the lanes. */
function drawLanes(
  context: CanvasRenderingContext2D,
  features: readonly Feature[],
  { view, selected, width, top, height, hits }: Lanes,
): number {
  const { ink } = currentTheme();
  context.font = "11.5px system-ui, 'DejaVu Sans', sans-serif";
  const pixels = width / view.span;
  const lanes = lanesOf(features, (feature) => (context.measureText(feature.name).width + 12) / pixels);
  let hidden = 0;
  for (const [i, feature] of features.entries()) {
    const y = top + (lanes[i] ?? 0) * laneHeight;
    if (y + laneHeight > height) {
      hidden++;
      continue;
    }
    const x = Math.max(-20, pixelOf(view, feature.start - 1, width));
    const right = Math.min(width + 20, pixelOf(view, feature.end, width));
    const box = { feature, x, y, width: Math.max(2.5, right - x), height: boxHeight };
    drawArrow(context, box);
    if (feature === selected) {
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.stroke();
    }
    context.fillStyle = ink;
    context.textAlign = "left";
    const room = width - context.measureText(feature.name).width - 6;
    context.fillText(feature.name, Math.max(6, Math.min(x, room)), y + boxHeight + 12);
    hits.push({ ...box, height: laneHeight - 4 });
  }
  if (hidden > 0) {
    context.textAlign = "right";
    context.fillStyle = currentTheme().soft;
    context.fillText(`${hidden} more: zoom in`, width - 8, height - 8);
  }
  return Math.min(height, top + (Math.max(-1, ...lanes) + 1) * laneHeight);
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
