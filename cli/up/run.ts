import { lookup } from "node:dns/promises";
import { RouseError } from "../../sdk/errors.ts";
import { announcement } from "./announce.ts";
import { registerExamples } from "./examples.ts";
import { makeDataFolder, ownDataFolder } from "./folder.ts";
import type { UpOptions } from "./options.ts";
import { up } from "./up.ts";

/**
 * Runs a mesh until a signal ends it, and says how it goes.
 *
 * @throws RouseError as {@link up}, and FAILED_PRECONDITION DATA_FOLDER_IN_USE.
 */
export async function run(wanted: UpOptions): Promise<void> {
  const options = {
    ...wanted,
    data: makeDataFolder(wanted.data),
    ...(wanted.otlp === undefined ? {} : { otlp: await resolveHost(wanted.otlp) }),
  };
  const say = (line: string) => console.error(line);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // Terminals and npm pass one Ctrl-C on more than once, so further signals change nothing.
  const onSignal = () => {
    if (stopping.signal.aborted) return;
    say("\nStopping …");
    stopping.abort();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await ownDataFolder(options.data, async () => {
      const running = await up(options, say, stopping.signal);
      if (options.examples) await registerExamples(running.mesh, say, stopping.signal);
      if (!stopping.signal.aborted) console.log(announcement(running, options));
      await stopped;
      await running.stop();
      say("Stopped; the next start finds the state again.");
    });
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    say("Stopped.");
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Finds out at the start, and not in a log, that a collector has no such name. */
async function resolveHost(address: string): Promise<string> {
  const colon = address.lastIndexOf(":");
  try {
    const { address: ip } = await lookup(address.slice(0, colon), { family: 4 });
    return `${ip}${address.slice(colon)}`;
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `--otlp ${address}: the host cannot be found (${(cause as Error).message}); give its name or IP address.`,
      { reason: "FLAG_INVALID", cause },
    );
  }
}
