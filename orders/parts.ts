import { artifactsPart } from "./artifacts/part.ts";
import { cachePart } from "./cache/part.ts";
import { operationsPart } from "./operations/part.ts";
import { ordersPart } from "./orders/part.ts";
import type { OrdersPart } from "./part.ts";
import { pinsPart } from "./pins/part.ts";
import { referencesPart } from "./references/part.ts";
import { runsPart } from "./runs/part.ts";
import { tasksPart } from "./tasks/part.ts";

/** All that orders do. */
export const PARTS: readonly OrdersPart[] = [
  operationsPart,
  artifactsPart,
  cachePart,
  ordersPart,
  tasksPart,
  runsPart,
  referencesPart,
  pinsPart,
];
