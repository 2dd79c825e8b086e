/** What a hit can be in, with its weight in the ranking. */
export const FIELDS = {
  name: 12,
  keywords: 6,
  summary: 5,
  methods: 5,
  owner: 3,
  messages: 3,
  versions: 2,
  description: 2,
  fields: 1.5,
  comments: 1,
} as const;

export type FieldName = keyof typeof FIELDS;

/** A piece of text of a service, and what a person calls the place it is from, such as "method GetFeatures". */
export interface Piece {
  readonly field: FieldName;
  readonly where: string;
  readonly text: string;
}

/** A service as the index has it. */
export interface SearchDocument {
  /** Full name of the service. */
  readonly id: string;
  readonly pieces: readonly Piece[];
}

/** Characters of one service that are indexed at most; names come first, comments last. */
const MOST_CHARACTERS = 200_000;

/** Drops the last pieces when a service has more text than is indexed. */
export function bounded(pieces: readonly Piece[]): Piece[] {
  let left = MOST_CHARACTERS;
  return pieces.flatMap((piece) => {
    if (left <= 0 || piece.text === "") return [];
    const room = left;
    left -= piece.text.length;
    return [piece.text.length <= room ? piece : { ...piece, text: piece.text.slice(0, room) }];
  });
}
