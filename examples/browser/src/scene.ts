import type { Window } from "@rouse-examples/composition/messages";
import type { Feature } from "@rouse-examples/genome/messages";
import type { View } from "./view.ts";

/** All that is drawn. */
export interface Scene {
  readonly view: View;
  readonly features: readonly Feature[];
  readonly selected: Feature | undefined;
  readonly windows: readonly Window[];
  /** Bases from `start` on; undefined: too many to be read. */
  readonly sequence: { start: number; residues: string } | undefined;
}

/** A feature and where it was drawn, in pixels. */
export interface Hit {
  readonly feature: Feature;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
