/** Headers as Node keeps them raw: name, value, name, value. */
export type RawHeaders = readonly string[];

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Not even when `Connection` names them: they say where the message goes and where it ends. */
const alwaysKept = new Set(['host', 'content-length']);

/** Every value of a header. */
export function valuesOf(headers: RawHeaders, name: string): string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name);
}

/** The headers without those that concern one connection alone (RFC 9110 §7.6.1). */
export function endToEnd(headers: RawHeaders): string[] {
  const named = valuesOf(headers, 'connection').flatMap((value) => value.toLowerCase().split(/[\s,]+/));
  const dropped = new Set([...hopByHop, ...named.filter((name) => !alwaysKept.has(name))]);
  return headers.filter((_, at) => !dropped.has(headers[at - (at % 2)]?.toLowerCase() ?? ''));
}
