import { operationsPart } from "./operations/part.ts";
import type { OrdersPart } from "./part.ts";
import { runsPart } from "./runs/part.ts";

/** All that orders do. */
export const PARTS: readonly OrdersPart[] = [operationsPart, runsPart];
