import type { Order, OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { progressLine, resultJson } from "./lines.ts";

/** Waits for the end of an order, tells progress on stderr, and gives what it has given as JSON. @throws RouseError the order's own. */
export async function waitFor(client: OrdersClient, id: string): Promise<string> {
  let last: Order | undefined;
  let told = "";
  try {
    for await (const order of client.watchOrder({ id }) as AsyncIterable<Order>) {
      last = order;
      const line = progressLine(order);
      if (order.endedAtMs === 0 && line !== told) console.error(line);
      told = line;
    }
  } catch (error) {
    throw callError(error);
  }
  return resultJson(last ?? (await unary(client, "getOrder", { id })));
}
