import { BrokenAnswer } from './model-failure.ts';

/** The longest answer in the wordiest stream stays far below. */
const mostBytes = 128 * 1024 ** 2;

/** A fetch whose answers end with an error at the bound, so that a server which never stops, not even for a line end, costs no more memory. */
export function boundedAnswers(fetch: typeof globalThis.fetch, bound = mostBytes): typeof globalThis.fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (response.body === null) return response;
    let bytes = 0;
    const counted = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, stream) {
          bytes += chunk.byteLength;
          if (bytes > bound) throw new BrokenAnswer(`The answer is larger than ${bound} bytes.`, { final: true });
          stream.enqueue(chunk);
        },
      }),
    );
    return new Response(counted, response);
  };
}
