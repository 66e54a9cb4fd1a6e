import type { Octokit } from '@octokit/rest';
import type { CheckRunRequest, ForeignCheck, RepositoryGitHub } from './github.ts';
import { createOnce } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

/** GitHub takes at most 50 annotations a call; more are added by updates (REST reference, check runs). */
const annotationsPerCall = 50;
const failed = new Set(['failure', 'timed_out', 'startup_failure']);

/** Verbs on check runs and commit statuses. */
export function bindChecks(
  client: Octokit,
  at: At,
  appId: number,
): Pick<RepositoryGitHub, 'upsertCheckRun' | 'failedChecks'> {
  return {
    async upsertCheckRun(request) {
      const find = async () => {
        const { data } = await client.checks.listForRef({
          ...at,
          ref: request.headSha,
          check_name: request.name,
          filter: 'all',
          per_page: 100,
        });
        return data.check_runs.find((run) => run.external_id === request.externalId) ?? null;
      };
      const own = await find();
      const [first, ...rest] = annotationPages(request);
      const fields = checkRunFields(request);
      const output = {
        title: request.title,
        summary: request.summary,
        ...(request.text ? { text: request.text } : {}),
      };
      const create = async () =>
        (
          await client.checks.create({
            ...at,
            head_sha: request.headSha,
            ...fields,
            output: { ...output, annotations: first ?? [] },
          })
        ).data;
      const { id } = own ?? (await createOnce(find, create));
      if (own)
        await client.checks.update({
          ...at,
          check_run_id: id,
          ...fields,
          output: { ...output, annotations: first ?? [] },
        });
      for (const annotations of rest) {
        await client.checks.update({ ...at, check_run_id: id, ...fields, output: { ...output, annotations } });
      }
    },
    async failedChecks(commit) {
      const all = await client.paginate(client.checks.listForRef, {
        ...at,
        ref: commit,
        filter: 'latest',
        per_page: 100,
      });
      const runs: ForeignCheck[] = all
        .filter((run) => run.app?.id !== appId && failed.has(run.conclusion ?? ''))
        .map((run) => ({ name: run.name, url: run.html_url, summary: run.output.summary ?? run.output.title ?? '' }));
      const { data: combined } = await client.repos.getCombinedStatusForRef({ ...at, ref: commit, per_page: 100 });
      const statuses = combined.statuses
        .filter((status) => status.state === 'failure' || status.state === 'error')
        .map((status) => ({ name: status.context, url: status.target_url, summary: status.description ?? '' }));
      return [...runs, ...statuses];
    },
  };
}

function checkRunFields(request: CheckRunRequest) {
  return {
    name: request.name,
    external_id: request.externalId,
    status: request.status,
    ...(request.conclusion ? { conclusion: request.conclusion } : {}),
    ...(request.detailsUrl ? { details_url: request.detailsUrl } : {}),
  };
}

function annotationPages(request: CheckRunRequest) {
  const all = (request.annotations ?? []).map((annotation) => ({
    path: annotation.path,
    start_line: annotation.startLine,
    end_line: annotation.endLine,
    annotation_level: annotation.level,
    message: annotation.message,
  }));
  const pages: (typeof all)[] = [];
  for (let at = 0; at < all.length; at += annotationsPerCall) pages.push(all.slice(at, at + annotationsPerCall));
  return pages;
}
