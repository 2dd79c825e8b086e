import type { Manifest } from "../../registry/manifest.ts";
import { DEFAULT_SESSIONS } from "../../registry/sessions.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

const second = 1_000;
const minute = 60 * second;
const day = 24 * 60 * minute;
/** Fields of the service's option. */
const workers = 17;
const sessions = 18;

/** Checks how sessions live and move; absent in the manifest where the contract says nothing of it. */
export function readSessions(mesh: ServiceMesh, reader: OptionReader): Pick<Manifest, "sessions"> {
  if (mesh.session_key !== "" && mesh.workers !== undefined && mesh.workers.count !== 1)
    reader.problem(
      [workers],
      "workers and session_key exclude each other: a session lives in one process. Take one of them out, or write workers: {count: 1}.",
    );
  const written = mesh.sessions;
  if (written === undefined) return {};
  if (mesh.session_key === "")
    reader.problem(
      [sessions],
      'sessions has no effect without a session_key. Name the request header that tells sessions apart, such as session_key: "session-id".',
    );
  const time = (name: string, field: number, text: string, least: number, most: number, otherwise: number) =>
    reader.duration({ name: `sessions.${name}`, path: [sessions, field], text }, { least, most, otherwise });
  const { idle_timeout, retire_timeout, hand_over_timeout } = written;
  const { idleMs, retireMs, handOverMs } = DEFAULT_SESSIONS;
  return {
    sessions: {
      idleMs: time("idle_timeout", 1, idle_timeout, second, day, idleMs),
      retireMs: time("retire_timeout", 2, retire_timeout, second, day, retireMs),
      handOverMs: time("hand_over_timeout", 3, hand_over_timeout, 100, 5 * minute, handOverMs),
    },
  };
}
