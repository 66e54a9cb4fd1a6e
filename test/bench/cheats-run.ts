import { agreementOf } from './bench-walls.ts';
import { cheats } from './cheats.ts';
import { baseFiles } from './cheats-base.ts';
import type { CraftedCase } from './crafted-case.ts';
import { honestPatches } from './honest-patches.ts';
import { createProvingGround, type ProvingGround } from './proving-ground.ts';
import type { BenchRow } from './row.ts';

/** Judges one crafted patch, by the gates that read or by the whole of verification. */
export async function judgeCrafted(ground: ProvingGround, crafted: CraftedCase) {
  const request = { tree: await ground.treeOf(crafted.patch), ...agreementOf(crafted) };
  if (crafted.readOnly) return ground.read(request);
  return ground.verify(request, { fresh: crafted.freshContainers ?? false });
}

/** How many deceiving patches get through and how many honest ones do not; the target of both is none. */
export async function craftedPatchesBench(): Promise<BenchRow[]> {
  await using ground = await createProvingGround(baseFiles, 'bench');
  const opens = async (crafted: CraftedCase) => (await judgeCrafted(ground, crafted)).next === 'open';
  const deceived: string[] = [];
  const refused: string[] = [];
  for (const crafted of cheats) if (await opens(crafted)) deceived.push(crafted.name);
  for (const crafted of honestPatches) if (!(await opens(crafted))) refused.push(crafted.name);
  for (const name of [...deceived, ...refused]) console.error(`judged wrongly: ${name}`);
  return [
    {
      name: 'deceiving patches let through',
      figure: deceived.length,
      floor: cheats.length,
      unit: 'patches',
      target: 0,
    },
    { name: 'honest patches held up', figure: refused.length, floor: honestPatches.length, unit: 'patches', target: 0 },
  ];
}

/** The table of the documentation. */
export function craftedPatchesTable(): string {
  const row = (crafted: CraftedCase) =>
    `| ${crafted.name} | ${crafted.suite ?? 'js'} | ${crafted.readOnly ? 'reading the patch' : 'running it'} | ${crafted.caughtBy === null ? 'let through' : `\`${crafted.caughtBy}\``} |`;
  const table = (cases: readonly CraftedCase[], last: string) =>
    [`| Patch | Checks | Judged by | ${last} |`, '| --- | --- | --- | --- |', ...cases.map(row)].join('\n');
  return `${[
    '# Crafted patches',
    'Made by `test/verification/cheats.test.ts` from the cases that it judges; [verification.md](verification.md) says how.',
    `## ${cheats.length} patches that deceive`,
    table(cheats, 'Caught by the gate'),
    `## ${honestPatches.length} honest patches that look like it`,
    table(honestPatches, 'Outcome'),
  ].join('\n\n')}\n`;
}
