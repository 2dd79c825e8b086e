/** Runs `work` while no other process of this machine holds the lock, a folder. */
export function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  onWait?: (owner: number) => void,
): Promise<T>;
/** What tells a process from a later one with the same id; empty when there is no such process. */
export function startTime(pid: number): string;
