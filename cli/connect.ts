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
import { ADMIN_KEY_FILE } from "../registry/admin-key-file.ts";
import { RouseError } from "../sdk/errors.ts";

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
 * Talks to one server of the mesh and closes the connection afterwards.
 *
 * @param target "host:port", such as `readMesh().registry`.
 * @throws RouseError UNAVAILABLE NO_MESH when nothing listens there; else what `work` throws.
 */
export async function withClient<T extends Client, R>(
  clientClass: ClientClass<T>,
  target: string,
  work: (client: T) => Promise<R>,
): Promise<R> {
  const client = new clientClass(target, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    interceptors: [withKey],
    // A manifest has up to 8 MiB.
    "grpc.max_receive_message_length": 16 * 2 ** 20,
  });
  try {
    return await work(client);
  } catch (error) {
    throw refused(error) ? noMesh(target, error) : error;
  } finally {
    client.close();
  }
}

/**
 * Adds the key that calls which change something need: ROUSE_KEY, or else the administrator's when this user may read it
 * in the mesh's data folder.
 */
const withKey: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      const key = callersKey();
      if (key !== undefined && metadata.get("authorization").length === 0)
        metadata.set("authorization", `Bearer ${key}`);
      next(metadata, listener);
    },
  });

function callersKey(): string | undefined {
  if (process.env.ROUSE_KEY) return process.env.ROUSE_KEY;
  try {
    return readFileSync(join(dataFolder(), "registry", ADMIN_KEY_FILE), "utf8").trim();
  } catch {
    return undefined;
  }
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
