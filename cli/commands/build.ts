import { resolve } from "node:path";
import type { Command } from "commander";
import { bundle } from "../../agent/build/bundle.ts";
import { type BuiltImage, buildImage } from "../../agent/build/image.ts";
import { RouseError } from "../../sdk/errors.ts";

interface BuildFlags {
  readonly json?: boolean;
  readonly image?: boolean | string;
}

/** `rouse build`: makes dist/bundle.tar of a service package, and an image where an engine answers. */
export function addBuild(program: Command): void {
  program
    .command("build")
    .description("bundle a service (dist/bundle.tar), and make its image where a Docker engine answers")
    .argument("[folder]", "the service's folder, with package.json", ".")
    .option("--image <name:tag>", "name of the image; fails when no engine answers")
    .option("--no-image", "make no image")
    .option("--json", "print what was made as JSON")
    .action(async (folder: string, flags: BuildFlags) => {
      const made = await bundle(resolve(folder));
      const { image, without } = await imageOf(made, flags.image ?? true);
      if (flags.json) {
        console.log(JSON.stringify({ ...made, image }));
        return;
      }
      console.log(`bundle ${made.file} (${(made.size / 1024).toFixed(0)} KiB)`);
      console.log(`digest ${made.digest}`);
      console.log(image === undefined ? `image  none: ${without}` : `image  ${image.tag} ${image.id}`);
    });
}

async function imageOf(
  made: Awaited<ReturnType<typeof bundle>>,
  wanted: boolean | string,
): Promise<{ image?: BuiltImage; without?: string }> {
  if (wanted === false) return { without: "not asked for" };
  try {
    return { image: await buildImage(made, typeof wanted === "string" ? wanted : undefined) };
  } catch (error) {
    const known = RouseError.from(error);
    if (typeof wanted === "string" || known.reason !== "ENGINE_UNAVAILABLE") throw error;
    return { without: known.message };
  }
}
