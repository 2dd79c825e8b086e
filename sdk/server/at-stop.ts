/** What is to be done when the process is asked to stop, beside its servers. @param graceMs how long it may take, ms. */
export type StopHook = (graceMs: number) => Promise<void>;

const hooks = new Set<StopHook>();

/** Has something done when the process is asked to stop (by a signal, where a server listens to them). @returns takes it back. */
export function atStop(hook: StopHook): () => void {
  hooks.add(hook);
  return () => void hooks.delete(hook);
}

/** Resolves when all that was wished for is done. What fails is not waited for. */
export async function runStopHooks(graceMs: number): Promise<void> {
  await Promise.allSettled([...hooks].map((hook) => hook(graceMs)));
}
