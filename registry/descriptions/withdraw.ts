import type { ConsulClient } from "../consul.ts";
import { historyStep } from "../history/index.ts";
import type { TransactionStep } from "../kv.ts";
import { aboutStep, readIndexed } from "./record.ts";

/** The steps by which a version that is taken out of the catalog leaves its description and a line of history behind. */
export async function withdrawSteps(
  consul: ConsulClient,
  by: string,
  service: string,
  version: string,
  nowMs: number,
): Promise<TransactionStep[]> {
  const read = await readIndexed(consul, service, version);
  const kept =
    read === undefined
      ? []
      : [aboutStep(service, version, { ...read.record, withdrawn: { by, atMs: nowMs } }, read.index)];
  return [...kept, historyStep({ service, by, what: "withdrawn", version }, nowMs)];
}
