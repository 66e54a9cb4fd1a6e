/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import type { Role as NeededRole, Walls } from '../contract/walls.ts';
import { readLayers, wallsWithoutContract } from '../policy-source.ts';
import { type Run, stageNames } from '../run.ts';
import { retryRun, stopRun } from '../run-actions.ts';
import { holds } from '../stages/intake.ts';
import type { Viewer } from './access.ts';
import { Notice } from './layout.tsx';
import { runAddress } from './run-page.tsx';
import {
  frameOf,
  isOwnForm,
  readableRun,
  toSignIn,
  viewerOf,
  type WebContext,
  type WebEnvironment,
  type WebParts,
} from './web-context.ts';

const longestReason = 500;
const longestGuidance = 20_000;

/** The buttons of a run's page: the same as `/stop` and `/retry`, by the same roles, recorded under the viewer's name. */
export function addActionRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { doors } = parts;
  app.post('/runs/:id/stop', (c) =>
    act(c, parts, 'stop', ({ run, viewer, form }) =>
      stopRun(run, { by: viewer.login, reason: textOf(form.reason, longestReason) }, doors),
    ),
  );
  app.post('/runs/:id/retry', (c) =>
    act(c, parts, 'command', ({ run, viewer, form }) => {
      const from = stageNames.find((stage) => stage === form.from) ?? null;
      return retryRun(run, { by: viewer.login, from, guidance: textOf(form.guidance, longestGuidance) }, doors);
    }),
  );
}

interface Asked {
  run: Run;
  viewer: Viewer;
  form: Record<string, unknown>;
}

async function act(
  c: WebContext,
  parts: WebParts,
  needs: keyof Pick<Walls['roles'], 'stop' | 'command'>,
  work: (asked: Asked) => Promise<string | null>,
): Promise<Response> {
  const { doors, access } = parts;
  const viewer = viewerOf(c, access);
  if (viewer === null) return toSignIn(c);
  const form = await c.req.parseBody();
  const refused = (reason: string, status: 403 | 409) =>
    c.html(<NotDone viewer={viewer} parts={parts} id={c.req.param('id') ?? ''} reason={reason} />, status);
  if (!isOwnForm(c, viewer, access, doors, form.csrf))
    return refused('The form did not come from this page. Reload it and try again.', 403);
  const found = await readableRun(c.req.param('id'), viewer, doors, access);
  if (found === null) return c.notFound();
  const missing = await missingRole(found.run, viewer, needs, parts);
  if (missing !== null) return refused(`That needs the role ${missing} in the repository.`, 403);
  const reason = await work({ run: found.run, viewer, form });
  return reason === null ? c.redirect(runAddress(found.run.id), 303) : refused(reason, 409);
}

/** The role that the viewer lacks, by the policy and GitHub's word of this moment; null when they hold it. */
async function missingRole(
  run: Run,
  viewer: Viewer,
  needs: 'stop' | 'command',
  { doors }: WebParts,
): Promise<NeededRole | null> {
  if (viewer.token === null) return null;
  const ref = { installationId: run.installationId, owner: run.owner, name: run.name };
  const walls = wallsWithoutContract(await readLayers(doors, ref), doors, ref);
  const held = await doors.github.repository(ref).roleOf(viewer.login);
  return holds(held, walls.roles[needs]) ? null : walls.roles[needs];
}

function textOf(value: unknown, max: number): string | null {
  const text = typeof value === 'string' ? value.trim().slice(0, max) : '';
  return text === '' ? null : text;
}

function NotDone({ viewer, parts, id, reason }: { viewer: Viewer; parts: WebParts; id: string; reason: string }) {
  return (
    <Notice frame={frameOf(viewer, parts.access, 'Not done', 'runs')} heading="Not done">
      <p>{reason}</p>
      <p>
        <a href={runAddress(id)}>Back to the run</a>
      </p>
    </Notice>
  );
}
