/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import type { Walls } from '../contract/walls.ts';
import { eventById, eventPage } from '../engine/ledger.ts';
import { outputsOf } from '../engine/outputs.ts';
import { patchOf } from '../engine/patches.ts';
import { evidenceOf } from '../evidence.ts';
import type { Role } from '../github/github.ts';
import { mayStop, retryRefusal } from '../run-actions.ts';
import { BuildResult } from '../stages/build.ts';
import { holds } from '../stages/intake.ts';
import { intakeOf } from '../status-input.ts';
import { eventLine } from './event-line.ts';
import { Page, Part } from './layout.tsx';
import { liveLog } from './live-log.ts';
import { EventData, TranscriptPart } from './log-part.tsx';
import { type Allowed, RunPage, runAddress } from './run-page.tsx';
import { shownEventChars, transcriptKinds, viewOf } from './run-view.ts';
import { lineOf } from './text.tsx';
import { frameOf, readableRun, toSignIn, viewerOf, type WebEnvironment, type WebParts } from './web-context.ts';

const transcriptEvents = 200;

export function addRunRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { doors, access } = parts;
  app.get('/runs/:id', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    if (found === null) return c.notFound();
    const view = await viewOf(found.run, doors);
    const frame = frameOf(viewer, access, found.run.request.title || found.run.id, 'runs');
    return c.html(<RunPage frame={frame} view={view} allowed={allowedTo(found, view.status.walls)} />);
  });
  addTranscript(app, parts);
  addDownloads(app, parts);
  addLog(app, parts);
}

/** What the buttons offer; the policy as it stands then decides when one is pressed. */
function allowedTo({ run, role }: { run: Parameters<typeof mayStop>[0]; role: Role }, walls: Walls | null): Allowed {
  return {
    stop: mayStop(run) && holds(role, walls?.roles.stop ?? 'triage'),
    retry: retryRefusal(run) === null && holds(role, walls?.roles.command ?? 'write'),
  };
}

function addTranscript(app: Hono<WebEnvironment>, { doors, access }: WebParts): void {
  app.get('/runs/:id/transcript', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    if (found === null) return c.notFound();
    const { run } = found;
    const before = numberOf(c.req.query('before'));
    const events = await eventPage(doors.db, run.id, {
      newest: true,
      limit: transcriptEvents,
      longestChars: shownEventChars,
      prefixes: transcriptKinds,
      ...(before === null ? {} : { beforeId: before }),
    });
    const address = runAddress(run.id);
    const first = events.length === transcriptEvents ? events[0] : undefined;
    const earlier = first === undefined ? null : `${address}/transcript?before=${first.id}`;
    return c.html(
      <Page frame={frameOf(viewer, access, `Transcript of ${run.id}`, 'runs')}>
        <p class="crumbs">
          <a href={address}>{lineOf(run.request.title, 120) || run.id}</a>
        </p>
        <h1>Transcript</h1>
        {events.length === 0 ? <p class="none">Nothing before that.</p> : null}
        <TranscriptPart page={{ events, earlier }} address={address} />
      </Page>,
    );
  });
  app.get('/runs/:id/events/:event', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    const id = numberOf(c.req.param('event'));
    const event = found === null || id === null ? null : await eventById(doors.db, found.run.id, id);
    if (found === null || event === null) return c.notFound();
    const line = eventLine({ ...event, chars: 0 });
    return c.html(
      <Page frame={frameOf(viewer, access, `Event ${event.id}`, 'runs')}>
        <p class="crumbs">
          <a href={runAddress(found.run.id)}>{lineOf(found.run.request.title, 120) || found.run.id}</a>
        </p>
        <h1>{`Event ${event.id}`}</h1>
        <Part id="event" heading={line.kind}>
          <EventData data={event.data} />
        </Part>
      </Page>,
    );
  });
}

/** Files are kept by the browser and never shown by it: what is in them was written by others. */
function addDownloads(app: Hono<WebEnvironment>, { doors, access }: WebParts): void {
  const file = (text: string | Uint8Array<ArrayBuffer>, type: string, name: string) =>
    new Response(text, {
      headers: { 'content-type': `${type}; charset=utf-8`, 'content-disposition': `attachment; filename="${name}"` },
    });
  app.get('/runs/:id/patch', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    if (found === null) return c.notFound();
    const kept = await patchOf(doors.db, found.run.id);
    return kept?.patch ? file(new Uint8Array(kept.patch), 'text/plain', `${found.run.id}.patch`) : c.notFound();
  });
  app.get('/runs/:id/evidence.json', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    if (found === null) return c.notFound();
    const { run } = found;
    const { patch, verdicts } = await evidenceOf(doors.db, run.id);
    const builds = await outputsOf(doors.db, run.id, 'build', BuildResult);
    const intake = await intakeOf(run, doors);
    const evidence = {
      run: run.id,
      repository: `${run.owner}/${run.name}`,
      issue: run.issue,
      state: run.state,
      outcome: run.outcome,
      revision: run.request.revision,
      base: intake?.base ?? null,
      head: run.headSha,
      contract: intake?.contract ?? null,
      patch: patch && { base: patch.base, tree: patch.tree, bytes: patch.bytes, masked: patch.masked },
      verdicts,
      claims: builds.map(({ name, attempt, value }) => ({
        name,
        attempt,
        end: value.end,
        submission: value.submission,
      })),
    };
    return file(`${JSON.stringify(evidence, null, 2)}\n`, 'application/json', `${run.id}-evidence.json`);
  });
}

function addLog(app: Hono<WebEnvironment>, { doors, access, streams }: WebParts): void {
  app.get('/runs/:id/log', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return c.text('Sign in first.', 401);
    const found = await readableRun(c.req.param('id'), viewer, doors, access);
    if (found === null) return c.notFound();
    if (c.req.raw.method === 'HEAD') return c.body(null, 204);
    const { run } = found;
    const afterId = numberOf(c.req.header('last-event-id')) ?? numberOf(c.req.query('after')) ?? 0;
    const mayRead = async () => (await access.roleOf(viewer, run)) !== 'none';
    const make = (signal: AbortSignal) => liveLog({ db: doors.db, runId: run.id, afterId, mayRead, signal });
    const stream = streams.open(viewer.session, make, c.req.raw.signal);
    return stream ?? c.text('Too many live logs are open.', 503, { 'retry-after': '30' });
  });
}

/** Null for what is no id of an event. */
function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
