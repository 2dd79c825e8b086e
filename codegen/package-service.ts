import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import type { Services } from "./plugin/services-file.ts";

const packageSchema = z.object({ rouse: z.object({ service: z.string().optional() }).optional() });

/**
 * Checks that package.json, where it says which service the package runs, says one of the contract's.
 *
 * @throws RouseError INVALID_ARGUMENT: PACKAGE_INVALID, SERVICE_NOT_IN_CONTRACT, SERVICE_AMBIGUOUS (two and none is named).
 */
export async function checkPackageService(packageDir: string, services: Services): Promise<void> {
  const path = join(packageDir, "package.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return;
  const { rouse } = parse(path, text);
  if (rouse === undefined) return;
  const { annotated, plain } = services;
  if (rouse.service === undefined) {
    if (annotated.length < 2) return;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The contract has ${annotated.length} services (${annotated.join(", ")}), and ${path} does not say which one the package runs. Add "service" under "rouse".`,
      { reason: "SERVICE_AMBIGUOUS" },
    );
  }
  if (annotated.includes(rouse.service)) return;
  const remedy = plain.includes(rouse.service)
    ? "it has no option (rouse.mesh.v1.service). Add it to the contract."
    : `it is not in the contract. Name one of its services: ${annotated.join(", ") || "there is none with the option (rouse.mesh.v1.service)"}.`;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `${path} says that the package runs ${JSON.stringify(rouse.service)}, but ${remedy}`,
    { reason: "SERVICE_NOT_IN_CONTRACT" },
  );
}

function parse(path: string, text: string): z.infer<typeof packageSchema> {
  try {
    return packageSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${path} cannot be read: it must be JSON, with "rouse" such as {"service": "genome.v1.GenomeService"}.`,
      { reason: "PACKAGE_INVALID", cause },
    );
  }
}
