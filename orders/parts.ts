import { artifactsPart } from "./artifacts/part.ts";
import { operationsPart } from "./operations/part.ts";
import type { OrdersPart } from "./part.ts";

/** All that orders do. */
export const PARTS: readonly OrdersPart[] = [operationsPart, artifactsPart];
