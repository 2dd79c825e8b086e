import type { Manifest } from "../../registry/manifest.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

/** Field of the service's option. */
const workers = 17;
const mebibyte = 2 ** 20;
/** What a Node process needs to start in, bytes. */
const processMemory = 48 * mebibyte;

/** Checks what shares the work inside an instance; absent in the manifest where the contract says nothing of it. */
export function readWorkers(
  written: ServiceMesh["workers"],
  { cpu, memory }: Manifest["resources"],
  reader: OptionReader,
): Pick<Manifest, "workers"> {
  if (written === undefined) return {};
  const kind = written.kind === "threads" ? "threads" : "processes";
  const count = reader.count(
    { name: "workers.count", path: [workers, 2], value: written.count },
    { least: 1, most: 64, otherwise: Math.min(64, Math.max(1, Math.ceil(cpu))) },
  );
  if (kind === "processes" && count > 1 && memory < count * processMemory) {
    const has = Math.floor(memory / mebibyte);
    const each = processMemory / mebibyte;
    reader.problem(
      reader.isWritten([workers, 2]) ? [workers, 2] : [workers],
      `${count} worker processes share resources.memory ${has} MiB, and each needs ${each} MiB to start in. Ask for ${count * each}Mi or more, or have fewer.`,
    );
  }
  return { workers: { kind, count, ...(written.pin_cores && { pinCores: true as const }) } };
}
