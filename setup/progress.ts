/** Runs one step of the set-up and shows that it goes on: a line with the seconds, or one every 30 s without a terminal. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const seconds = () => Math.round((performance.now() - begun) / 1000);
  const terminal = process.stderr.isTTY === true;
  if (!terminal) console.error(`${title} …`);
  const timer = setInterval(
    () =>
      terminal
        ? process.stderr.write(`\r${title} … ${seconds()} s`)
        : console.error(`${title} … ${seconds()} s`),
    terminal ? 1_000 : 30_000,
  );
  try {
    const result = await work();
    if (terminal) process.stderr.write(`\r${title}: done in ${seconds()} s\x1b[K\n`);
    else if (seconds() >= 5) console.error(`${title}: done in ${seconds()} s`);
    return result;
  } catch (error) {
    if (terminal) process.stderr.write("\n");
    throw error;
  } finally {
    clearInterval(timer);
  }
}
