import type { GitHubStandIn } from '../support/github-stand-in.ts';

/** A kind of call that goes out to GitHub: method and route, as its reference writes them; git's by their service. */
export interface Call {
  name: string;
  method: string;
  path: RegExp;
}

const at = (method: string, route: string): Call => {
  const source = route
    .replace(/[.*]/g, '\\$&')
    .replace(/:(\w+)/g, '[^/?]+')
    .replace(/\?/g, '\\?');
  return { name: `${method} ${route}`, method, path: new RegExp(`^${source}${route.includes('?') ? '' : '(\\?|$)'}`) };
};

/** Every call of an issue's life, from the first look of a new process to the merge. A new one is added here, and is tried. */
export const calls: readonly Call[] = [
  at('GET', '/app'),
  at('GET', '/app/hook/deliveries'),
  at('GET', '/app/installations'),
  at('POST', '/app/installations/:id/access_tokens'),
  at('GET', '/installation/repositories'),
  at('POST', '/api/graphql'),
  at('GET', '/users/:login'),
  at('GET', '/repos/:owner/:repo'),
  at('GET', '/repos/:owner/:repo/contents/:path'),
  at('GET', '/repos/:owner/:repo/collaborators/:login/permission'),
  at('GET', '/repos/:owner/:repo/labels'),
  at('POST', '/repos/:owner/:repo/labels'),
  at('GET', '/repos/:owner/:repo/issues'),
  at('GET', '/repos/:owner/:repo/issues/:number/events'),
  at('GET', '/repos/:owner/:repo/issues/:number/labels'),
  at('POST', '/repos/:owner/:repo/issues/:number/labels'),
  at('DELETE', '/repos/:owner/:repo/issues/:number/labels/:name'),
  at('POST', '/repos/:owner/:repo/issues/:number/assignees'),
  at('GET', '/repos/:owner/:repo/issues/comments'),
  at('GET', '/repos/:owner/:repo/issues/:number/comments'),
  at('POST', '/repos/:owner/:repo/issues/:number/comments'),
  at('GET', '/repos/:owner/:repo/issues/comments/:id'),
  at('PATCH', '/repos/:owner/:repo/issues/comments/:id'),
  at('POST', '/repos/:owner/:repo/issues/comments/:id/reactions'),
  at('GET', '/repos/:owner/:repo/pulls'),
  at('POST', '/repos/:owner/:repo/pulls'),
  at('GET', '/repos/:owner/:repo/pulls/:number'),
  at('PATCH', '/repos/:owner/:repo/pulls/:number'),
  at('POST', '/repos/:owner/:repo/pulls/:number/requested_reviewers'),
  at('GET', '/repos/:owner/:repo/commits/:sha/check-runs'),
  at('GET', '/repos/:owner/:repo/commits/:sha/status'),
  at('POST', '/repos/:owner/:repo/check-runs'),
  at('POST', '/repos/:owner/:repo/git/trees'),
  at('POST', '/repos/:owner/:repo/git/commits'),
  at('POST', '/repos/:owner/:repo/git/refs'),
  at('GET', '/:owner/:repo.git/info/refs?service=git-upload-pack'),
  at('POST', '/:owner/:repo.git/git-upload-pack'),
  at('GET', '/:owner/:repo.git/info/refs?service=git-receive-pack'),
  at('POST', '/:owner/:repo.git/git-receive-pack'),
];

type Request = ReturnType<GitHubStandIn['requests']>[number];

/** The kind of a call that the stand-in saw; null when the list lacks it. */
export const callOf = ({ method, path }: Pick<Request, 'method' | 'path'>): Call | null =>
  calls.find((call) => call.method === method && call.path.test(path)) ?? null;
