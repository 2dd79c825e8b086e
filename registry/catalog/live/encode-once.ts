/** A serializer that encodes a message once, however many readers it is written to. Such a message must not change afterwards. */
export function encodeOnce<Message extends object>(
  encode: (message: Message) => Buffer,
): (message: Message) => Buffer {
  const encoded = new WeakMap<Message, Buffer>();
  return (message) => {
    let bytes = encoded.get(message);
    if (bytes === undefined) {
      bytes = encode(message);
      encoded.set(message, bytes);
    }
    return bytes;
  };
}
