import { type Client, connectivityState, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Endpoint } from "#proto/rouse/meshconfig/v1/endpoints.ts";
import {
  type FindResponse,
  type HandOverResponse,
  SessionsService,
  type TakeOverResponse,
} from "#proto/rouse/session/v1/session.ts";
import { type SharedChannel, shareChannel } from "../../client/channel.ts";
import { EndpointFeed } from "../../endpoints/feed.ts";
import { hereOf, reaches } from "../../endpoints/reach.ts";
import { callError } from "../../grpc.ts";

/** The largest session that is handed over, bytes. */
const MOST_BYTES = 64 * 2 ** 20;
/**
 * Who ends is named no more before it hands over what it has. It is still asked for so long, as long as it keeps its connection: the time
 * that an agent gives it, ms.
 */
const ENDING_MS = 10_000;

/** Another instance of the same version. */
export interface Peer {
  readonly id: string;
  readonly address: string;
  retiring: boolean;
  readonly grpc: Client;
  find(key: string, ownId: string, deadlineMs: number): Promise<FindResponse>;
  handOver(key: string, deadlineMs: number): Promise<HandOverResponse>;
  takeOver(key: string, state: Uint8Array, deadlineMs: number): Promise<TakeOverResponse>;
}

export interface PeersOptions {
  readonly service: string;
  readonly version: string;
  /** Where the mesh is dialled. */
  readonly mesh: string;
  /** The id of this instance, as far as it knows by now. */
  readonly ownId: () => string;
  /** Sessions that live here. */
  readonly live: () => number;
  /** The mesh says whether this instance retires. One that was frozen meanwhile may come back. */
  readonly retires: (retiring: boolean) => void;
}

interface Kept extends Peer {
  readonly channel: SharedChannel;
  /** When the mesh was first seen to name it no more, ms of `performance.now()`. */
  endsSinceMs: number | undefined;
}

/** The other instances of the version, as the mesh tells them; it is told how many sessions live here. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #mesh: SharedChannel;
  readonly #feed: EndpointFeed;
  readonly #peers = new Map<string, Kept>();
  readonly #known = Promise.withResolvers<void>();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#mesh = shareChannel(options.mesh, MOST_BYTES);
    const { service, version } = options;
    this.#feed = new EndpointFeed({
      grpc: this.#mesh.grpc,
      subscribe: { service, version, members: true, zone: "" },
      changed: (shares) => this.#changed(shares.flatMap(({ endpoints }) => endpoints)),
      report: () => ({
        loads: [],
        sessions: { service, version, instanceId: options.ownId(), live: options.live(), tasks: 0 },
      }),
    });
  }

  /** Resolves when the mesh has told them for the first time. */
  get known(): Promise<void> {
    return this.#known.promise;
  }

  all(): readonly Peer[] {
    this.#dropEnded();
    return [...this.#peers.values()];
  }

  /** Still one of them? */
  has(peer: Peer): boolean {
    this.#dropEnded();
    return this.#peers.get(peer.id) === peer;
  }

  /** Tells the mesh at once how many sessions live here. */
  report(): void {
    this.#feed.report();
  }

  close(): void {
    this.#feed.close();
    this.#mesh.release();
    for (const { channel } of this.#peers.values()) channel.release();
    this.#peers.clear();
  }

  #changed(endpoints: readonly Endpoint[]): void {
    const { ownId, mesh, retires } = this.#options;
    const here = hereOf(mesh);
    const named = new Set<string>();
    for (const endpoint of endpoints) {
      const { instanceId: id, address, retiring } = endpoint;
      if (id === ownId()) {
        retires(retiring);
        continue;
      }
      if (!reaches(here, endpoint)) continue;
      named.add(id);
      const known = this.#peers.get(id);
      if (known?.address === address) Object.assign(known, { retiring, endsSinceMs: undefined });
      else {
        known?.channel.release();
        this.#peers.set(id, peerOf(id, address, retiring));
      }
    }
    for (const peer of this.#peers.values()) {
      if (named.has(peer.id)) continue;
      peer.retiring = true;
      peer.endsSinceMs ??= performance.now();
    }
    this.#dropEnded();
    this.#known.resolve();
  }

  #dropEnded(): void {
    for (const { id, channel, endsSinceMs } of this.#peers.values()) {
      if (endsSinceMs === undefined) continue;
      const isConnected = channel.grpc.getChannel().getConnectivityState(false) === connectivityState.READY;
      if (isConnected && performance.now() < endsSinceMs + ENDING_MS) continue;
      this.#peers.delete(id);
      channel.release();
    }
  }
}

/** Another instance, by its own connection, which its channel's release ends. */
export function peerOf(id: string, address: string, retiring: boolean): Kept {
  const channel = shareChannel(address, MOST_BYTES);
  const { grpc } = channel;
  const { find, handOver, takeOver } = SessionsService;
  return {
    id,
    address,
    retiring,
    endsSinceMs: undefined,
    channel,
    grpc,
    find: (key, instanceId, deadlineMs) => ask(grpc, find, { key, instanceId }, deadlineMs),
    handOver: (key, deadlineMs) => ask(grpc, handOver, { key }, deadlineMs),
    takeOver: (key, state, deadlineMs) => ask(grpc, takeOver, { key, state: Buffer.from(state) }, deadlineMs),
  };
}

interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Response;
}

function ask<Request, Response>(
  grpc: Client,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
  request: Request,
  deadlineMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + deadlineMs;
    const answered = (error: ServiceError | null, response?: Response) => {
      if (error !== null || response === undefined) reject(callError(error));
      else resolve(response);
    };
    grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      { deadline },
      answered,
    );
  });
}
