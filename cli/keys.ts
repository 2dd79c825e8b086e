import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ADMIN_KEY_FILE } from "../registry/admin-key-file.ts";
import { RouseError } from "../sdk/errors.ts";

/** Who the administrator is where a provider's id would stand. */
export const ADMINISTRATOR = "administrator";

/** By address of a registry: the keys that this user has there, by provider, and whose is used; empty: nobody's. */
const keyFileSchema = z.record(
  z.string(),
  z.object({ use: z.string(), keys: z.record(z.string(), z.string()) }),
);
type KeyFile = z.infer<typeof keyFileSchema>;

/** A key that goes with calls, and where it comes from. */
export interface CallersKey {
  readonly key: string;
  readonly from: "environment" | "file" | "administrator";
  /** Whose it is, as far as the file says. */
  readonly provider?: string;
}

/** The user's own file of keys: `$XDG_CONFIG_HOME/rouse/keys.json`. */
export function keyFile(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "rouse", "keys.json");
}

/**
 * The key for a registry: ROUSE_KEY ("admin" there means the administrator's), or else the one that this user has kept for that
 * address, or else the administrator's, when the registry is that of the data folder and this user may read it there.
 *
 * @param target "host:port".
 * @param local The mesh of the data folder listens there.
 */
export function callersKey(target: string, data: string, local: boolean): CallersKey | undefined {
  const given = process.env.ROUSE_KEY;
  if (given !== undefined && given !== "" && given !== "admin") return { key: given, from: "environment" };
  const kept = given === "admin" ? undefined : keptKey(target);
  return kept ?? (local ? administratorsKey(data) : undefined);
}

/** The administrator's key, when this user may read it in the mesh's data folder. */
export function administratorsKey(data: string): CallersKey | undefined {
  try {
    const key = readFileSync(join(data, "registry", ADMIN_KEY_FILE), "utf8").trim();
    return { key, from: "administrator" };
  } catch {
    return undefined;
  }
}

function keptKey(target: string): CallersKey | undefined {
  const at = readKeys()[target];
  const key = at?.keys[at.use];
  return at === undefined || key === undefined ? undefined : { key, from: "file", provider: at.use };
}

/** Keeps a key for a registry, and uses it from now on. */
export function keepKey(target: string, provider: string, key: string): void {
  const all = readKeys();
  writeKeys({ ...all, [target]: { use: provider, keys: { ...all[target]?.keys, [provider]: key } } });
}

/**
 * Uses the kept key of a provider from now on; "administrator": none.
 *
 * @throws RouseError NOT_FOUND KEY_NOT_KEPT.
 */
export function useKey(target: string, provider: string): void {
  const all = readKeys();
  const keys = all[target]?.keys ?? {};
  if (provider !== ADMINISTRATOR && keys[provider] === undefined) {
    const there = Object.keys(keys).join(", ") || "none";
    throw new RouseError(
      "NOT_FOUND",
      `${keyFile()} has no key of ${provider} for ${target} (there: ${there}). Give it by --key-stdin, or make one: rouse provider key create ${provider}`,
      { reason: "KEY_NOT_KEPT" },
    );
  }
  writeKeys({ ...all, [target]: { use: provider === ADMINISTRATOR ? "" : provider, keys } });
}

function readKeys(): KeyFile {
  let text: string;
  try {
    text = readFileSync(keyFile(), "utf8");
  } catch {
    return {};
  }
  try {
    return keyFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RouseError("INVALID_ARGUMENT", `${keyFile()} cannot be understood. Mend it, or remove it.`, {
      reason: "KEY_FILE_INVALID",
      cause,
    });
  }
}

/** Whole or not at all, and for this user only. */
function writeKeys(keys: KeyFile): void {
  const file = keyFile();
  const next = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(next, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
    chmodSync(next, 0o600);
    renameSync(next, file);
  } catch (cause) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `The key cannot be kept in ${file} (${(cause as Error).message}). Set XDG_CONFIG_HOME to a folder that you can write, and give the key by ROUSE_KEY.`,
      { reason: "KEY_FILE_UNWRITABLE", cause },
    );
  }
}
