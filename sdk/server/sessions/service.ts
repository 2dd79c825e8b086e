import type { Server } from "@grpc/grpc-js";
import { SessionsService } from "#proto/rouse/session/v1/session.ts";
import { answer } from "../../answer.ts";
import type { SessionKeeper } from "./keeper.ts";

/** Serves what the other instances ask about sessions. */
export function addSessions<State>(server: Server, keeper: SessionKeeper<State>): void {
  server.addService(SessionsService, {
    find: answer(async ({ key, instanceId }) => keeper.find(key, instanceId)),
    handOver: answer(async ({ key }) => ({ state: Buffer.from(await keeper.handOver(key)) })),
    takeOver: answer(async ({ key, state }) => {
      await keeper.takeOver(key, state);
      return {};
    }),
  });
}
