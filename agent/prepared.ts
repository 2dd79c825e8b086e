import { createHash } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { readJson, writeJson } from "./json-file.ts";
import { specSchema } from "./record.ts";

/** The versions that are kept ready to start; on disk, so that a restarted agent gets them ready again. */
export class Prepared {
  readonly #folder: string;
  readonly #specs = new Map<string, InstanceSpec>();

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of readdirSync(folder)) {
      const spec = name.endsWith(".json") ? readJson(join(folder, name), specSchema) : undefined;
      if (spec !== undefined) this.#specs.set(key(spec), spec);
    }
  }

  all(): readonly InstanceSpec[] {
    return [...this.#specs.values()];
  }

  add(spec: InstanceSpec): void {
    this.#specs.set(key(spec), spec);
    writeJson(join(this.#folder, fileName(key(spec))), spec);
  }

  /** @returns what was forgotten. */
  remove(service: string, version: string): readonly InstanceSpec[] {
    const name = key({ service, version });
    const spec = this.#specs.get(name);
    this.#specs.delete(name);
    rmSync(join(this.#folder, fileName(name)), { force: true });
    return spec === undefined ? [] : [spec];
  }
}

function key({ service, version }: { service: string; version: string }): string {
  return `${service}@${version}`;
}

/** Of fixed length, whatever the service is called. */
function fileName(name: string): string {
  return `${createHash("sha256").update(name).digest("hex").slice(0, 32)}.json`;
}
