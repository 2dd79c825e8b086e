import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import {
  type Client,
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
} from "@grpc/grpc-js";
import { z } from "zod";
import { controlPlaneFileOf, readControlPlaneFile } from "../mesh-config/control-plane-file.ts";
import { RouseError } from "../sdk/errors.ts";
import { administratorsKey, type CallersKey, callersKey, keyFile } from "./keys.ts";

const address = z.string().regex(/^.+:\d+$/, "must be host:port");

/** What `rouse up` writes to mesh.json: where everything listens, as "host:port". */
const meshSchema = z.object({
  edge: address,
  mesh: address,
  /** Path of Envoy's internal listener. */
  meshSocket: z.string(),
  consul: address,
  registry: address,
  /** HTTP side of the registry. */
  registryHttp: address,
  control: address,
  agent: address,
  orders: address,
  /** HTTP side of orders. */
  ordersHttp: address,
  envoyAdmin: address,
  runtime: z.string(),
  /** Process id of `rouse up`. */
  pid: z.number().int(),
});

/** A mesh that can be talked to. */
export type Mesh = z.infer<typeof meshSchema> & {
  /** Its data folder. */
  readonly data: string;
};

/** The data folder: ROUSE_DATA (or the flag --data), by default `$XDG_STATE_HOME/rouse`, `~/.local/state/rouse`. */
export function dataFolder(data: string | undefined = process.env.ROUSE_DATA): string {
  return resolve(data || join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "rouse"));
}

/**
 * Where the mesh of a data folder listens.
 *
 * @throws RouseError UNAVAILABLE NO_MESH when none has been started there, INTERNAL MESH_FILE_INVALID when mesh.json
 *   cannot be understood.
 */
export function readMesh(data?: string): Mesh {
  const folder = dataFolder(data);
  const file = join(folder, "mesh.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new RouseError(
      "UNAVAILABLE",
      `No mesh runs with the data folder ${folder}; start one with "npm start", or name its folder by --data.`,
      { reason: "NO_MESH" },
    );
  }
  try {
    return { ...meshSchema.parse(JSON.parse(text)), data: folder };
  } catch (cause) {
    throw new RouseError(
      "INTERNAL",
      `${file} cannot be understood; stop the mesh, remove the file and start it again.`,
      { reason: "MESH_FILE_INVALID", cause },
    );
  }
}

/** A ts-proto client class of grpc-js. */
type ClientClass<T extends Client> = new (
  target: string,
  channelCredentials: ReturnType<typeof credentials.createInsecure>,
  options?: Partial<ClientOptions>,
) => T;

/**
 * Talks to one server of the mesh and closes the connection afterwards. The caller's key goes along (cli/keys.ts). What only
 * the leading orchestrator does it is asked for, and where the control plane of mesh.json is away, another one is.
 *
 * @param target "host:port", such as `readMesh().registry`.
 * @param key Another key than the caller's; null: none.
 * @throws RouseError UNAVAILABLE NO_MESH when nothing listens there; else what `work` throws.
 */
export async function withClient<T extends Client, R>(
  clientClass: ClientClass<T>,
  target: string,
  work: (client: T) => Promise<R>,
  key: CallersKey | null | undefined = keyFor(target),
): Promise<R> {
  const tried = new Set<string>();
  for (let at = target; ; ) {
    tried.add(at);
    try {
      return await talk(clientClass, at, work, key);
    } catch (error) {
      const next = elsewhere(target, error).find((address) => !tried.has(address));
      if (next === undefined) throw error;
      at = next;
    }
  }
}

/** Where else to ask after an error. */
function elsewhere(target: string, error: unknown): string[] {
  if (!(error instanceof RouseError)) return [];
  const { leader } = error.metadata;
  if (error.reason === "NOT_LEADING" && leader !== undefined) return [leader];
  if (error.reason !== "NO_MESH") return [];
  try {
    const mesh = readMesh();
    return mesh.control === target ? readControlPlaneFile(controlPlaneFileOf(mesh.data)) : [];
  } catch {
    return [];
  }
}

async function talk<T extends Client, R>(
  clientClass: ClientClass<T>,
  target: string,
  work: (client: T) => Promise<R>,
  key: CallersKey | null | undefined,
): Promise<R> {
  const client = new clientClass(target, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    interceptors: key ? [sendKey(key.key)] : [],
    // A manifest has up to 8 MiB.
    "grpc.max_receive_message_length": 16 * 2 ** 20,
  });
  try {
    return await work(client);
  } catch (error) {
    if (refused(error)) throw noMesh(target, error);
    throw key?.from === "file" ? withKeptKey(target, key, error) : error;
  } finally {
    client.close();
  }
}

/** The key that calls to this address bring. */
export function keyFor(target: string): CallersKey | undefined {
  return callersKey(target, dataFolder(), isOwnMesh(target));
}

/** Whether the mesh of the data folder listens there: nobody else gets its administrator's key. */
export function isOwnMesh(target: string): boolean {
  try {
    const { registry, edge, mesh } = readMesh();
    return [registry, edge, mesh].includes(target);
  } catch {
    return false;
  }
}

function sendKey(key: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        if (metadata.get("authorization").length === 0) metadata.set("authorization", `Bearer ${key}`);
        next(metadata, listener);
      },
    });
}

/** What a user can do whose kept key is not good, or not good enough. */
function withKeptKey(target: string, { provider }: CallersKey, thrown: unknown): unknown {
  if (!(thrown instanceof RouseError)) return thrown;
  const { status, reason, metadata, message } = thrown;
  if (reason === "KEY_INVALID") {
    return new RouseError(
      "UNAUTHENTICATED",
      `The key of ${provider} in ${keyFile()} is not, or no longer, good at ${target}. Use another one: "rouse provider use", "rouse provider create", or ROUSE_KEY.`,
      { reason: "KEY_INVALID", cause: thrown },
    );
  }
  const isAdministrator = isOwnMesh(target) && administratorsKey(dataFolder()) !== undefined;
  if (status !== "PERMISSION_DENIED" || !isAdministrator) return thrown;
  const hint = "This mesh is your own: with ROUSE_KEY=admin you act as its administrator.";
  return new RouseError(status, `${message} ${hint}`, { reason, metadata, cause: thrown });
}

/** True for the error of a connection that nobody accepts. */
export function refused(error: unknown): boolean {
  const text = error instanceof Error ? error.message : "";
  return /ECONNREFUSED|No connection established|ENOENT.*\.sock/.test(text);
}

export function noMesh(target: string, cause: unknown): RouseError {
  return new RouseError("UNAVAILABLE", `No mesh answers at ${target}; start one with "npm start".`, {
    reason: "NO_MESH",
    cause,
  });
}
