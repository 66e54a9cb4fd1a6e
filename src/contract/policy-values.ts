import { z } from 'zod';
import { globProblem, plainGlob } from './glob.ts';
import { durationPattern, parseDuration, parseSize, sizePattern } from './units.ts';
import { readHost } from './values.ts';
import { roles } from './walls.ts';

/** Expected by a key, in words: shown in errors. Zod's own texts speak of types, not of what to write. */
export const text = (expected: string) => z.string({ error: expected }).trim().min(1, expected);
export const list = <Item extends z.ZodType>(item: Item, expected: string) =>
  z.array(item, { error: `${expected}, as a list` }).max(500);

export const glob = text('a path or glob')
  .refine((value) => globProblem(value) === null, {
    error: (issue) => `a path or glob inside the repository; this one ${globProblem(String(issue.input))}`,
  })
  .transform(plainGlob);
export const globs = list(glob, 'paths or globs');
export const pattern = text('a command pattern such as `npm test *`').max(500);
export const host = text('`host:port`')
  .refine((value) => readHost(value) !== null, {
    error: '`host:port` with a host name, such as `registry.example.org:443`',
  })
  .transform((value) => readHost(value) ?? value);
export const cidr = text('a CIDR range').refine(
  (value) => z.cidrv4().safeParse(value).success || z.cidrv6().safeParse(value).success,
  'a CIDR range such as `10.1.0.0/16`',
);
/** As container engines have it: host and port, path in small letters, tag, digest. */
export const imageName = text('the name of an image')
  .max(500)
  .regex(
    /^(?:[\w.-]+(?::\d{1,5})?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/u,
    'the name of an image, such as `millwright/sandbox`',
  );
export const secretName = text('the name of a secret').regex(
  /^[A-Za-z_][A-Za-z0-9_]{0,63}$/u,
  'a name such as `STAGING_TOKEN`: letters, digits and `_`',
);
export const size = z
  .string({ error: 'a size such as `256m` or `2g`' })
  .regex(sizePattern, 'a size such as `256m` or `2g`')
  .refine((value) => parseSize(value) !== null, 'a size above zero, such as `256m` or `2g`')
  .transform((value) => parseSize(value) ?? 0);
export const duration = z
  .string({ error: 'a duration such as `90s`, `10m` or `2h`' })
  .regex(durationPattern, 'a duration such as `90s`, `10m` or `2h`')
  .refine((value) => parseDuration(value) !== null, 'a duration above zero, such as `90s`, `10m` or `2h`')
  .transform((value) => parseDuration(value) ?? 0);
export const whole = z.int({ error: 'a whole number above zero' }).positive('a whole number above zero');
export const positive = z.number({ error: 'a number above zero' }).positive('a number above zero');
export const dollars = z
  .number({ error: 'US dollars, such as `3` or `2.5`' })
  .nonnegative('US dollars, such as `3` or `2.5`');
const daysText = z.string().regex(/^[1-9]\d{0,4}d$/u);
export const days = z.union([positive, daysText.transform((text) => Number(text.slice(0, -1)))], {
  error: 'days, such as `90` or `90d`',
});
/** As people mention it, too: `@maya`. */
export const login = text('a login or `org/team`').transform((value) => value.replace(/^@/u, ''));
export const role = z.enum(roles, { error: `one of ${roles.join(', ')}` });
export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });
export const truth = z.boolean({ error: '`true` or `false`' });
export const access = oneOf(['read-only', 'mutating']);
export const toolName = z.string().regex(/^[\w.:/-]{1,100}$/u, 'the name of a tool');
export const tools = z.union([list(toolName, 'names of tools'), z.record(toolName, access)], {
  error: 'names of tools as a list, or `name: read-only` and `name: mutating`',
});

export const mcpServer = z.strictObject({
  url: z
    .url({ protocol: /^https?$/u, error: 'the address of the server, such as `https://docs.example.org/mcp`' })
    .refine(
      (value) => !/^https?:\/\/[^/?#]*@/iu.test(value),
      'an address without user and password: they go into `headers`',
    )
    .describe('Operator only. Address of the server.'),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .describe(
      'Operator only. Headers of each request. A `$` and a name in braces stand for the value of `MILLWRIGHT_SECRET_<NAME>`.',
    ),
  tools,
});

export const check = z.strictObject({
  command: text('a command').describe('Its exit code is the verdict.'),
  timeout: duration.optional().describe('At most this long; without it, `limits.check_timeout`.'),
  optional: truth.optional().describe('A contract may skip it.'),
  report: glob.optional().describe('JUnit XML that the command writes: results are then compared test by test.'),
});

export const kind = z
  .string()
  .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/u, 'the kind of a check in small letters, such as `unit` or `migration`')
  .max(40);

export const stageModel = z.strictObject({
  name: text('the name of a model').optional(),
  effort: text('an effort such as `low`').optional(),
});

export const price = z.strictObject({
  input: dollars.describe('US dollars per million input tokens.'),
  output: dollars.describe('US dollars per million output tokens.'),
  cached_input: dollars
    .optional()
    .describe('US dollars per million input tokens that the provider had cached; without it, as `input`.'),
});

/**
 * An optional key with what editors and docs show of it. Default and example go under names of our own, since zod leaves `default` and `examples`
 * out of the schema of what is written in a file; `policyJsonSchema` puts them back.
 */
export const known = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  fallback?: unknown,
  example?: unknown,
) =>
  schema.optional().meta({
    description,
    ...(fallback === undefined ? {} : { fallback }),
    ...(example === undefined ? {} : { example }),
  });
