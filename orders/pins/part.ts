import { OPERATIONS_CHANNEL } from "../operations/runner.ts";
import { ORDERS_CHANNEL } from "../orders/store/tables.ts";
import type { OrdersPart } from "../part.ts";
import { openWork, pinsTables } from "./open-work.ts";

/** Keeps versions in the catalog of which something has not ended. After the parts whose tables it reads. */
export const pinsPart: OrdersPart = {
  name: "pins",
  tables: pinsTables,
  channels: [],
  serve() {},
  async lead({ pool, changes, pins }, signal) {
    const unlisten = [OPERATIONS_CHANNEL, ORDERS_CHANNEL].map((channel) =>
      changes.listen(channel, () => pins.changed()),
    );
    try {
      await pins.keep(() => openWork(pool), signal);
    } finally {
      for (const end of unlisten) end();
    }
  },
};
