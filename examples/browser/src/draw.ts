import { drawFeatures } from "./draw-features.ts";
import { drawGc, drawOverview, drawRuler, drawSequence } from "./draw-tracks.ts";
import type { Hit, Scene } from "./scene.ts";

/** Draws all tracks, in CSS pixels. @returns where the features are. */
export function draw(canvas: HTMLCanvasElement, scene: Scene): Hit[] {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("This browser has no 2D canvas.");
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  drawOverview(context, scene, width, 14);
  drawRuler(context, scene.view, width, 52);
  drawGc(context, scene, width, 92, 70);
  drawSequence(context, scene, width, 186);
  return drawFeatures(context, scene, width, 232, height);
}
