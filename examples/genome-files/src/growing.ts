/** A list of numbers in a typed array that doubles when it is full: 4 or 8 bytes each, and no garbage. */
export interface Growing<T extends Uint32Array | Float64Array> {
  push(value: number): void;
  readonly length: number;
  /** The numbers so far; a view, not a copy. */
  values(): T;
}

/** @param make makes an array of so many zeros. */
export function growing<T extends Uint32Array | Float64Array>(make: (length: number) => T): Growing<T> {
  let array = make(256);
  let length = 0;
  return {
    push(value) {
      if (length === array.length) {
        const larger = make(length * 2);
        larger.set(array);
        array = larger;
      }
      array[length++] = value;
    },
    get length() {
      return length;
    },
    values: () => array.subarray(0, length) as T,
  };
}
