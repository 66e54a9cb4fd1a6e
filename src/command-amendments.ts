import { goesOnFrom } from './amendments.ts';
import { amended } from './attempt.ts';
import { begin, type Context, done, merged, type Result, refuse } from './command-context.ts';
import { type CommandLine, readAllow, readWaive } from './command-text.ts';
import { amendFiles, type KeptOut, keptOut } from './contract/globs.ts';
import { layerNames } from './contract/policy-layers.ts';
import type { Doors } from './doors.ts';
import { latestOutput } from './engine/outputs.ts';
import { beginAttempt, type RequestChange, updateRequest } from './engine/runs.ts';
import type { Run } from './run.ts';
import { IntakeResult } from './stages/intake.ts';
import { showStatus } from './status.ts';

async function acceptedBy(run: Run, { db }: Doors) {
  const accepted = (await latestOutput(db, run.id, 'intake', IntakeResult))?.value;
  return accepted?.contract && accepted.walls
    ? amended(
        { contract: accepted.contract, walls: accepted.walls },
        run.request.allowed.map((entry) => entry.glob),
      )
    : null;
}

/** Why `/allow` would have no effect at all: it widens the contract only, never what stands above it. */
function whyKeptOut(kept: KeptOut): string {
  switch (kept.reason) {
    case 'protected':
      return 'It is protected whatever a contract says; only the operator can give it free (files.unprotect).';
    case 'denied':
      return `The policy denies it (files.deny: ${kept.globs.join(', ')}), and /allow cannot widen that.`;
    case 'outside':
      return `${layerNames[kept.layer]} allows only ${kept.globs.join(', ') || 'nothing'}, and /allow cannot widen that.`;
  }
}

/** `/allow GLOB`: widens the contract only, never the policy above it. */
export async function allow(line: CommandLine, run: Run, context: Context): Promise<Result> {
  const glob = readAllow(line.rest);
  if (glob === null)
    return refuse(
      'allow',
      'Expected /allow GLOB, such as /allow docs/**: one a line, in backticks if it holds spaces.',
    );
  const accepted = await acceptedBy(run, context.doors);
  if (!accepted) return refuse('allow', 'The contract is not accepted yet: edit the issue and put the label on again.');
  const widened = amendFiles(accepted.contract, glob);
  if (!widened.ok) return refuse('allow', widened.message);
  const kept = keptOut(glob, accepted.walls.files);
  if (kept) return refuse('allow', whyKeptOut(kept));
  const known = run.request.allowed.find((entry) => entry.glob === glob);
  const entry = { glob, by: context.source.author, cause: context.cause };
  const change: RequestChange = ({ allowed }) => ({ allowed: [...allowed.filter((old) => old.glob !== glob), entry] });
  return amend(run, { name: 'allow', known, change }, context);
}

/** `/waive NAME reason`. */
export async function waive(line: CommandLine, run: Run, context: Context): Promise<Result> {
  const asked = readWaive(line.rest);
  if (!asked) return refuse('waive', 'Expected /waive NAME reason, such as /waive lint the rule is being dropped.');
  const names = await waivableNames(run, context);
  if (!names.includes(asked.name))
    return refuse('waive', `${asked.name} cannot be waived. What can: ${names.join(', ')}.`);
  const known = run.request.waived.find(({ name, reason }) => name === asked.name && reason === asked.reason);
  const entry = { ...asked, by: context.source.author, cause: context.cause };
  const change: RequestChange = ({ waived }) => ({
    waived: [...waived.filter((old) => old.name !== asked.name), entry],
  });
  return amend(run, { name: 'waive', known, change }, context);
}

/** SPEC §5: a check's kind, and the findings that a person may let through. */
async function waivableNames(run: Run, { doors, walls }: Context): Promise<string[]> {
  const accepted = (await latestOutput(doors.db, run.id, 'intake', IntakeResult))?.value.walls ?? walls;
  // What does not run finds nothing that could be let through.
  const kinds = accepted.checks.filter(({ state }) => state === 'run').map(({ kind }) => kind.toLowerCase());
  return [...new Set(['tests', 'size', 'definitions', 'flaky', ...kinds])];
}

interface Amendment {
  name: 'allow' | 'waive';
  /** The very same, given before: by another command it is repeated, by this one it was interrupted. */
  known: { cause?: string | undefined } | undefined;
  change: RequestChange;
}

/** A run that waits for just this goes on; any other keeps the amendment for its next verdict. Repeated, it has no second effect. */
async function amend(run: Run, { name, known, change }: Amendment, { source, cause, doors }: Context): Promise<Result> {
  if (run.start.cause === cause) return done;
  if (run.outcome?.code === 'merged') return refuse(name, merged);
  if (known && known.cause !== cause) return done;
  const start = { reason: name, by: source.author, guidance: null, cause, askedAtMs: source.writtenAtMs } as const;
  const from = goesOnFrom(run);
  if (from !== null) return begin(run, { ...start, from }, change, doors, name);
  const now = await updateRequest(doors.db, run.id, change);
  // Its verdict came, and was written, while this was read: it is answered all the same.
  const late = now && goesOnFrom(now);
  const begun = late && (await beginAttempt(doors.db, run.id, { ...start, from: late }));
  if (begun) await showStatus(begun, doors);
  return done;
}
