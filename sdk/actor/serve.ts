import type { DurableFunction } from "../durable/types.ts";
import type { RunningServer } from "../server/types.ts";
import { fromMessage, toMessage } from "./convert.ts";
import { declaredActor } from "./declare.ts";
import type { Shape } from "./shape.ts";

/** A method as the generated program knows it: its handler's name, its name in the contract, and the forms of its messages. */
export interface ActorMethod {
  readonly handler: string;
  readonly method: string;
  readonly input: Shape;
  readonly output: Shape;
}

/** Serves an actor with the contract that was generated from it. What `rouse gen` writes calls this. */
export function serveActor(
  name: string,
  serve: (handlers: never) => Promise<RunningServer>,
  methods: readonly ActorMethod[],
): Promise<RunningServer> {
  return serve(actorHandlers(name, methods) as never);
}

/** The handlers of an actor's service. */
export function actorHandlers(
  name: string,
  methods: readonly ActorMethod[],
): Readonly<Record<string, DurableFunction<unknown, unknown>>> {
  const declared = declaredActor(name);
  return Object.fromEntries(
    methods.map(({ handler, method, input, output }) => {
      const found = declared.methods.find((one) => one.name === method);
      const work: DurableFunction<unknown, unknown> = async (request, run) =>
        toMessage(await found?.work(fromMessage(request, input), run), output);
      return [handler, work];
    }),
  );
}
