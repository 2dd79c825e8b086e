import { setTimeout as sleep } from "node:timers/promises";
import { ArtifactsService } from "#proto/rouse/orders/v1/artifacts.ts";
import type { OrdersPart } from "../part.ts";
import { artifactsRoute } from "./http.ts";
import { artifactsService } from "./service.ts";
import { artifactsTables } from "./tables.ts";

/** Pause after a store could not be reached, ms. */
const AWAY_MS = 30_000;

/** Artifacts. */
export const artifactsPart: OrdersPart = {
  name: "artifacts",
  tables: artifactsTables,
  channels: [],
  serve(server, { artifacts }) {
    server.addService(ArtifactsService, artifactsService(artifacts));
  },
  http: ({ artifacts, log, guardContent }) => [artifactsRoute(artifacts, log, guardContent)],
  async lead({ artifacts, log }, signal) {
    while (!signal.aborted) {
      await artifacts.retain(signal).catch((err) => log.warn({ err }, "artifacts cannot be looked after"));
      await sleep(AWAY_MS, undefined, { signal }).catch(() => undefined);
    }
  },
};
