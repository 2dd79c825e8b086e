import { expect, test } from "vitest";
import { LeaderNews } from "./consul-leader.ts";

test("another leader is news, each time; the first, the same and none are not", () => {
  const news = new LeaderNews();
  const heard = ["", "a", "a", "", "a", "b", "a"].map((leader, n) => news.isNews(leader, n));
  expect(heard).toEqual([false, false, false, false, false, true, true]);
});

test("an answer after silence is news, also the first of all, and not while they elect a leader", () => {
  const news = new LeaderNews();
  news.noteSilence();
  expect(news.isNews("", 0)).toBe(false);
  expect(news.isNews("a", 1_000)).toBe(true);
  expect(news.isNews("a", 2_000)).toBe(false);
});

test("silence that may come of the reads which it led to is told later, another leader at once", () => {
  const news = new LeaderNews();
  news.noteSilence();
  expect(news.isNews("a", 1_000)).toBe(true);
  news.noteSilence();
  expect(news.isNews("a", 5_000)).toBe(false);
  expect(news.isNews("a", 30_999)).toBe(false);
  expect(news.isNews("a", 31_000)).toBe(true);
  expect(news.isNews("a", 90_000)).toBe(false);
  news.noteSilence();
  expect(news.isNews("b", 91_000)).toBe(true);
  news.noteSilence();
  expect(news.isNews("a", 92_000)).toBe(true);
  // Told by that, it is over.
  expect(news.isNews("a", 200_000)).toBe(false);
});
