import { setImmediate as macrotask } from "node:timers/promises";
import { Client, type ClientDuplexStream, credentials, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import {
  type Begin,
  DurableRunsService,
  type RouseRunRequest,
  type RouseRunResponse,
} from "#proto/rouse/orders/v1/durable.ts";
import { createClient } from "../client/index.ts";
import { RouseError } from "../errors.ts";
import { bookingDefinition } from "../fixtures/booking.ts";
import { say } from "../fixtures/echo.ts";
import type { Handlers } from "../server/types.ts";
import { type InProcessServer, startInProcess } from "../testing/in-process.ts";
import type { Entry } from "./entry.ts";
import { MemoryJournal } from "./journal.ts";

const { book } = bookingDefinition.methods;
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

type Book = Handlers<typeof bookingDefinition>["book"];

async function serve(work: Book): Promise<InProcessServer> {
  const log = { info: () => undefined, error: () => undefined };
  const server = await startInProcess(bookingDefinition, { book: work }, { log, graceMs: 100 });
  open.push(server);
  return server;
}

/** The side of orders, by hand. */
class Stream {
  readonly heard: NonNullable<RouseRunResponse["message"]>[] = [];
  readonly status: Promise<{ code: number; details: string }>;
  readonly #grpc: ClientDuplexStream<RouseRunRequest, RouseRunResponse>;

  constructor({ target }: InProcessServer, begin: Partial<Begin> = {}, journal: readonly Entry[] = []) {
    const client = new Client(target, credentials.createInsecure());
    open.push(client);
    const { requestSerialize, responseDeserialize } = DurableRunsService.rouseRun;
    const path = `/${bookingDefinition.name}/RouseRun`;
    this.#grpc = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#grpc.on("data", ({ message }: RouseRunResponse) => message && this.heard.push(message));
    this.#grpc.on("error", () => undefined);
    this.status = new Promise((resolve) => void this.#grpc.on("status", resolve));
    this.send({
      $case: "begin",
      value: {
        run: "r1",
        method: "Book",
        request: Buffer.from(book.encodeRequest(say("seat 7"))),
        key: "",
        createdAtMs: 1,
        recorded: journal.length,
        caller: "",
        replays: 0,
        deadlineMs: 0,
        mostEntryBytes: 2 ** 20,
        mostEntries: 100,
        ...begin,
      },
    });
    for (const entry of journal) this.send({ $case: "recorded", value: { entries: [entry] } });
  }

  send(message: NonNullable<RouseRunRequest["message"]>): void {
    this.#grpc.write({ message });
  }

  end(): void {
    this.#grpc.end();
  }

  /** The next message of that kind, from the given place on. */
  async next<Case extends NonNullable<RouseRunResponse["message"]>["$case"]>($case: Case, from = 0) {
    for (;;) {
      const found = this.heard.slice(from).find((message) => message.$case === $case);
      if (found !== undefined) return found.value as Extract<typeof found, { $case: Case }>["value"];
      await macrotask();
    }
  }
}

test("a run is done entry by entry, and its result is a message of the contract", async () => {
  const server = await serve(async ({ text }, run) => say(`${text} ${await run.step("price", () => 12n)}`));
  const stream = new Stream(server);
  const entry = await stream.next("entry");
  expect(entry).toMatchObject({ index: 0, kind: "ENTRY_KIND_STEP", name: "price", done: true });
  expect(entry.value.toString()).toBe('{"$":"bigint","v":"12"}');
  stream.send({ $case: "committed", value: { indexes: [0] } });
  const { response } = await stream.next("result");
  expect(book.decodeResponse(response).text).toBe("seat 7 12");
  stream.send({ $case: "ended", value: {} });
  expect(await stream.status).toMatchObject({ code: status.OK });
});

test("a run that only waits is let go, and goes on from its journal at another stream", async () => {
  const done: string[] = [];
  const server = await serve(async (_, run) => {
    await run.step("reserve", () => void done.push("reserve"));
    await run.sleep(3_600_000);
    await run.step("charge", () => void done.push("charge"));
    return say("booked");
  });
  const journal = new MemoryJournal();
  const first = new Stream(server);
  journal.commit(await first.next("entry"));
  first.send({ $case: "committed", value: { indexes: [0] } });
  const { indexes } = await first.next("waiting");
  expect(indexes).toEqual([1]);
  journal.commit(await first.next("entry", 1));
  first.end();
  expect(await first.status).toMatchObject({ code: status.OK });
  journal.complete(1, {});

  const second = new Stream(server, { recorded: 2, replays: 1 }, journal.entries);
  expect(await second.next("entry")).toMatchObject({ index: 2, name: "charge" });
  second.send({ $case: "committed", value: { indexes: [2] } });
  expect(book.decodeResponse((await second.next("result")).response).text).toBe("booked");
  expect(done).toEqual(["reserve", "charge"]);
});

test.each<[string, Book, object]>([
  [
    "its own error",
    () => {
      throw new RouseError("NOT_FOUND", "There is no such seat.", {
        reason: "SEAT_UNKNOWN",
        metadata: { a: "b" },
      });
    },
    {
      code: status.NOT_FOUND,
      message: "There is no such seat.",
      reason: "SEAT_UNKNOWN",
      metadata: { a: "b" },
    },
  ],
  [
    "an accident, whose text may hold secrets",
    () => {
      throw new Error("password=123");
    },
    {
      code: status.INTERNAL,
      message: expect.stringMatching(/^The service failed\. Its log/),
      reason: "HANDLER_FAILED",
    },
  ],
])("a function that fails: %s", async (_, work, error) => {
  const stream = new Stream(await serve(work));
  expect((await stream.next("failure")).error).toMatchObject(error);
});

test("a request of 15 MiB is taken, and a result of 17 MiB names artifacts", async () => {
  const server = await serve(({ payload }) => say("", payload.length + 2 * 2 ** 20));
  const request = Buffer.from(book.encodeRequest(say("", 15 * 2 ** 20)));
  const stream = new Stream(server, { request });
  expect((await stream.next("failure")).error).toMatchObject({
    reason: "RESULT_TOO_LARGE",
    message:
      "The result of Book has 17.0 MiB, more than the 16 MiB that an operation keeps. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).",
  });
});

test("a step that fails by accident is named, and its journal has the cause", async () => {
  const stream = new Stream(
    await serve(async (_, run) => {
      await run.step("charge", () => {
        throw new Error("password=123");
      });
      return say("");
    }),
  );
  expect((await stream.next("entry")).error?.message).toBe('Step "charge" failed: Error: password=123');
  stream.send({ $case: "committed", value: { indexes: [0] } });
  expect((await stream.next("failure")).error).toMatchObject({
    code: status.INTERNAL,
    reason: "STEP_FAILED",
    message: 'Book failed at its step "charge". The journal has the cause: rouse runs show r1',
  });
});

test("a changed function is told with the step that differs", async () => {
  const journal = new MemoryJournal();
  const old = new Stream(await serve(async (_, run) => say(await run.step("charge", () => "x"))));
  journal.commit(await old.next("entry"));
  const changed = new Stream(
    await serve(async (_, run) => say(await run.step("refund", () => "x"))),
    {},
    journal.entries,
  );
  expect((await changed.next("failure")).error).toMatchObject({
    code: status.FAILED_PRECONDITION,
    reason: "RUN_NOT_DETERMINISTIC",
    metadata: { index: "0", recorded: 'step "charge"', now: 'step "refund"' },
  });
});

test("a cancelled run aborts its signal, and sends nothing any more", async () => {
  let reason: unknown;
  const server = await serve(async (_, run) => {
    run.signal.addEventListener("abort", () => {
      reason = run.signal.reason;
    });
    await run.sleep(3_600_000);
    return say("");
  });
  const stream = new Stream(server);
  await stream.next("waiting");
  stream.send({ $case: "cancelled", value: { reason: "not needed" } });
  stream.end();
  expect(await stream.status).toMatchObject({ code: status.OK });
  expect(reason).toMatchObject({
    reason: "OPERATION_CANCELLED",
    message: "The run was cancelled: not needed.",
  });
  expect(stream.heard.map(({ $case }) => $case)).toEqual(["entry", "waiting"]);
});

test("a method that the program does not have", async () => {
  const stream = new Stream(await serve(() => say("")), { method: "Cancel" });
  expect(await stream.status).toMatchObject({
    code: status.UNIMPLEMENTED,
    details: `test.booking.v1.Booking has no durable method Cancel. Its contract and its code disagree: run "rouse gen", then register it again.`,
  });
});

test("a server that stops cuts the run, which goes on elsewhere", async () => {
  const server = await serve(async (_, run) => {
    await run.answer("never");
    return say("");
  });
  const stream = new Stream(server);
  await stream.next("waiting");
  await server.close();
  expect((await stream.status).code).toBe(status.UNAVAILABLE);
});

test("without a mesh a plain call runs the function in memory", async () => {
  const server = await serve(async ({ text }, run) => {
    await run.sleep(5);
    const waits = await run.answer("approval").catch((error: RouseError) => error.reason);
    return say(await run.step("book", () => `${text} ${run.key} ${waits}`));
  });
  using client = createClient(bookingDefinition, { target: server.target });
  const response = await client.book(say("seat 7"), { key: "ada" });
  expect(response.text).toBe("seat 7 ada RUN_WITHOUT_MESH");
});

test("a plain call that is given up", async () => {
  const server = await serve(async (_, run) => {
    await run.sleep(3_600_000);
    return say("");
  });
  using client = createClient(bookingDefinition, { target: server.target });
  const signal = AbortSignal.timeout(50);
  await expect(client.book(say(""), { signal })).rejects.toMatchObject({ reason: "CALL_CANCELLED" });
});

test("a plain call says that orders are away when they are for too long", async () => {
  using client = createClient(bookingDefinition, { target: "127.0.0.1:1" });
  await expect(client.book(say(""), { deadlineMs: 50 })).rejects.toMatchObject({
    status: "UNAVAILABLE",
    reason: "ORDERS_AWAY",
    message: expect.stringMatching(
      /^Orders, which keep durable runs, do not answer \(.+\)\. Look at "rouse status"; the same idempotencyKey makes a second try safe\.$/s,
    ),
  });
});
