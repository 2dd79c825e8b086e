/** A task by its name, with the names of those that must have succeeded before. */
export interface Node {
  readonly name: string;
  readonly needs: readonly string[];
}

/**
 * One cycle of the graph, such as ["a", "b", "a"]: a needs b, which needs a. Undefined when there is none. Names that are no node
 * are passed over.
 *
 * Depth first search with a stack of its own: a chain of a thousand tasks is no deeper than one of ten.
 */
export function findCycle(nodes: readonly Node[]): string[] | undefined {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const done = new Set<string>();
  for (const start of nodes) {
    const path: string[] = [];
    const onPath = new Set<string>();
    const stack: { readonly name: string; next: number }[] = [];
    const enter = (name: string) => {
      stack.push({ name, next: 0 });
      path.push(name);
      onPath.add(name);
    };
    if (!done.has(start.name)) enter(start.name);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const needed = byName.get(top.name)?.needs[top.next++];
      if (needed === undefined) {
        stack.pop();
        path.pop();
        onPath.delete(top.name);
        done.add(top.name);
      } else if (onPath.has(needed)) return [...path.slice(path.indexOf(needed)), needed];
      else if (byName.has(needed) && !done.has(needed)) enter(needed);
    }
  }
  return undefined;
}
