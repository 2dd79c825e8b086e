import { type ClientReadableStream, credentials } from "@grpc/grpc-js";
import {
  type Envoy,
  MeshConfigClient,
  type Wake,
  type WatchWakesResponse,
} from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { unary } from "../sdk/grpc.ts";

/** One that does not answer within this time is left out, ms. */
const PATIENCE_MS = 1_000;
/** How often to look for control planes that are not followed yet, ms. */
const LOOK_MS = 2_000;

/**
 * The other control planes: what people ask one of them they ask all, for each Envoy is with one of them.
 */
export class Peers {
  readonly #addresses: () => readonly string[];

  /** @param addresses "host:port" of each other control plane that is well. */
  constructor(addresses: () => readonly string[]) {
    this.#addresses = addresses;
  }

  async envoys(): Promise<Envoy[]> {
    const all = await this.#ask((client) =>
      unary(client, "getStatus", { own: true }, { deadlineMs: PATIENCE_MS }),
    );
    return all.flatMap(({ envoys }) => envoys);
  }

  async wakes(service: string, limit: number): Promise<Wake[]> {
    const request = { service, limit, own: true };
    const all = await this.#ask((client) => unary(client, "listWakes", request, { deadlineMs: PATIENCE_MS }));
    return all.flatMap(({ wakes }) => wakes);
  }

  /** Follows the wakes that are under way with them; `onChange` must return quickly. */
  watch(onChange: () => void): { underWay(): Wake[]; close(): void } {
    const followed = new Map<string, Followed>();
    const look = () => {
      for (const address of this.#addresses()) {
        if (followed.has(address)) continue;
        const client = clientOf(address);
        const stream = client.watchWakes({ own: true });
        const one: Followed = { stream, client, underWay: [] };
        followed.set(address, one);
        stream.on("data", ({ underWay }: WatchWakesResponse) => {
          one.underWay = underWay;
          onChange();
        });
        const leave = () => {
          client.close();
          if (followed.get(address) !== one) return;
          followed.delete(address);
          onChange();
        };
        stream.on("error", leave).on("end", leave);
      }
    };
    look();
    const timer = setInterval(look, LOOK_MS).unref();
    return {
      underWay: () => [...followed.values()].flatMap(({ underWay }) => underWay),
      close() {
        clearInterval(timer);
        const all = [...followed.values()];
        followed.clear();
        for (const { stream } of all) stream.cancel();
      },
    };
  }

  async #ask<T>(question: (client: MeshConfigClient) => Promise<T>): Promise<T[]> {
    const answers = await Promise.all(
      this.#addresses().map(async (address) => {
        const client = clientOf(address);
        try {
          return [await question(client)];
        } catch {
          return [];
        } finally {
          client.close();
        }
      }),
    );
    return answers.flat();
  }
}

interface Followed {
  readonly stream: ClientReadableStream<WatchWakesResponse>;
  readonly client: MeshConfigClient;
  underWay: readonly Wake[];
}

function clientOf(address: string): MeshConfigClient {
  return new MeshConfigClient(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
}
