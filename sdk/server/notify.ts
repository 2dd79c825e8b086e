import { connect, type Socket } from "node:net";
import { RouseError } from "../errors.ts";

/** Longest answer that is waited for, bytes; more is none. */
const maxLine = 4096;

/**
 * Tells the agent that this instance serves: one JSON line on the unix socket that ROUSE_NOTIFY names. The connection
 * stays open, so that the agent sees at once when the process dies; it does not keep the process alive.
 *
 * The agent answers by the instance's id, which becomes ROUSE_INSTANCE: a container made ahead is started under a name
 * of its own. The answer is there before the first call; it is not waited for, since nothing depends on it.
 *
 * @param named Told the id.
 * @returns the connection.
 * @throws RouseError NOTIFY_FAILED (UNAVAILABLE) when the agent does not listen there.
 */
export function notifyReady(
  socketPath: string,
  instance: string,
  address: string,
  named: (id: string) => void = () => {},
): Promise<Socket> {
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
      takeId(socket, named);
      socket.write(`${JSON.stringify({ instance, address, health: "SERVING", speaks: true })}\n`, (error) => {
        if (error) return;
        socket.off("error", fail);
        // The agent may restart; it finds this instance again by itself.
        socket.on("error", () => {});
        socket.unref();
        resolve(socket);
      });
    });
  });
}

/** Reads one line, and then nothing more. */
function takeId(socket: Socket, named: (id: string) => void): void {
  let text = "";
  const read = (chunk: string) => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= maxLine) return;
    socket.off("data", read).resume();
    const id = idOf(text.slice(0, Math.max(0, end)));
    if (id === undefined) return;
    process.env.ROUSE_INSTANCE = id;
    named(id);
  };
  socket.setEncoding("utf8").on("data", read);
}

function idOf(line: string): string | undefined {
  try {
    const answer: unknown = JSON.parse(line);
    const id = typeof answer === "object" && answer !== null && "instance" in answer && answer.instance;
    return typeof id === "string" && id !== "" ? id : undefined;
  } catch {
    // An agent of another version says something else: the name that it gave at the start stays.
    return undefined;
  }
}
