import { connect } from "node:net";
import { RouseError } from "../errors.ts";

/**
 * Tells the agent that this instance serves: one JSON line on the unix socket that ROUSE_NOTIFY names. The connection
 * stays open, so that the agent sees at once when the process dies; it does not keep the process alive.
 *
 * @throws RouseError NOTIFY_FAILED (UNAVAILABLE) when the agent does not listen there.
 */
export function notifyReady(socketPath: string, instance: string, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const fail = (cause: Error) => {
      const message = `The agent cannot be told that this instance is ready (${cause.message}). ROUSE_NOTIFY must name its socket.`;
      reject(
        new RouseError("UNAVAILABLE", message, {
          reason: "NOTIFY_FAILED",
          metadata: { socket: socketPath },
          cause,
        }),
      );
    };
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.write(`${JSON.stringify({ instance, address, health: "SERVING" })}\n`, (error) => {
        if (error) return;
        socket.off("error", fail);
        // The agent may restart; it finds this instance again by itself.
        socket.on("error", () => {});
        socket.resume().unref();
        resolve();
      });
    });
  });
}
