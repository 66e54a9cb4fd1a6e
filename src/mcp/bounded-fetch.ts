/** What one connection may use of this process, whatever its server answers. */
export interface FetchBounds {
  /** Bytes of one response, unpacked. */
  responseBytes: number;
  /** Requests of the whole connection. */
  requests: number;
  /** Requests that take up a stream which the server closed before its answer. */
  resumptions: number;
}

/**
 * A fetch for one server: nothing leaves for another origin, and no response is larger than the bound. The standing stream for
 * what a server wants to tell by itself is never opened: nothing that comes without being asked for is wanted.
 * `brokenFor` says at a request who is told when its response passes the bound, because the SDK would go on waiting for the rest.
 */
export function boundedFetch(
  address: string,
  bounds: FetchBounds,
  brokenFor: () => (error: Error) => void,
): typeof fetch {
  const { origin } = new URL(address);
  let requests = 0;
  let resumptions = 0;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== origin) throw new Error('the server sends us to another address, which is not followed');
    if (init?.method === 'GET') {
      const resumes = new Headers(init.headers).has('last-event-id');
      resumptions += 1;
      // What the protocol has for servers without such a stream, said on our side.
      if (!resumes || resumptions > bounds.resumptions) return new Response(null, { status: 405 });
    }
    requests += 1;
    if (requests > bounds.requests) throw new Error(`more than ${bounds.requests} requests on one connection`);
    const onBroken = brokenFor();
    return limited(await fetch(url, { ...init, redirect: 'manual' }), bounds.responseBytes, onBroken);
  };
}

function limited(response: Response, mostBytes: number, onBroken: (error: Error) => void): Response {
  if (response.body === null) return response;
  let bytes = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, stream) {
        bytes += chunk.byteLength;
        if (bytes <= mostBytes) return stream.enqueue(chunk);
        const error = new Error(`the answer is larger than ${mostBytes} bytes`);
        onBroken(error);
        throw error;
      },
    }),
  );
  return new Response(counted, response);
}
