/* Bundled behind an actor's own file: says what that has declared. */
import { writeFileSync } from "node:fs";
import { declaredActors, shapesOf } from "../../sdk/actor/declare.ts";
import { RouseError } from "../../sdk/errors.ts";

/** Imports the package's file and writes what it declares, or why it cannot be imported, as JSON. */
export async function describe(load: () => Promise<unknown>, file: string): Promise<void> {
  let said: object;
  try {
    await load();
    said = {
      actors: declaredActors().map(({ name, settings, methods }) => ({
        name,
        settings,
        methods: methods.map(({ name, schemas }) => ({
          name,
          docs: schemas.docs ?? "",
          ...shapesOf(schemas),
        })),
      })),
    };
  } catch (thrown) {
    const ours = thrown instanceof RouseError && thrown.reason === "ACTOR_INVALID";
    const words = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    said = { fault: ours ? thrown.message : words, ours };
  }
  writeFileSync(file, JSON.stringify(said));
  // Whatever the file has opened must not hold the generator.
  process.exit(0);
}
