import { Client, credentials } from "@grpc/grpc-js";
import { RouseError } from "../errors.ts";

/** A connection that clients of the same target share. */
export interface SharedChannel {
  /** @throws RouseError CLIENT_CLOSED (FAILED_PRECONDITION) after the release. */
  readonly grpc: Client;
  /** Somebody has answered there before: who is away now comes back. */
  isKnown: boolean;
  /** Gives the share back; the last one closes the connection. Idempotent. */
  release(): void;
}

interface Entry {
  readonly grpc: Client;
  shares: number;
  isKnown: boolean;
}

const open = new Map<string, Entry>();

/**
 * The connection to a target: one for all clients of this process.
 *
 * @param target "host:port" or "unix:/path".
 * @throws RouseError TARGET_INVALID (INVALID_ARGUMENT).
 */
export function shareChannel(target: string, maxResponseBytes: number): SharedChannel {
  if (!/^(unix:.+|(dns:(\/\/\/)?)?(\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+):\d{1,5})$/.test(target)) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${target}" is no address that a client can dial. Give "host:port" or "unix:/path".`,
      { reason: "TARGET_INVALID", metadata: { target } },
    );
  }
  const key = `${target} ${maxResponseBytes}`;
  let entry = open.get(key);
  if (entry === undefined) {
    entry = { grpc: connect(target, maxResponseBytes), shares: 0, isKnown: false };
    open.set(key, entry);
  }
  const shared = entry;
  shared.shares += 1;
  let released = false;
  return {
    get grpc() {
      if (!released) return shared.grpc;
      throw new RouseError("FAILED_PRECONDITION", `This client of ${target} is closed. Make another one.`, {
        reason: "CLIENT_CLOSED",
        metadata: { target },
      });
    },
    get isKnown() {
      return shared.isKnown;
    },
    set isKnown(is) {
      shared.isKnown = is;
    },
    release() {
      if (released) return;
      released = true;
      shared.shares -= 1;
      if (shared.shares > 0) return;
      open.delete(key);
      shared.grpc.close();
    },
  };
}

function connect(target: string, maxResponseBytes: number): Client {
  return new Client(target, credentials.createInsecure(), {
    "grpc.max_receive_message_length": maxResponseBytes,
    "grpc.max_send_message_length": -1,
    "grpc.enable_channelz": 0,
    // No lookups of service configs: the client retries by the contract. What grpc-js holds back for the case that
    // the server never saw the call counts as sent, so it has to be little.
    "grpc.service_config_disable_resolution": 1,
    "grpc.per_rpc_retry_buffer_size": 64 * 1024,
    // A mesh that restarts is back within a second; the default waits up to two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
  });
}
