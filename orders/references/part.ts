import type { OrdersPart } from "../part.ts";
import { referencesTables } from "./tables.ts";

/** Keeps artifacts that other parts name. After the parts on whose tables it has triggers. */
export const referencesPart: OrdersPart = {
  name: "references",
  tables: referencesTables,
  channels: [],
  serve() {},
};
