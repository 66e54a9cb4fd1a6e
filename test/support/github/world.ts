import { repositoryShape } from './repository-shapes.ts';
import { labelShape, senderShape, userShape } from './shapes.ts';
import {
  type Actor,
  account,
  type Installation,
  type Issue,
  type IssueEvent,
  installationOf,
  type Json,
  nodeId,
  type Repository,
  type State,
  timestamp,
} from './state.ts';
import { installationStub, type Webhooks } from './webhooks.ts';

/** The state, and the way in which its changes become known. */
export interface World {
  state: State;
  webhooks: Webhooks;
  /** Whether the app hears of what it did itself, as it does on GitHub. */
  ownEvents: boolean;
}

/** Queues a webhook about a repository, if the app is installed there. */
export function announce(world: World, repository: Repository, event: string, actor: Actor, payload: Json): void {
  const { state } = world;
  const installation = installationOf(state, repository);
  if (!installation || installation.suspendedAt || (actor.viaApp && !world.ownEvents)) return;
  const owner = account(state, repository.owner);
  const organization =
    owner.type === 'Organization'
      ? { organization: { login: owner.login, id: owner.id, node_id: nodeId('Organization', owner.id) } }
      : {};
  void world.webhooks.emit(event, {
    ...payload,
    repository: repositoryShape(state, repository),
    ...organization,
    sender: senderShape(state, actor),
    installation: installationStub(installation.id),
  });
}

/** Queues a webhook about an installation itself. */
export function announceInstallation(
  world: World,
  event: string,
  installation: Installation,
  actor: Actor,
  payload: Json,
): void {
  void world.webhooks.emit(event, {
    ...payload,
    sender: userShape(world.state, actor.login),
    installation: payload.installation ?? installationStub(installation.id),
  });
}

export function recordEvent(
  world: World,
  repository: Repository,
  issue: Issue,
  event: string,
  actor: Actor,
  detail: Json = {},
): void {
  const { state } = world;
  repository.events.push({
    id: state.nextId(),
    issue: issue.number,
    event,
    actor: actor.login,
    viaApp: actor.viaApp,
    createdAt: timestamp(state),
    detail,
  });
  issue.updatedAt = timestamp(state);
}

/** An entry of the events and timeline lists. */
export function eventShape(state: State, repository: Repository, event: IssueEvent): Json {
  const label = event.detail.label as string | undefined;
  const named = (key: string): Json =>
    typeof event.detail[key] === 'string' ? { [key]: userShape(state, event.detail[key]) } : {};
  return {
    id: event.id,
    node_id: nodeId('IssueEvent', event.id),
    url: `${state.origin}/api/v3/repos/${repository.fullName}/issues/events/${event.id}`,
    actor: userShape(state, event.actor),
    event: event.event,
    commit_id: event.detail.commit_id ?? null,
    commit_url: null,
    created_at: event.createdAt,
    performed_via_github_app: null,
    ...(label === undefined ? {} : { label: { name: label, color: labelShape(state, repository, label).color } }),
    ...named('assignee'),
    ...named('requested_reviewer'),
    ...(event.detail.rename === undefined ? {} : { rename: event.detail.rename }),
  };
}
