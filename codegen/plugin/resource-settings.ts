import type { Manifest } from "../../registry/manifest.ts";
import { parseMemory } from "./memory.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

const mebibyte = 2 ** 20;
/** Field of the service's option, and fields of Resources. */
const resources = 5;
const cpu = [resources, 1];
const memory = [resources, 2];
const labels = [resources, 4];

/** Checks what an instance needs; memory comes out in bytes. */
export function readResources(
  written: ServiceMesh["resources"],
  reader: OptionReader,
): Manifest["resources"] {
  for (const [name, value] of Object.entries(written.labels)) {
    // Labels travel as keys and values of Consul's service meta, which sets these limits.
    if (!/^[A-Za-z0-9_-]{1,100}$/.test(name))
      reader.problem(
        labels,
        `labels: ${JSON.stringify(name)} is no label name. Use up to 100 letters, digits, "-" and "_".`,
      );
    if (value.length > 512)
      reader.problem(
        labels,
        `labels: the value of ${name} has ${value.length} characters. Shorten it to 512 at most.`,
      );
  }
  return {
    cpu: readCpu(written.cpu, reader),
    memory: readMemory(written.memory, reader),
    gpu: written.gpu,
    labels: written.labels,
  };
}

function readCpu(cores: number, reader: OptionReader): number {
  if (cores === 0 && !reader.isWritten(cpu)) return 0.25;
  if (cores > 0 && cores <= 1024) return cores;
  reader.problem(
    cpu,
    `resources.cpu ${cores} is out of range. Write cores, more than 0 and up to 1024, such as 0.5.`,
  );
  return 0.25;
}

function readMemory(text: string, reader: OptionReader): number {
  const otherwise = 256 * mebibyte;
  if (text === "") return otherwise;
  const bytes = parseMemory(text);
  if (bytes === undefined) {
    reader.problem(
      memory,
      `resources.memory ${JSON.stringify(text)} is no amount of memory. Write a number and one of the units Ki, Mi, Gi, Ti, K, M, G, T, such as "256Mi".`,
    );
    return otherwise;
  }
  if (bytes < 32 * mebibyte) {
    reader.problem(
      memory,
      `resources.memory ${JSON.stringify(text)} is too little to start in. Ask for 32Mi or more.`,
    );
    return otherwise;
  }
  return bytes;
}
