import { manifestAboutSchema } from "../../registry/descriptions/about.ts";
import type { Manifest } from "../../registry/manifest.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

/** Number of the field in the service's option, and of those in About. */
const ABOUT = 31;
const NUMBERS: Readonly<Record<string, number>> = {
  purpose: 1,
  usage: 2,
  misuse: 3,
  parameters: 4,
  metadata: 5,
  workflow: 6,
  links: 7,
  license: 8,
  contact: 9,
  keywords: 10,
};

/** What people should know of a service, checked as the registry will; absent in the manifest when nothing is said. */
export function readAbout(written: ServiceMesh["about"], reader: OptionReader): Pick<Manifest, "about"> {
  if (written === undefined) return {};
  const about = Object.fromEntries(
    Object.entries(written)
      .map(([name, value]) => [name, typeof value === "string" ? value.trim() : value] as const)
      .filter(([, value]) => value.length > 0),
  );
  if (Object.keys(about).length === 0) return {};
  const parsed = manifestAboutSchema.safeParse(about);
  if (parsed.success) return { about: parsed.data };
  for (const { path, message } of parsed.error.issues) {
    const number = NUMBERS[String(path[0])];
    reader.problem([ABOUT, ...(number === undefined ? [] : [number])], `about.${path.join(".")} ${message}.`);
  }
  return {};
}
