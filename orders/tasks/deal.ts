/** A worker as dispatch sees it. */
export interface Hand {
  readonly id: string;
  /** How many more tasks it takes. */
  readonly room: number;
  /** Number of the latest task that it was given, counted over all workers. */
  readonly turn: number;
}

/** One task for one worker. */
export interface Deal<Task> {
  readonly task: Task;
  readonly worker: string;
  /** The worker's new turn. */
  readonly turn: number;
}

/**
 * Deals tasks out round robin: each goes to the worker with room whose latest one is the longest ago. The order survives
 * restarts, as turns are kept with the workers.
 *
 * @param tasks Of one queue, the first to go first.
 * @param lastTurn The highest turn that any worker has had.
 * @returns as many as there is room for.
 */
export function deal<Task>(tasks: readonly Task[], hands: readonly Hand[], lastTurn: number): Deal<Task>[] {
  const circle = hands
    .filter(({ room }) => room > 0)
    .sort((a, b) => a.turn - b.turn || (a.id < b.id ? -1 : 1))
    .map(({ id, room }) => ({ id, room }));
  const deals: Deal<Task>[] = [];
  let turn = lastTurn;
  let at = 0;
  for (const task of tasks) {
    const hand = circle[at];
    if (hand === undefined) break;
    turn += 1;
    deals.push({ task, worker: hand.id, turn });
    hand.room -= 1;
    if (hand.room === 0) circle.splice(at, 1);
    else at += 1;
    if (at >= circle.length) at = 0;
  }
  return deals;
}
