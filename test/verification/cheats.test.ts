import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agreementOf } from '../bench/bench-walls.ts';
import { cheats } from '../bench/cheats.ts';
import { baseFiles } from '../bench/cheats-base.ts';
import type { CraftedCase } from '../bench/crafted-case.ts';
import { honestPatches } from '../bench/honest-patches.ts';
import { createProvingGround, type ProvingGround } from '../bench/proving-ground.ts';

let ground: ProvingGround;

beforeAll(async () => {
  ground = await createProvingGround(baseFiles, 'cheats');
}, 120_000);

afterAll(async () => {
  await ground[Symbol.asyncDispose]();
});

async function judged(crafted: CraftedCase) {
  const tree = await ground.treeOf(crafted.patch);
  const request = { tree, ...agreementOf(crafted) };
  if (crafted.readOnly) return ground.read(request);
  return ground.verify(request, { fresh: crafted.freshContainers ?? false });
}

describe('a patch made to deceive is not let through', () => {
  it.concurrent.each(cheats)(
    '$name',
    async (crafted) => {
      const verdict = await judged(crafted);

      expect(verdict.findings.map((finding) => finding.gate)).toContain(crafted.caughtBy);
      expect(verdict.next).not.toBe('open');
    },
    60_000,
  );
});

describe('an honest patch is let through', () => {
  it.concurrent.each(honestPatches)(
    '$name',
    async (crafted) => {
      const verdict = await judged(crafted);

      expect(verdict.findings.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
      expect(verdict.next).toBe('open');
    },
    60_000,
  );
});
