import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { BLOCK_BYTES, BlockSums, sumBytesOf } from "./block-sums.ts";

const bytes = randomBytes(3 * BLOCK_BYTES + 5);
const blocks = [0, 1, 2, 3].map((n) => bytes.subarray(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES));

function sumsOf(chunkBytes: number, wanted?: (block: number) => boolean): BlockSums {
  const sums = new BlockSums();
  for (let at = 0; at < bytes.length; at += chunkBytes)
    sums.update(bytes.subarray(at, at + chunkBytes), wanted);
  return sums;
}

test.each([1_000_003, BLOCK_BYTES, bytes.length])(
  "each block has its own, in chunks of %d bytes",
  (chunk) => {
    const sums = sumsOf(chunk).bytes();
    expect(sums).toHaveLength(sumBytesOf(bytes.length));
    expect(blocks.map((_, n) => sums.readUInt32BE(4 * n))).toEqual(blocks.map((block) => crc32(block)));
  },
);

test("some may be left out, and the others are compared", () => {
  const all = sumsOf(BLOCK_BYTES);
  const some = sumsOf(1_000_003, (block) => block % 2 === 0);
  expect([all.complete, some.complete]).toEqual([true, false]);
  expect(() => some.bytes()).toThrow("the checksum of block 1 was not made");
  const wrong = (block: number) => {
    const sums = all.bytes();
    sums.writeUInt32BE((sums.readUInt32BE(4 * block) ^ 1) >>> 0, 4 * block);
    return sums;
  };
  expect(some.agree(all.bytes())).toBe(true);
  expect(some.agree(all.bytes().subarray(4))).toBe(false);
  expect([0, 1, 2, 3].map((block) => some.agree(wrong(block)))).toEqual([false, true, false, true]);
});

test("nothing has none", () => {
  expect(new BlockSums().bytes()).toHaveLength(0);
  expect(sumBytesOf(0)).toBe(0);
});
