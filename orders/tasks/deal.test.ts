import fc from "fast-check";
import { expect, test } from "vitest";
import { deal } from "./deal.ts";

test("tasks go round the workers that have room", () => {
  const hands = [
    { id: "a", room: 3, turn: 7 },
    { id: "b", room: 1, turn: 5 },
    { id: "c", room: 0, turn: 1 },
    { id: "d", room: 2, turn: 6 },
  ];
  const deals = deal([1, 2, 3, 4, 5, 6, 7], hands, 7);
  expect(deals.map(({ worker }) => worker).join("")).toBe("bdadaa");
  expect(deals.map(({ task }) => task)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(deals.map(({ turn }) => turn)).toEqual([8, 9, 10, 11, 12, 13]);
});

test("whoever got one waits until all others with room had one", () => {
  const hand = fc.record({ room: fc.integer({ min: 0, max: 5 }), turn: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(hand, { maxLength: 8 }), fc.nat(30), (rooms, count) => {
      const hands = rooms.map((of, at) => ({ id: `w${at}`, ...of }));
      const tasks = Array.from({ length: count }, (_, at) => at);
      const deals = deal(tasks, hands, 20);
      const room = hands.reduce((sum, of) => sum + of.room, 0);
      expect(deals.map(({ task }) => task)).toEqual(tasks.slice(0, room));
      const had = (id: string) => deals.filter(({ worker }) => worker === id).length;
      for (const one of hands) {
        expect(had(one.id)).toBeLessThanOrEqual(one.room);
        // Fewer than another has only who is full.
        for (const other of hands) if (had(one.id) < had(other.id) - 1) expect(had(one.id)).toBe(one.room);
      }
    }),
  );
});
