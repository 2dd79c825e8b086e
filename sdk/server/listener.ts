import { createServer, type ListenOptions, type Socket } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { listenError } from "../grpc.ts";
import { sharesPort } from "./workers/role.ts";

/** Where a server listens, and its connections. */
export interface Listener {
  /** "host:port" with the bound port, or "unix:/path". */
  readonly address: string;
  /** Takes no more connections; resolves when the last one has ended. */
  close(): Promise<void>;
  /** Cuts all connections. */
  destroy(): void;
}

/**
 * Lets a server listen. The sockets are ours and not grpc-js's, whose forceShutdown forgets the connections when
 * channelz is off.
 *
 * @param address "host:port" (port 0: any free one) or "unix:/path".
 * @throws RouseError ADDRESS_IN_USE (FAILED_PRECONDITION), ADDRESS_UNUSABLE (INVALID_ARGUMENT).
 */
export function startListening(server: Server, address: string): Promise<Listener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const net = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
  return new Promise((resolve, reject) => {
    net.once("error", (error) => reject(listenError(address, error)));
    try {
      net.listen(listenOptions(address), () => {
        const bound = net.address();
        resolve({
          address: bound === null || typeof bound === "string" ? address : withPort(address, bound.port),
          close: () => new Promise<void>((closed) => void net.close(() => closed())),
          destroy() {
            for (const socket of sockets) socket.destroy();
          },
        });
      });
    } catch (thrown) {
      reject(listenError(address, thrown as Error));
    }
  });
}

function listenOptions(address: string): ListenOptions {
  if (address.startsWith("unix:")) return { path: address.slice("unix:".length).replace(/^\/\/+/, "/") };
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(address) ?? [];
  if (host === undefined) throw new Error("it has no host and port");
  return { host, port: Number(port), ...(sharesPort() && { reusePort: true }) };
}

function withPort(address: string, port: number): string {
  return `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
}
